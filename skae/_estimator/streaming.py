"""``partial_fit``: what is kept between batches of samples, and whether nets are used.

Each batch is evaluated before the nets train on it, against PCA of all samples so far. If the
nets are worse than PCA on it or on samples of earlier batches, the model is PCA. The nets go on
training until they are better again.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from skae._data.checks import check_range, check_rows
from skae._data.parameters import plain_value
from skae._data.rows import as_rows
from skae._estimator.fitted import bounds_of, whole
from skae._estimator.fitting import (
    check_samples,
    check_structure,
    fitted_of,
    new_seed,
    scaling_of,
    set_fitted,
    tell,
    with_density,
)
from skae._estimator.pca_attributes import explained_variance
from skae._estimator.sampling import subsample
from skae._pca.axes import Axes, merged_axes
from skae._runtime.blas import one_thread
from skae._runtime.interrupts import Interrupts
from skae._select.evaluate import Evaluator
from skae._select.gated import train_without_validation
from skae._train.config import make_config
from skae._train.start import go_on, pca_model_of
from skae.losses import find_loss

KEPT_SAMPLES = 200  # of earlier batches, on which the nets are compared with PCA once more
MEMORY = 0.8  # of what earlier batches said, that is left after each further one
SETTLED_GAIN = 0.01  # over PCA, from which nets are used again


class Stream(NamedTuple):
    """What goes from one batch to the next; ``axes`` are those of all samples.

    ``pause`` is the state in which the training stopped, None if it begins with the ``nets``:
    a Model, whose ``bounds`` are (lower, upper) in X's units. ``errors`` (2, n_prefixes) are
    sums over the batches, in which the latest count most: of the nets, before they trained on a
    batch, and of PCA. ``sample`` are some of all samples so far, in scaled units.
    """

    axes: Axes | None
    n_seen: int
    seed: int
    pause: object = None
    optimizer: object = None  # the parameter; the pause has its memory
    nets: object = None
    bounds: tuple | None = None
    errors: np.ndarray | None = None
    sample: np.ndarray | None = None
    uses_nets: bool = False

    @property
    def error_ratio(self):
        """The nets' error over PCA's on batches that they had not trained on."""
        if self.errors is None or not self.errors[1, -1] > 0:
            return 1.0
        return float(self.errors[0, -1] / self.errors[1, -1])


def partial_fit(estimator, X, precision):
    """Update ``estimator`` with a batch ``X``: first PCA, then the nets."""
    is_first, before = not hasattr(estimator, "_fitted"), stream_so_far(estimator)
    X, scaling, is_table = check_batch(estimator, X)
    unscaled, rows = as_rows(X), as_rows(np.asarray(X)).scaled(scaling)
    n_seen = before.n_seen + len(X)
    config = make_config(
        estimator,
        rows,
        scaling,
        before.seed,
        sample_shape=estimator.sample_shape_,
        continued=before.nets,
        steps_before=before.pause.step if before.pause else 0,
        precision=precision,
    )
    with one_thread():
        axes = merged_axes(before.axes, before.n_seen, rows, config.n_axes)
        run = go_on(config.without_validation, rows, axes, n_seen, before.nets, before.pause)
    optimizer = plain_value(estimator.optimizer)
    stream = before._replace(axes=axes, n_seen=n_seen, optimizer=optimizer)
    result, stream = trained(config, rows, run, stream)
    bounds = wider(before.bounds, bounds_of(unscaled, result.model))
    stream = stream._replace(bounds=bounds)
    if config.falls_back and not stream.uses_nets:
        result.use_pca(*pca_model_of(config, rows, run))
        own = np.stack(np.broadcast_arrays(*bounds_of(unscaled, result.model)))
        bounds = np.where(np.isfinite(own), bounds, own)
    kept = None if is_first else estimator.n_components_
    fitted = fitted_of(estimator, result, config, scaling, is_table, bounds, n_seen, kept)
    fitted = replace(fitted, stream=stream, dtype=X.dtype.name)
    if estimator.whiten:
        fitted = replace(fitted, deviations=deviations_so_far(fitted, result.is_pca))
    some = subsample(X, np.ones(len(X)), before.seed)
    fitted = with_density(fitted, some, before.seed)
    set_fitted(estimator, fitted, result, config.budget)
    tell(estimator, result)


def check_batch(estimator, X):
    """Return a batch as rows, the Scaling of the first one, and whether that was a table."""
    fitted = getattr(estimator, "_fitted", None)
    if fitted is None:
        X, is_table = check_samples(estimator, X)
    else:
        check_structure(estimator, "partial_fit", "Use a clone to start again")
        X, is_table = check_rows(estimator, X, reset=False), fitted.is_table
    check_range(find_loss(estimator.loss, estimator.sample_shape_), X)
    rows = as_rows(X)
    if rows.has_missing:
        raise ValueError(
            "partial_fit takes samples without missing values. Impute them first, or call fit."
        )
    return X, scaling_of(estimator, rows) if fitted is None else fitted.scaling, is_table


def stream_so_far(estimator):
    """Return the Stream that the next batch continues; it begins here or with ``fit``."""
    if estimator.n_init > 1:
        raise ValueError(
            f"partial_fit trains one net, got n_init={estimator.n_init}. Pass n_init=1."
        )
    fitted = getattr(estimator, "_fitted", None)
    if fitted is None:
        return Stream(None, 0, new_seed(estimator))
    stream, model = fitted.stream, fitted.model
    if stream is not None:
        is_same = stream.optimizer == plain_value(estimator.optimizer)
        return stream if is_same else stream._replace(pause=None)
    seed, axes, path = new_seed(estimator), None, model.path
    if estimator.linear_path is not None:
        if path.basis is None or model.reduction is not None:
            raise ValueError(
                "partial_fit cannot go on from fit here: of this architecture, or of samples "
                "this wide, fit has not kept all principal axes. Begin with partial_fit on "
                "a clone, or use fit with warm_start=True."
            )
        axes = Axes(path.mean.astype(np.float64), path.basis, fitted.variances)
    uses_nets = estimator.selected_model_ != "pca"
    given = {"nets": model, "bounds": fitted.bounds, "uses_nets": uses_nets}
    return Stream(axes, estimator.n_samples_seen_, seed, **given)


def trained(config, rows, run, stream):
    """Evaluate a batch and train on it; return the FitResult and the Stream after it."""
    errors = None
    if config.falls_back and stream.nets is not None:
        latest = errors_on(rows, run)
        errors = add_errors(stream.errors, latest)
    interrupts = Interrupts()
    result = train_without_validation(
        rows, run, callback=lambda run, value: False, interrupts=interrupts
    )
    result.interrupted = interrupts.came
    sample = reservoir_sample(stream.sample, rows.values, stream.n_seen, stream.seed)
    uses_nets = errors is not None and nets_are_better(
        stream.uses_nets, latest, errors, errors_on(as_rows(sample), run)
    )
    is_cut_short = result.diverged or result.interrupted
    stream = stream._replace(
        pause=None if is_cut_short else run.pause(),
        nets=result.model,
        errors=errors,
        sample=sample,
        uses_nets=uses_nets,
    )
    if errors is not None:
        result.error_ratio = stream.error_ratio
    if config.falls_back:
        found = "are better than PCA" if uses_nets else "have not been better than PCA"
        result.reason = f"on samples that the nets had not seen, they {found}"
    return result, stream


def deviations_so_far(fitted, is_pca):
    """Return the deviations (n_components,) of all samples' codes: of PCA exactly."""
    if is_pca:
        return whole(np.sqrt(explained_variance(fitted)))
    some = fitted.scaling.backward(fitted.stream.sample)
    return fitted.deviations_of(some, np.ones(len(some)))


def wider(before, bounds):
    """Return ``bounds`` that reach as far as those ``before``."""
    if before is None:
        return bounds
    (lowest, highest), (lower, upper) = before, bounds
    return np.minimum(lowest, lower), np.maximum(highest, upper)


def errors_on(rows, run):
    """Return the errors (2, n_prefixes) of a ``run``'s latest net on ``rows``, and of PCA."""
    evaluator = Evaluator(rows, run)
    nets = evaluator.errors(run.model(), evaluator.prefixes)
    return np.stack([nets.sum(axis=0), evaluator.reference[:, evaluator.prefixes].sum(axis=0)])


def add_errors(before, latest):
    """Return the sums of all batches' errors, those ``before`` forgotten a little."""
    return latest if before is None else MEMORY * before + latest


def nets_are_better(were_used, *errors):
    """Say whether nets are used: in no entry of ``errors`` are they worse than PCA.

    Nets that were not used before must be better by a margin.
    """
    margin = 1.0 if were_used else 1.0 - SETTLED_GAIN
    nets, pca = np.stack(errors, axis=1)
    return bool(
        (nets[:, :-1] <= pca[:, :-1]).all() and (nets[:, -1] <= margin * pca[:, -1]).all()
    )


def reservoir_sample(before, values, n_seen, seed):
    """Return at most KEPT_SAMPLES of all samples, each as likely as any other.

    ``before`` are those of the samples before ``values``, which make ``n_seen`` in all.
    Vitter, J. S. (1985). "Random sampling with a reservoir". ACM Transactions on Mathematical
    Software 11(1), 37-57. doi:10.1145/3147.3165.
    """
    sample = values[:0] if before is None else before
    n_free = KEPT_SAMPLES - len(sample)
    sample, values = np.concatenate([sample, values[:n_free]]), values[n_free:]
    if len(values) == 0:
        return sample
    rng = np.random.default_rng([seed, n_seen])
    place = rng.integers(np.arange(n_seen - len(values), n_seen) + 1)
    is_taken = place < KEPT_SAMPLES
    sample[place[is_taken]] = values[is_taken]
    return sample
