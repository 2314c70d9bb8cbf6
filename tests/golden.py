"""What small fits of every kind return, held against figures of earlier code.

``python tests/golden.py`` writes ``golden.json``, which ``test_golden.py`` compares within
rounding errors. ``--exact FILE`` writes the bits of everything to FILE instead; if FILE is
there, it prints what is no longer equal to the bit.
"""

import argparse
import hashlib
import json
import pickle
import warnings
from collections import Counter
from pathlib import Path

import jax
import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix
from sklearn.datasets import load_iris
from sklearn.model_selection import GroupKFold

from skae import (
    AutoencoderImputer,
    AutoencoderOutlierDetector,
    AutoencoderTransformer,
    Modality,
    MultimodalAutoencoder,
    SeriesPadder,
    TableAutoencoder,
    TokenEncoder,
)
from skae.architectures import Conv1d, Conv2d, Dense, Recurrent
from skae.losses import Categorical, Huber

FIGURES = Path(__file__).with_name("golden.json")
CURVES = "loss_curve_", "validation_curve_", "explained_variance_ratio_", "error_ratio_"
FACTS = "n_components_", "n_iter_", "best_iter_", "selected_model_", "n_samples_seen_"
N_COMPARED = 5  # rows whose codes and reconstructions are held against the figures


def ae(n_components=2, **others):
    """Return a small, seeded estimator."""
    small = {"hidden_layer_sizes": (8,), "max_iter": 4, "batch_size": 32, "random_state": 0}
    return AutoencoderTransformer(n_components, **{**small, **others})


def iris():
    """Return the rows (150, 4) of iris."""
    return load_iris().data


def gappy():
    """Return iris with missing cells."""
    X = iris()
    X[np.random.default_rng(0).uniform(size=X.shape) < 0.1] = np.nan
    X[7] = [5.0, np.nan, np.nan, np.nan]
    return X


def curve():
    """Return points (150, 4) near a curve, on which a net soon beats PCA."""
    t = np.random.default_rng(0).uniform(-1, 1, 150)
    return np.column_stack([t, t**2, t**3 - t, np.sin(4 * t)])


def shares():
    """Return rows (90, 6) in [0, 1], many cells of which lie at the ends."""
    X = np.random.default_rng(1).normal(size=(90, 2)) @ np.random.default_rng(2).normal(
        size=(2, 6)
    )
    return np.clip(0.5 + X, 0, 1)


def counts():
    """Return counts (90, 6)."""
    return np.random.default_rng(3).poisson(np.exp(2 * shares())).astype(float)


def one_hot():
    """Return rows (90, 5) of two categories, of three and two values."""
    rng = np.random.default_rng(4)
    a, b = rng.integers(3, size=90), rng.integers(2, size=90)
    return np.concatenate([np.eye(3)[a], np.eye(2)[(a + b) % 2]], axis=1)


def wide():
    """Return rows (40, 4200) of low rank, which nets see as leading axes."""
    rng = np.random.default_rng(5)
    return rng.normal(size=(40, 3)) @ rng.normal(size=(3, 4200)) + 0.1 * rng.normal(
        size=(40, 4200)
    )


def images():
    """Return images (40, 8, 8)."""
    x, y = np.meshgrid(np.arange(8), np.arange(8))
    centres = np.random.default_rng(6).uniform(1, 7, (40, 2, 1, 1))
    return np.exp(-((x - centres[:, 0]) ** 2 + (y - centres[:, 1]) ** 2) / 4)


def series():
    """Return series (40, 12, 2)."""
    return np.random.default_rng(7).normal(size=(40, 12, 2)).cumsum(axis=1)


def frame():
    """Return a table (60, 3) of numbers and categories with missing cells."""
    rng = np.random.default_rng(8)
    size = rng.normal(size=60)
    kind = np.where(size > 0, "big", "small").astype(object)
    kind[3] = None
    return pd.DataFrame({"size": size, "kind": kind, "n": rng.integers(9, size=60)})


class Counted:
    """Rows on which each cell that is read is counted."""

    def __init__(self, X):
        self.X, self.n_read = X, 0

    shape = property(lambda self: self.X.shape)
    dtype = property(lambda self: self.X.dtype)
    ndim = property(lambda self: self.X.ndim)

    def __len__(self):
        return len(self.X)

    def __getitem__(self, index):
        rows = self.X[index]
        self.n_read += np.size(rows)
        return rows


def long_rows():
    """Return rows (70,000, 64) that are too many to be copied."""
    rng = np.random.default_rng(9)
    base = rng.normal(size=(70_000, 4)).astype(np.float32)
    return base @ rng.normal(size=(4, 64)).astype(np.float32) + 0.1


def shrink(row):
    """Return the row a little smaller."""
    return 0.9 * row


LONG = {"batch_size": 1024, "max_iter": 1}
X_GROUPS = np.arange(150) % 10

TRANSFORMERS = {
    "iris": (ae(), iris, {}),
    "iris, defaults but small": (ae(batch_size="auto", max_iter=8), iris, {}),
    "curve": (ae(1, max_iter=30, tol=0.0), curve, {}),
    "float32": (ae(3), lambda: iris().astype(np.float32), {}),
    "frame": (ae(), lambda: pd.DataFrame(iris(), columns=list("abcd")), {}),
    "csr": (ae(), lambda: csr_matrix(np.maximum(iris() - 2, 0)), {}),
    "missing": (ae(), gappy, {}),
    "missing, plain": (ae(linear_path=None), gappy, {}),
    "wide": (ae(3), wide, {}),
    "weights": (ae(), iris, {"sample_weight": np.linspace(0, 2, 150)}),
    "groups": (ae(cv=GroupKFold(3)), iris, {"groups": X_GROUPS}),
    "groups, auto": (ae(), iris, {"groups": X_GROUPS}),
    "validation rows": (ae(), iris, {"X_val": iris()[::3]}),
    "classes": (ae(class_weight="balanced"), iris, {"y": load_iris().target}),
    "three folds": (ae(cv=3), iris, {}),
    "listed folds": (ae(cv=[(np.arange(100), np.arange(100, 150))]), iris, {}),
    "no folds": (ae(cv=None), curve, {}),
    "share": (ae(0.9), iris, {}),
    "plain": (ae(linear_path=None), iris, {}),
    "unordered": (ae(ordered=False), iris, {}),
    "standard": (ae(scaling="standard"), iris, {}),
    "unscaled": (ae(scaling=None), iris, {}),
    "clipped": (ae(output_activation="clip"), iris, {}),
    "logistic": (ae(output_activation="logistic"), shares, {}),
    "piles": (ae(), shares, {}),
    "sigmoid": (ae(output_activation="sigmoid"), shares, {}),
    "softmax": (ae(output_activation="softmax"), lambda: one_hot()[:, :3], {}),
    "absolute": (ae(loss="absolute_error"), iris, {}),
    "huber": (ae(loss=Huber(0.5)), iris, {}),
    "binary": (ae(loss="binary_cross_entropy"), shares, {}),
    "poisson": (ae(loss="poisson"), counts, {}),
    "categorical": (ae(loss=Categorical(sizes=(3, 2))), one_hot, {}),
    "relu codes": (ae(3, code_activation="relu", sparsity=0.1), iris, {}),
    "tanh codes": (ae(code_activation="tanh"), iris, {}),
    "k-sparse": (ae(3, n_nonzero_coefs=2), iris, {}),
    "contractive": (ae(contraction=0.1), iris, {}),
    "variational": (ae(kl_weight=1.0), iris, {}),
    "variational, binary": (ae(kl_weight=1.0, loss="binary_cross_entropy"), shares, {}),
    "masking": (ae(corruption="masking", corruption_level=0.2), iris, {}),
    "salt": (ae(corruption="salt_and_pepper", corruption_level=0.2), iris, {}),
    "augmented": (ae(augmentation=lambda key, row: shrink(row)), iris, {}),
    "restarts": (ae(n_init=2), iris, {}),
    "nadam": (ae(optimizer="nadam", learning_rate_schedule="one_cycle"), iris, {}),
    "muon": (ae(optimizer="muon"), iris, {}),
    "plateau": (ae(learning_rate_schedule="plateau"), iris, {}),
    "deep": (ae(hidden_layer_sizes=(8, 8), architecture=Dense(skip=False)), iris, {}),
    "linear": (ae(hidden_layer_sizes=()), iris, {}),
    "images": (ae(architecture=Conv2d(channels=(2,))), images, {}),
    "images, dense": (ae(), images, {}),
    "series": (ae(architecture=Conv1d(channels=(2,))), series, {}),
    "recurrent": (ae(architecture=Recurrent(units=4)), series, {}),
    "raveled": (
        ae(architecture="conv2d", sample_shape=(8, 8), max_iter=2),
        lambda: images().reshape(40, -1),
        {},
    ),
    "long": (ae(**LONG), long_rows, {}),
}


def figures_of(model, X):
    """Return what a fitted transformer says and does, as arrays and plain Python."""
    rows = X[:N_COMPARED] if not isinstance(X, pd.DataFrame) else X.iloc[:N_COMPARED]
    codes = model.transform(rows)
    found = {name: np.asarray(getattr(model, name)) for name in CURVES}
    found |= {
        "codes": codes,
        "reconstructions": np.asarray(model.inverse_transform(codes)).reshape(len(codes), -1),
        "first": np.asarray(model.inverse_transform(codes[:, :1])).reshape(len(codes), -1),
        "score": np.asarray(model.score(rows)),
        "samples": np.asarray(model.sample(2, random_state=0)).reshape(2, -1),
    }
    found |= {name: np.asarray(getattr(model, name)) for name in FACTS}
    if np.prod(rows.shape[1:]) > 64:  # wide
        found |= {name: found[name][:, :8] for name in ("reconstructions", "first", "samples")}
    return found


def transformer(name):
    """Fit one of TRANSFORMERS; return its figures and what was compiled."""
    model, rows, given = TRANSFORMERS[name]
    X = rows()
    return figures_of(model.fit(X, **given), X)


def warm():
    """Go on from a fit, and return the figures."""
    X = iris()
    model = ae().fit(X[:100])
    return figures_of(model.set_params(warm_start=True).fit(X[:120]), X)


def stream():
    """Return the figures after three batches."""
    X, model = np.random.default_rng(0).permutation(iris()), ae()
    for part in np.split(X, 3):
        model.partial_fit(part)
    return figures_of(model, X)


def reads():
    """Return how often each cell of long rows is read in a fit, and the figures."""
    X = Counted(long_rows())
    model = ae(**LONG).fit(X)
    return {"n_reads": np.asarray(X.n_read / X.X.size), "codes": model.transform(X.X[:5])}


def pickled():
    """Return the figures of a copy by pickle."""
    X = iris()
    return figures_of(pickle.loads(pickle.dumps(ae().fit(X))), X)


def detector():
    """Return a detector's scores."""
    model = AutoencoderOutlierDetector(ae(), random_state=0).fit(iris())
    return {"scores": model.score_samples(iris()[:5]), "offset": np.asarray(model.offset_)}


def imputer():
    """Return filled rows."""
    return {"filled": AutoencoderImputer(ae(), random_state=0).fit_transform(gappy())[:9]}


def table():
    """Return codes and reconstructions of a table."""
    X = frame()
    model = TableAutoencoder(ae(), random_state=0).fit(X)
    codes = model.transform(X[:5])
    back = model.inverse_transform(codes)
    return {
        "codes": codes,
        "size": back["size"].to_numpy(),
        "kind": np.array(back["kind"], str),
    }


def multimodal():
    """Return codes of images beside series."""
    X = {"image": images(), "series": series()}
    parts = {"image": Modality("conv2d"), "series": Modality("conv1d")}
    model = MultimodalAutoencoder(parts, ae(), random_state=0).fit(X)
    codes = model.transform({name: part[:5] for name, part in X.items()})
    return {"codes": codes, "image": model.inverse_transform(codes)["image"].reshape(5, -1)}


def text():
    """Return codes of texts."""
    words = ["tea", "oats", "seat", "toast", "east", "state", "taste", "sea"] * 5
    encoder = TokenEncoder().fit(words)
    X = encoder.transform(words)
    model = ae(loss="categorical", architecture=Recurrent(units=4)).fit(X)
    return {"codes": model.transform(X[:5])}


def padded():
    """Return codes of series of different lengths."""
    X = [part[: 5 + i % 8] for i, part in enumerate(series())]
    X = SeriesPadder().fit_transform(X)
    return figures_of(ae(architecture=Recurrent(units=4)).fit(X), X)


OTHERS = [warm, stream, reads, pickled, detector, imputer, table, multimodal, text, padded]
CASES = {
    **{name: lambda name=name: transformer(name) for name in TRANSFORMERS},
    **{function.__name__: function for function in OTHERS},
}
_compiled = []


def _listen(event, duration, **labels):
    if event == "/jax/core/compile/backend_compile_duration":
        _compiled.append(labels.get("fun_name", "?"))


jax.monitoring.register_event_duration_secs_listener(_listen)


def run(name):
    """Return the figures of a case, and how many programs it compiled, by name."""
    jax.clear_caches()
    _compiled.clear()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = CASES[name]()
    return found, dict(sorted(Counter(_compiled).items()))


def plain(found, programs):
    """Return figures as JSON has them."""
    return {"programs": programs, **{name: part.tolist() for name, part in found.items()}}


def bits(found, programs):
    """Return a digest of each figure."""
    digests = {
        n: hashlib.sha256(np.ascontiguousarray(part).tobytes()) for n, part in found.items()
    }
    return {"programs": programs, **{n: d.hexdigest()[:16] for n, d in digests.items()}}


def main():
    """Write figures, or compare bits."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--exact", type=Path)
    parser.add_argument("--only", nargs="*", default=list(CASES))
    options = parser.parse_args()
    form = plain if options.exact is None else bits
    path = options.exact or FIGURES
    found = {name: form(*run(name)) for name in options.only}
    if options.exact is None or not path.exists():
        path.write_text(json.dumps(found, indent=None).replace('}, "', '},\n"') + "\n")
        return
    before = json.loads(path.read_text())
    for name, case in found.items():
        changed = [part for part in case if case[part] != before[name].get(part)]
        if changed:
            print(f"{name}: {', '.join(changed)}")


if __name__ == "__main__":
    main()
