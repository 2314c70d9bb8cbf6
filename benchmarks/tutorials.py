"""Tutorials' nets in skae and Keras: ``python -m benchmarks.tutorials --keras-python PATH``.

Dense(50, relu) -> Dense(100, sigmoid) on 100 x 100 uniform numbers, and Dense(5, relu) ->
Dense(10, sigmoid) on 1000 x 10 standard normal ones; MSE, Adam, 100 epochs, batches of 32. In
skae each is one expression (``SkaeTutorial``). The layers are the same, the fits are not; what
``DIFFERENCES`` names has no parameter in skae that would undo it.

Losses are means of squares over all values of the training samples, of both in float64. Keras
runs on its JAX backend, in another interpreter; the peers take turns in processes of their own.
"""

import os
import statistics
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

from benchmarks._harness import Run, holds, mean_of
from benchmarks._process import (
    BEGAN,
    Worker,
    WorkerError,
    in_fresh_process,
    medians,
    opened,
    quotients,
    seconds_of,
    spread,
    summary,
    whole_processes,
)

SELF = "benchmarks.tutorials"
LEARNING_RATE, BATCH_SIZE, EPOCHS = 1e-3, 32, 100
N_AGAIN = 3  # more fits of a net; the fastest is reported
DATA = {  # description and n_components: a function of the generator that draws the samples
    ("100 x 100 uniform in [0, 1)", 50): lambda rng: rng.uniform(size=(100, 100)),
    ("1000 x 10 standard normal", 5): lambda rng: rng.standard_normal((1000, 10)),
}
MOST_LOSS = 1.05  # times Keras's, mean over seeds
DIFFERENCES = """\
The layers, loss, optimizer, rate, epochs and batches are the same. In skae, unlike Keras,
- weights kept are a running average over a thirtieth of the steps (at most 100); Keras keeps
  the last ones. The last epoch's loss is of the weights as they are in both.
- kernels begin normal with Glorot's variance, in Keras uniform with it.
- outputs begin near the feature's mean; in Keras near 0.5.
- gradients are of the error over PCA's, Adam's epsilon is 1e-8; in Keras of the MSE, 1e-7.
- the last epoch's loss is the mean over its steps, in Keras over its samples: 100 samples are
  three batches of 32 and one of 4.
- fit also fits PCA, takes 25 checkpoints and measures the error of every prefix of the code.
"""
MISSING = """\
No Keras to compare with. Install it in an environment of its own and name that:
  python3 -m venv keras && keras/bin/pip install keras jax numpy
  python -m benchmarks.tutorials --keras-python keras/bin/python"""


def main(arguments=None):
    run = Run(
        *(__doc__, "Two tutorials' autoencoders in skae and in Keras", arguments),
        head={"split": "none: losses are of the training samples"},
        help={"keras_python": "interpreter that imports keras and jax"},
        keras_python=str,
        seeds=[0, 1, 2, 3, 4],
        repeats=5,
    )
    try:
        print(in_fresh_process(SELF, "keras_version", python=run.keras_python or "none"), "\n")
    except (OSError, WorkerError):
        print(MISSING)
        return
    print(DIFFERENCES, flush=True)
    pythons = {"skae": sys.executable, "keras": run.keras_python}
    with tempfile.TemporaryDirectory() as folder:
        for number, ((title, k), draw) in enumerate(DATA.items(), 1):
            print(f"Tutorial {number}: {title}, code of {k}")
            files = save(Path(folder), number, draw, run.seeds)
            compare_fits(pythons, files, k)
            compare_processes(pythons, files[run.seeds[0]], k, run.repeats)


class SkaeTutorial:
    """A tutorial's net, relu codes and sigmoid outputs, as one expression of skae."""

    def __init__(self, n_features, n_components, seed):
        from skae import AutoencoderTransformer

        self.model = AutoencoderTransformer(
            n_components,
            hidden_layer_sizes=(),
            code_activation="relu",
            output_activation="sigmoid",
            linear_path=None,
            ordered=False,
            scaling=None,
            corruption=None,
            optimizer="adam",
            learning_rate=LEARNING_RATE,
            learning_rate_schedule="constant",
            weight_decay=0.0,
            batch_size=BATCH_SIZE,
            max_iter=EPOCHS,
            n_iter_no_change=None,
            cv=None,
            random_state=seed,
        )

    def fit(self, X):
        """Train from fresh weights; a second call does so again."""
        with warnings.catch_warnings():  # a sigmoid does not reach normal numbers: it is told
            warnings.filterwarnings("ignore", "output_activation='sigmoid' reaches")
            self.model.fit(X)

    def losses(self, X):
        """Return the MSE of the fitted model and the mean one over the last epoch's steps."""
        fitted = mean_square(X, self.model.inverse_transform(self.model.transform(X)))
        pca_error = fitted / self.model.error_ratio_  # the unit of loss_curve_
        return {"fitted": fitted, "last epoch": float(self.model.loss_curve_[-1] * pca_error)}


class KerasTutorial:
    """The same layers in Keras, as tutorials write them, on the JAX backend."""

    def __init__(self, n_features, n_components, seed):
        os.environ["KERAS_BACKEND"] = "jax"
        import keras

        keras.utils.set_random_seed(seed)
        layers = (
            keras.Input((n_features,)),
            keras.layers.Dense(n_components, activation="relu"),
            keras.layers.Dense(n_features, activation="sigmoid"),
        )
        self.model = keras.Sequential(layers)
        optimizer = keras.optimizers.Adam(learning_rate=LEARNING_RATE)
        self.model.compile(optimizer=optimizer, loss="mse")

    def fit(self, X):
        """Train from fresh weights; a second call goes on with the net that is compiled."""
        history = self.model.fit(X, X, batch_size=BATCH_SIZE, epochs=EPOCHS, verbose=0)
        self.last_loss = history.history["loss"][-1]

    def losses(self, X):
        """Return the MSE of the fitted model and the last epoch's in Keras's history."""
        fitted = mean_square(X, self.model.predict(X, verbose=0))
        return {"fitted": fitted, "last epoch": self.last_loss}


TUTORIALS = {"skae": SkaeTutorial, "keras": KerasTutorial}


def mean_square(X, X_back):
    return float(np.square(X.astype(np.float64) - X_back).mean())


def keras_version():
    os.environ["KERAS_BACKEND"] = "jax"
    import jax
    import keras

    return f"keras {keras.__version__}, its JAX {jax.__version__}"


def fit_new(peer, file, n_components, seed):
    """Fit a new net in a worker; return its losses and seconds, and those of fits again."""
    X, start = np.load(file), time.perf_counter()
    net = TUTORIALS[peer](X.shape[1], n_components, seed)
    net.fit(X)
    answer = {"new": time.perf_counter() - start, **net.losses(X)}
    return answer | {"again": min(seconds_of(net.fit, X) for _ in range(N_AGAIN))}


def whole(peer, file, n_components):
    X = np.load(file)
    net = TUTORIALS[peer](X.shape[1], n_components, 0)
    built = time.perf_counter() - BEGAN
    return {"import and build": built, "compile and fit": seconds_of(net.fit, X)}


def save(folder, number, draw, seeds):
    files = {seed: str(folder / f"{number}-{seed}.npy") for seed in seeds}
    for seed, file in files.items():
        np.save(file, draw(np.random.default_rng(seed)))
    return files


def compare_fits(pythons, files, k):
    """Print losses and times of a fit per seed, in processes that have fitted before."""
    workers = {peer: Worker(SELF, python, name=peer) for peer, python in pythons.items()}
    found = {peer: [] for peer in workers}
    with opened(workers.values()):
        for turn, (seed, file) in enumerate([(0, next(iter(files.values()))), *files.items()]):
            for peer, worker in workers.items():
                given = {"peer": peer, "file": file, "n_components": k, "seed": seed}
                answer = worker.ask("fit_new", **given)
                found[peer] += [answer] if turn > 0 else []  # the first imports and compiles
    print_losses(**found)
    own = [answer["again"] for answer in found["skae"]]
    print(f"  warm process         skae, a fit from fresh weights: {summary(own)}")
    fits = {"again": "its compiled net goes on", "new": "a new net, which compiles again"}
    for name, what in fits.items():
        times = [answer[name] for answer in found["keras"]]
        print(f"  {'':<20} keras, {what}: {summary(times)}")
        print_ratio(times, own)


def print_losses(skae, keras):
    print("  training loss, MSE, mean of the seeds")
    for name in ("fitted", "last epoch"):
        own, peer = mean_of(skae, name), mean_of(keras, name)
        print(
            f"  {name:<20} skae {own:.4f}, keras {peer:.4f}, skae / keras {own / peer:.3f} "
            f"(at most {MOST_LOSS}) -> {holds(own <= MOST_LOSS * peer)}"
        )


def compare_processes(pythons, file, k, repeats):
    jobs = {
        peer: (python, SELF, "whole", {"peer": peer, "file": file, "n_components": k})
        for peer, python in pythons.items()
    }
    whole_processes(jobs, 1)  # files are read into the system's cache
    seconds, parts = whole_processes(jobs, repeats)
    for peer, times in seconds.items():
        print(f"  {'fresh process':<20} {peer}: {summary(times)}")
        print(f"  {'':<20} median of {medians(parts[peer])}")
    print_ratio(seconds["keras"], seconds["skae"])
    print(flush=True)


def print_ratio(times, own):
    """Print Keras's times over skae's, each pair of one turn."""
    ratios = quotients(times, own)
    verdict = holds(statistics.median(ratios) > 1)
    print(f"  {'':<20} keras / skae: {spread(ratios)} (asked above 1) -> {verdict}")


if __name__ == "__main__":
    main()
