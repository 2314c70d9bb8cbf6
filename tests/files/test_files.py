"""save and load: what may be in a file, what is refused, and the files of earlier formats."""

import itertools
import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import optax
import pytest
import safetensors.numpy
from _make import CODES, FILE, rows
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator
from sklearn.model_selection import GridSearchCV, KFold, LeaveOneOut, PredefinedSplit
from sklearn.preprocessing import StandardScaler

import skae
from skae import AutoencoderTransformer, Modality, MultimodalAutoencoder, SeriesPadder
from skae._files import container, records
from skae._files.values import Decoder, Encoder
from skae.architectures import Dense
from skae.losses import Huber, Joint

N_MUTATED = int(os.environ.get("SKAE_MUTATED_FILES", 2_000))
N_SIGNED = 400  # mutated files with a digest of their own
RUNS_CODE = ("exec", "compile", "pickle.find_class", "os.system", "subprocess.Popen", "open")
WATCHED = []


def audit(event, arguments):
    """Note what runs or opens anything while files are read; Python calls it."""
    if WATCHED and event in RUNS_CODE:
        WATCHED.append((event, str(arguments)[:200]))


sys.addaudithook(audit)


def load_watched(path):
    """Return what ``load`` returns; fail if it runs anything or opens another file."""
    WATCHED.append("on")
    try:
        return skae.load(path)
    finally:
        known = str(path), ".py'"  # JAX reads its own sources when tracing fails
        found = [event for event in WATCHED[1:] if not any(k in event[1] for k in known)]
        WATCHED.clear()
        assert found == []


def test_a_folder_that_is_missing_is_named(fitted, tmp_path):
    path = tmp_path / "models" / "iris.safetensors"
    with pytest.raises(
        FileNotFoundError, match=r"no folder .*models to write iris.safetensors"
    ):
        skae.save(fitted, path)


def test_the_file_of_format_1_loads_for_ever():
    known, ae = json.loads(CODES.read_text()), skae.load(FILE)
    codes = ae.transform(rows())
    assert_allclose(codes, known["codes"], rtol=0, atol=1e-5)
    assert_allclose(ae.inverse_transform(codes), known["rebuilt"], rtol=0, atol=1e-5)
    assert ae.selected_model_ == "autoencoder" and FILE.stat().st_size < 2**14


def test_arrays_are_safetensors(tmp_path):
    """Another library reads them, and a file of what it read is the same."""
    arrays = safetensors.numpy.load_file(FILE)
    document, own = container.read(FILE)
    assert [str(i) for i in range(len(own))] == sorted(arrays, key=int)
    for i, array in enumerate(own):
        assert array.dtype == arrays[str(i)].dtype
        assert_array_equal(array, arrays[str(i)])
    container.write(tmp_path / "again", document, own)
    assert (tmp_path / "again").read_bytes() == FILE.read_bytes()


@pytest.mark.parametrize(
    "value",
    [
        [None, True, 3, -0.0, 1e-300, "é\ud800", (), {}, (1, [2]), {"a": {1: (2.5, None)}}],
        [float("inf"), -float("inf"), 2**100, b"\0bytes", np.float32(0.1), np.int64(3)],
        np.array(["a", None, 3, float("nan"), (1, 2)], object),
        np.array(["a", "longer"]),
        np.array(["2020-01-01", "NaT"], "M8[ns]"),
        np.array(5.0),
        np.zeros((0, 3), np.float32),
        np.arange(6, dtype=np.int16).reshape(2, 3).T,
        np.arange(12.0)[::2].astype(">f8"),
        np.array([True, False]),
        np.str_("text"),
    ],
    ids=str,
)
def test_values_are_the_same(value, tmp_path):
    encoder = Encoder()
    container.write(tmp_path / "file", {"object": encoder(value, "")}, encoder.arrays)
    document, arrays = container.read(tmp_path / "file")
    decoder = Decoder(arrays)
    found = decoder(document["object"])
    assert type(found) is type(value) and decoder.unused == 0
    one, other = (x.tolist() if hasattr(x, "tolist") else x for x in (found, value))
    assert repr(one) == repr(other)
    if isinstance(value, np.ndarray) and value.dtype != object:
        assert_array_equal(found, value)
        assert found.dtype.newbyteorder("=") == value.dtype.newbyteorder("=")
        is_transposed = value.flags.f_contiguous and not value.flags.c_contiguous
        assert found.flags.c_contiguous != is_transposed


@pytest.mark.parametrize(
    "given",
    [
        dict(cv=KFold(3, shuffle=True, random_state=1)),
        dict(cv=LeaveOneOut()),
        dict(cv=PredefinedSplit([0, 1, 0])),
        dict(cv=[(np.arange(5), np.arange(5, 8))]),
        dict(random_state=np.random.RandomState(3)),
        dict(loss=Joint(((1, Huber(2.0)), (2, "categorical")))),
        dict(class_weight={"a": 1, "b": np.float64(2)}, hidden_layer_sizes=np.array([3, 4])),
    ],
    ids=lambda given: "-".join(given),
)
def test_parameters_are_the_same(given, tmp_path):
    ae = AutoencoderTransformer(architecture=Dense(skip=False), **given)
    skae.save(ae, tmp_path / "file")
    again = skae.load(tmp_path / "file")
    if "random_state" in given:
        drawn, again.random_state = again.random_state.normal(size=9), ae.random_state
        assert_array_equal(drawn, np.random.RandomState(3).normal(size=9))
    assert repr(again) == repr(ae)


def test_containers_and_routing_are_the_same(quick, X, tmp_path):
    ae = quick().fit(X).set_output(transform="pandas")
    import sklearn

    with sklearn.config_context(enable_metadata_routing=True):
        ae.set_fit_request(sample_weight="weight", groups=False)
    skae.save(ae, tmp_path / "file")
    again = skae.load(tmp_path / "file")
    assert again.transform(X).equals(ae.transform(X))
    requests = [e.get_metadata_routing().fit.requests for e in (again, ae)]
    assert requests[0] == requests[1]
    assert requests[0]["sample_weight"] == "weight"


class Own(BaseEstimator):
    """An architecture of a user's."""


class OwnTransformer(AutoencoderTransformer):
    """An estimator of a user's."""


def own_function(*given):
    return given[0]


@pytest.mark.parametrize(
    ("estimator", "where"),
    [
        (AutoencoderTransformer(loss=own_function), "loss is a function"),
        (AutoencoderTransformer(corruption=own_function), "corruption is a function"),
        (AutoencoderTransformer(augmentation=own_function), "augmentation is a function"),
        (AutoencoderTransformer(optimizer=optax.lion), "optimizer is a function"),
        (AutoencoderTransformer(learning_rate_schedule=own_function), "learning_rate_schedule"),
        (AutoencoderTransformer(architecture=Own()), "architecture is an object of the class"),
        (AutoencoderTransformer(cv=iter([])), "cv is an object of the class list_iterator"),
        (AutoencoderTransformer(loss=Joint([(1, own_function)])), r"loss.parts\[0\]\[1\] is"),
        (
            skae.AutoencoderImputer(AutoencoderTransformer(loss=own_function)),
            "autoencoder.loss is a function",
        ),
        (
            MultimodalAutoencoder({"a": Modality(encoder=StandardScaler())}),
            r"modalities\['a'\].encoder is an object of the class StandardScaler",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_code_is_refused_by_its_name(estimator, where, tmp_path):
    with pytest.raises(ValueError, match=f"^{where}.*a file holds no code"):
        skae.save(estimator, tmp_path / "file")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "estimator", [StandardScaler(), GridSearchCV(SeriesPadder(), {}), OwnTransformer(), 3]
)
def test_other_estimators_are_refused(estimator, tmp_path):
    with pytest.raises(TypeError, match="save takes an estimator of skae, got"):
        skae.save(estimator, tmp_path / "file")


def mutations(files):
    """Yield endless mutations of whole ``files``: bytes that no save has written."""
    rng = np.random.default_rng(0)
    for i in itertools.count():
        whole, other = (files[j] for j in rng.permutation(len(files))[:2])
        n_header = 8 + int.from_bytes(whole[:8], "little")
        changed = bytearray(whole)
        match i % 7:
            case 0:  # bits flip
                for place in rng.integers(len(whole), size=rng.integers(1, 9)):
                    changed[place] ^= 1 << rng.integers(8)
            case 1:  # the end is missing
                del changed[rng.integers(len(whole)) :]
            case 2:  # the header of another file
                n_other = 8 + int.from_bytes(other[:8], "little")
                changed = other[:n_other] + whole[n_header:]
            case 3:  # a longer header
                n_more = int(2 ** rng.uniform(0, 62))
                changed[:8] = (n_header - 8 + n_more).to_bytes(8, "little")
            case 4:  # larger numbers in the header
                digits = [j for j in range(8, n_header) if chr(whole[j]).isdigit()]
                place = int(rng.choice(digits))
                changed[place:place] = b"9" * int(rng.integers(1, 12))
                changed[:8] = (n_header - 8 + len(changed) - len(whole)).to_bytes(8, "little")
            case 5:  # bytes more
                place = int(rng.integers(len(whole) + 1))
                changed[place:place] = rng.bytes(int(rng.integers(1, 9)))
            case 6:  # a stretch from elsewhere
                n = int(rng.integers(1, 200))
                here, there = rng.integers(len(whole) - n, size=2)
                changed[here : here + n] = whole[there : there + n]
        if bytes(changed) not in files:
            yield bytes(changed)


def test_mutated_files_are_refused(tmp_path):
    """None loads, none fails in another way than ValueError, none runs anything."""
    skae.save(SeriesPadder(4).fit([[1.0, 2.0], [3.0]]), tmp_path / "other")
    files, path = [FILE.read_bytes(), (tmp_path / "other").read_bytes()], tmp_path / "file"
    words = set()
    for changed in itertools.islice(mutations(files), N_MUTATED):
        path.write_bytes(changed)
        with pytest.raises(ValueError, match="was not loaded: ") as caught:
            load_watched(path)
        assert caught.type is ValueError
        words.add(str(caught.value).partition("loaded: ")[2][:20])
    assert len(words) > 5


def nodes(found):
    """Yield every list and dict in what JSON says."""
    if isinstance(found, dict | list):
        yield found
        for part in found.values() if isinstance(found, dict) else found:
            yield from nodes(part)


def test_files_that_someone_signed_run_nothing(tmp_path):
    """With a digest that fits a file may load, or is refused in words; nothing else."""
    rng, (text, arrays) = np.random.default_rng(0), container.read(FILE)
    text, n_refused = json.dumps(text), 0
    for i in range(N_SIGNED):
        document, changed = json.loads(text), list(arrays)
        found = [node for node in nodes(document) if len(node)]
        node, other = (found[j] for j in rng.integers(len(found), size=2))
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        key = keys[rng.integers(len(keys))]
        values = [None, -1, 2**70, "__class__", [], {}, {"float": "nan"}, True, {"array": 0}]
        match i % 5:
            case 0:
                node[key] = values[rng.integers(len(values))]
            case 1:
                del node[key]
            case 2 if isinstance(node, dict):
                node["eval" if rng.uniform() < 0.5 else "transform"] = node.pop(key)
            case 3:
                node[key] = json.loads(json.dumps(other))
            case _:
                j = int(rng.integers(len(arrays)))
                flat = np.resize(arrays[j], rng.integers(0, 2 * arrays[j].size + 2))
                with np.errstate(invalid="ignore"):
                    changed[j] = flat.astype(rng.choice(["<f4", "<f8", "<i8", "|u1"]))
        container.write(tmp_path / "file", document, changed)
        try:
            load_watched(tmp_path / "file")
        except ValueError as error:
            assert type(error) is ValueError and "was not loaded: " in str(error)
            n_refused += 1
    assert n_refused > N_SIGNED / 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d["object"]["estimator"].update(name="Popen"), "called 'Popen'"),
        (lambda d: d["object"]["estimator"]["parameters"].update(x=1), "no parameters .'x'"),
        (lambda d: d["object"]["estimator"]["state"].update(fit=1), "no attribute 'fit'"),
        (lambda d: d["object"]["estimator"]["state"].update(__class__=1), "no attribute"),
        (lambda d: d.update(object={"record": {"name": "os", "fields": {}}}), "called 'os'"),
        (lambda d: d.update(object={"pickle": ""}), "'pickle', which is unknown"),
        (lambda d: d.update(object=[3]), "belong to nothing"),
    ],
    ids=range(7),
)
def test_unknown_names_are_refused(change, words, tmp_path):
    document, arrays = container.read(FILE)
    change(document)
    container.write(tmp_path / "file", document, arrays)
    with pytest.raises(ValueError, match=words):
        load_watched(tmp_path / "file")


def test_what_is_computed_now_is_left_out(tmp_path):
    """An earlier version may have kept in a file what this one makes of other parts."""
    document, arrays = container.read(FILE)
    state = document["object"]["estimator"]["state"]
    assert "components_" not in state
    state["components_"] = state["mean_"]
    container.write(tmp_path / "file", document, arrays)
    assert load_watched(tmp_path / "file").components_.shape == (1, 3)


def test_sizes_that_do_not_go_together_are_refused(tmp_path):
    document, arrays = container.read(FILE)
    for i, array in enumerate(arrays):
        if array.ndim == 2 and array.dtype == np.float32:
            changed = [*arrays[:i], np.resize(array, (5, 7)), *arrays[i + 1 :]]
            container.write(tmp_path / "file", document, changed)
            with pytest.raises(ValueError, match="was not loaded: "):
                load_watched(tmp_path / "file")


def test_a_newer_format_is_refused(tmp_path):
    newer = FILE.read_bytes().replace(b'"skae_format":"1"', b'"skae_format":"2"', 1)
    (tmp_path / "file").write_bytes(newer)
    with pytest.raises(ValueError, match=r"of format 2, and this version .* Upgrade skae"):
        skae.load(tmp_path / "file")


def test_lengths_take_no_memory(tmp_path):
    """A header that speaks of a terabyte is refused before anything is allocated."""
    table = {"0": {"dtype": "F64", "shape": [2**37], "data_offsets": [0, 2**40]}}
    metadata = {"skae_format": "1", "sha256": "0" * 64, "document": "{}"}
    header = json.dumps({"__metadata__": metadata, **table}, separators=(",", ":")).encode()
    (tmp_path / "file").write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(ValueError, match="0 bytes, and its header speaks of 1099511627776"):
        skae.load(tmp_path / "file")


def test_a_file_is_replaced_at_once_or_stays(tmp_path, monkeypatch):
    skae.save(SeriesPadder(4), tmp_path / "file")
    before = (tmp_path / "file").read_bytes()

    def fails(handle):
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(OSError, match="no space left"):
        skae.save(SeriesPadder(5), tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_errors_of_the_system_stay_themselves(tmp_path):
    with pytest.raises(FileNotFoundError):
        skae.load(tmp_path / "none")
    with pytest.raises(FileNotFoundError):
        skae.save(SeriesPadder(), tmp_path / "none" / "file")
    (tmp_path / "text").write_text("no file of skae at all, but a longer text")
    with pytest.raises(ValueError, match="text' was not loaded: "):
        skae.load(str(tmp_path / "text"))


def test_every_public_estimator_is_in_the_list():
    public = [getattr(skae, name) for name in skae.__all__]
    missing = {k.__name__ for k in public if hasattr(k, "fit")} - records.ESTIMATORS.keys()
    assert missing == set()


def test_reading_starts_no_backend():
    """A file is read before JAX computes: at once, and on machines without a device."""
    code = "import sys, skae; skae.load(sys.argv[1]); from jax._src import xla_bridge as b; "
    code += "print(b.backends_are_initialized())"
    folder = pathlib.Path(skae.__file__).parents[1]
    said = subprocess.run(
        [sys.executable, "-c", code, str(FILE)],
        capture_output=True,
        text=True,
        cwd=folder,
        check=True,
    )
    assert said.stdout.strip() == "False"
