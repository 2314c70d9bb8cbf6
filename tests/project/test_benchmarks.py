"""The harness of the benchmarks, and the parts that describe skae to its peers."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from benchmarks import accelerators, fits, floor, inference, promise, speed
from benchmarks._harness import DataMissing, Run, Table, crossed
from benchmarks._process import Worker, WorkerError, in_fresh_process
from benchmarks._surfaces import SURFACES, Surface
from benchmarks.peers import models, quality, steps, work
from skae import AutoencoderTransformer


def test_options_are_what_their_defaults_are(capsys):
    given = {"sets": ["wine"], "seeds": [0], "rows": 5, "all": False, "keras_python": str}
    arguments = ["--sets", "a b,c", "d", "--seeds", "1,2", "--all"]
    run = Run("``python -m benchmarks.it``", "It", arguments, **given)
    assert run.sets == ["a b", "c", "d"] and run.seeds == [1, 2]
    assert run.rows == 5 and run.all and run.keras_python is None
    assert (
        "options: sets ['a b', 'c', 'd'], seeds [1, 2], rows 5, all True"
        in capsys.readouterr().out
    )
    for wrong in (["--sets", "beer"], ["--resume"]):
        with pytest.raises(SystemExit):
            Run("benchmarks.it", "It", wrong, among={"sets": ["wine"]}, sets=["wine"])


def test_a_run_goes_on_where_it_was_stopped(tmp_path, capsys):
    def measure(set, seed):
        calls.append(set)
        if set == "none":
            raise DataMissing("no package")
        return {"ratio": seed / 2}

    calls, file = [], str(tmp_path / "records.json")
    for resume in ([], ["--resume"]):
        run = Run("benchmarks.it", "It", ["--json", file, *resume])
        found = list(run.measured(crossed(set=["a", "none"], seed=[0, 1]), measure))
        assert [record["ratio"] for record in found] == [0, 0.5]
    assert calls == ["a", "a", "none", "none", "none", "none"]
    assert capsys.readouterr().out.count("none: left out, no package") == 2
    with pytest.raises(SystemExit, match="other versions or parameters"):
        Run("benchmarks.it", "It", ["--json", file, "--resume"], conditions={"split": "other"})


def test_a_table_formats_and_aligns(capsys):
    table = Table({"set": "<6", "ratio": "7.3f", "k": "1"})
    table.record({"set": "wine", "ratio": 0.5, "k": 12, "more": 1})
    table.row("iris", None, "-")
    lines = capsys.readouterr().out.splitlines()
    assert lines[2:] == ["wine      0.500  12", "iris          -  -"]


def test_a_worker_answers_what_a_function_returns_or_raises():
    with Worker("math") as worker:
        with pytest.raises(WorkerError, match="TypeError"):
            worker.ask("hypot", wrong=1)
        assert not worker.is_late
    seconds = in_fresh_process("benchmarks._process", "import_seconds", statement="import wave")
    assert seconds > 0


def test_a_worker_that_is_silent_is_stopped():
    statement = "import time; time.sleep(60)"
    with Worker("benchmarks._process") as worker:
        with pytest.raises(WorkerError, match="stopped after 2 s"):
            worker.ask("import_seconds", 2, statement=statement)
        assert worker.is_late


@pytest.mark.parametrize("peer", ["skae", "MLPRegressor", "numpy products"])
def test_peers_train_the_net_that_is_timed(peer):
    assert steps.steps(peer, 2, 1, (6, 4, 2), 2048) > 0


def test_steps_of_several_nets_are_timed_in_each_precision():
    train = steps.skae_trainer((6, 4, 2), 2048, n_init=2, precision="BF16_BF16_F32")
    seconds = accelerators.in_turn({"two": train}, 2, 3)["two"]
    assert len(seconds) == 3 and min(seconds) > 0


def test_the_default_net_is_described_to_the_peers():
    X = np.random.default_rng(0).normal(size=(60, 5))
    fitted = AutoencoderTransformer(2, max_iter=0.01, cv=None, random_state=0).fit(X)
    hidden, plan = fitted._fitted.model.network.hidden_layer_sizes, speed.default_plan(X)
    assert plan["encoder"] == [5, *hidden, 2] and plan["decoder"] == [2, *hidden[::-1], 5]
    assert plan["batch"] == 32 and 0.01 * plan["steps"] == 2 * fitted.n_iter_  # steps an epoch


def test_numpy_is_given_the_products_of_the_fitted_net(fitted, X):
    hidden = fitted.hidden_layer_sizes
    encode, decode = inference.products(X.shape[1], fitted.n_components_, hidden)
    codes = encode(X.astype(np.float32))
    assert codes.shape == fitted.transform(X).shape
    assert decode(codes).shape == X.shape


@pytest.mark.parametrize("name", ["MLPRegressor", *models.REFERENCES])
def test_models_rebuild_rows_in_their_own_units(name):
    """Whatever scale a peer wants, errors are compared in X's."""
    X = np.random.default_rng(0).uniform(5, 6, size=(60, 4)) * [1, 2, 3, 1000]
    model = models.MODELS[name](3, 0).fit(X)
    assert model.codes(model.scaled(X)).shape == (60, 3)
    assert np.abs(X - model.rebuild(X)).max() < np.ptp(X)


def test_settings_reach_a_peer_under_its_own_names():
    model = models.MODELS["dimkit"](3, 0, hidden=(8,), rate=0.1, epochs=2)
    assert model.own == {"hidden_dims": (8,), "learning_rate": 0.1, "epochs": 2}
    assert len(quality.grid_settings()) == 8


def test_what_a_library_raises_is_the_answer():
    with Worker(work.__name__) as worker, pytest.raises(WorkerError, match="FileNotFoundError"):
        worker.ask("fit", name="PCA", file="no such file", k=2, seed=0, settings={})


def test_a_second_fit_of_a_process_is_measured_alone(tmp_path):
    X, file = np.random.default_rng(0).normal(size=(60, 4)), tmp_path / "wine.npz"
    np.savez(file, train=X[:40], test=X[40:])
    found = work.fit_twice("PCA", str(file), 2, 0, {})
    pca = PCA(2).fit(X[:40])
    left = np.square(X[40:] - pca.inverse_transform(pca.transform(X[40:]))).sum()
    assert found["squared_error"] == pytest.approx(left)
    assert found["fresh s"] > found["warm s"] > 0


def test_another_checkout_gives_skae_and_nothing_else(tmp_path):
    for package in ("skae", "benchmarks"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("here = 1")
    statement = "import skae, benchmarks.peers; assert skae.here; benchmarks.here"
    with pytest.raises(WorkerError, match="AttributeError: module 'benchmarks' has no"):
        first = fits.FIRST.format(str(tmp_path))
        in_fresh_process(
            "benchmarks._process", "import_seconds", first=first, statement=statement
        )


def test_fits_are_compared_with_peers_and_their_namesakes(capsys):
    figures = {"skae, defaults": 2.0, "skae, quick": 1.0, "against, quick": 4.0, "torch": 8.0}
    records = [
        {"set": name, "k": 2, "seed": 0, "turn": 0, "model": model}
        | {measured: factor * figure for measured in fits.MEASURED}
        for name, factors in {"iris": (1, 1, 1, 1), "wine": (1, 1, 1, 4)}.items()
        for (model, figure), factor in zip(figures.items(), factors, strict=True)
    ]
    records.append({**records[0], "set": "digits", "error": "no"})
    pairs = fits.pairs_of(records)
    assert [(*pair, *cases) for pair, cases in pairs.items()] == [
        ("skae, defaults", "torch", "iris 2, 0, 0", "wine 2, 0, 0"),
        ("skae, quick", "against, quick", "iris 2, 0, 0", "wine 2, 0, 0"),
        ("skae, quick", "skae, defaults", "iris 2, 0, 0", "wine 2, 0, 0"),
        ("skae, quick", "torch", "iris 2, 0, 0", "wine 2, 0, 0"),
    ]
    fits.compare(records)
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.split()[-5:] == ["2", *["0.062"] * 4]


def a_fit(model, ratio, settings="{}", k=2):
    key = {"part": "quality", "set": "digits", "k": k, "seed": 0}
    return {**key, "model": model, "settings": settings, "ratio": ratio, "seconds": 2, "cpu": 1}


def test_verdicts_name_what_is_lost():
    records = [
        *(a_fit("skae", 0.5), a_fit("dimkit", 0.6), a_fit("pythae", 0.7), a_fit("PCA", 1.0)),
        *(a_fit("skae", 0.9, k=8), a_fit("dimkit", 0.8, k=8), a_fit("PCA", 1.0, k=8)),
        a_fit("dimkit", 0.4, '{"epochs": 400}'),
        {"part": "quality", "set": "digits", "k": 2, "model": "encdr", "error": "no"},
    ]
    text = "\n".join(quality.verdicts(records))
    assert "every peer's defaults in 1 of 2 cases (50%, asked 90%) -> DOES NOT HOLD" in text
    assert "behind at digits, k=8, seed 0: skae 0.900" in text
    assert "dimkit        ahead in 1 of 2, in less time in 0" in text
    assert "at their best on test rows in 0 of 1 cases" in text
    assert 'dimkit {"epochs": 400} 0.400' in text
    assert "PCA           ahead in 2 of 2" in text


def test_the_time_to_an_error_takes_a_fit_that_reaches_it():
    own = {"warm": [1.0, 1.0], "fresh": [4.0, 4.0], "cpu": [1, 1], "error": 9.0}
    slow = {"warm": [20.0, 20.0], "fresh": [30.0, 30.0], "cpu": [1, 1], "error": 8.0}
    poor = {"warm": [0.1, 0.1], "fresh": [0.1, 0.1], "cpu": [1, 1], "error": 11.0}
    record = {"set": "digits", "peer": "dimkit", "target": 10.0, "peer_seconds": [10.0, 10.0]}
    record["peer_cpu"] = [10.0, 10.0]
    record["skae"] = {"defaults": slow, "a": own, "b": poor}
    table = Table({str(i): "8" for i in range(9)})
    lines = quality.print_times(table, record)
    assert "(defaults) reaches its error in 2.00 of its time warm" in lines[0]
    assert "(a) reaches its error in 0.10 of its time warm" in lines[1]
    assert lines[0].endswith("DOES NOT HOLD") and lines[1].endswith("-> holds")


def test_a_floor_is_what_the_best_code_leaves():
    """Of a plane that is PCA's error; of other surfaces PCA leaves more."""
    plane = Surface("plane", 2, 6, 0.1, lambda n, rng: rng.normal(size=(n, 2)) @ np.eye(2, 6))
    for surface in (plane, *SURFACES):
        X = surface.samples(4000, np.random.default_rng(0))
        assert X.shape == (4000, surface.n_features)
        left = PCA(surface.n_components).fit(X).noise_variance_ * surface.noise_dimensions
        if surface is plane:
            np.testing.assert_allclose(left, surface.floor, rtol=0.03)
        else:
            assert left > 1.3 * surface.floor


def test_verdicts_say_how_far_from_the_floor():
    records = [
        {"set": name, "rows": 3000, "model": model, "over": over}
        for name in floor.ASKED
        for model, over in (
            ("skae", 1.2),
            ("dimkit", 3.0),
            ("PCA", 1.1 if name == "helix" else 9),
        )
    ]
    text = "\n".join(floor.verdicts(records))
    assert "parabola, 3000 rows: 1.20 (asked at most 1.05) -> DOES NOT HOLD" in text
    assert "geometric mean of these, 3000 rows: 1.20 (asked at most 1.5) -> holds" in text
    assert "skae is not behind dimkit in 6 of 6 cases" in text
    assert "skae is not behind PCA in 5 of 6 cases; it is at helix 3000" in text


def test_verdicts_name_what_is_worse_than_pca():
    fine = {"part": "tables", "set": "iris", "k": 2, "ratios": [0.4, 0.9], "own": 0.9}
    records = [
        {**fine, "seed": 0, "selected": "autoencoder"},
        {**fine, "seed": 1, "ratios": [1.0, 1.3], "own": 1.0, "selected": "pca"},
    ]
    text = "\n".join(promise.verdicts(records))
    assert "tables, full codes (2): <= 1.005 in 50.0% (asked 98%), largest 1.3000" in text
    assert "mean above 1 on: iris k=2 1.1000; PCA was kept in 1 fits" in text
    assert "median 1.150 (asked .97 to 1.03), above 1.3 in 0.0%" in text


def test_cases_of_the_promise_can_be_fitted():
    for part in ("tables", "surfaces", "few"):
        for key in promise.keys_of(part, [0])[:3]:
            X_train, X_test = promise.samples(part, key["set"], key["seed"])
            assert key["k"] < min(X_train.shape) and X_train.shape[1] == X_test.shape[1]
    assert len(promise.keys_of("far", [0])) == 120
