"""Rows that come batch by batch: what is kept between them, and whether nets are used.

Each batch is judged before the nets train on it, by PCA of all rows so far. If the nets
reconstruct it worse, or worse than PCA rows of earlier batches, the model is PCA, and the nets
go on training until they are better again.
"""

from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, _fit_context
from sklearn.utils import check_random_state

from skae._data.checks import check_range, check_rows
from skae._data.parameters import plain_value
from skae._data.rows import as_rows
from skae._estimator.fitted import bounds_of
from skae._estimator.sampling import few
from skae._pca.axes import Axes, merged_axes
from skae._runtime.blas import one_thread, threads_restored
from skae._runtime.devices import computing, matmul_precision
from skae._runtime.interrupts import Interrupts
from skae._runtime.snapshots import fitted_copy
from skae._select.evaluate import Evaluator
from skae._select.gated import train_without_validation
from skae._train.config import make_config
from skae._train.start import go_on, pca_model_of
from skae.losses import find_loss

KEPT_ROWS = 200  # of earlier batches, on which the nets are compared with PCA once more
MEMORY = 0.8  # of what earlier batches said, that is left after each further one
SETTLED_GAIN = 0.01  # over PCA, from which nets are used again


class Stream(NamedTuple):
    """What goes from one batch to the next; ``axes`` are those of all rows.

    ``pause`` is the state in which the training stopped, None if it begins with the ``nets``:
    a Model, whose ``bounds`` are (lower, upper) in X's units. ``errors`` (2, n_prefixes) are
    sums over the batches, the latest ones weighing most: of the nets, before they trained on a
    batch, and of PCA. ``sample`` are some of all rows so far, in scaled units.
    """

    axes: Axes | None
    n_seen: int
    seed: int
    pause: object = None
    optimizer: object = None  # whose memory the pause has
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


class StreamingMixin(BaseEstimator):
    """``partial_fit`` of an estimator with AutoencoderTransformer's parameters and state."""

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Update the model with a batch of samples: first PCA, then the nets.

        The linear path is PCA of all samples so far, to rounding: their mean and covariance are
        updated [1]_. The nets train once on each sample, in batches of ``batch_size`` at a
        constant rate, and keep the optimizer's memory. Each batch is evaluated before they
        train on it. The nets are used if they reconstruct it, earlier batches and up to 200
        random samples of all batches better than PCA, with the full code and with its prefixes.
        Otherwise the model is PCA, and ``selected_model_`` says so, until the nets are better
        again; the first call leaves PCA. With penalties or without PCA's path nets are always
        used. ``cv``, ``max_iter``, ``learning_rate_schedule`` and ``class_weight`` are ignored.
        ``explained_variance_ratio_`` and ``sample`` describe the latest samples. The first call
        sets the scaling, and the number of components if that is a share. Shuffle the samples:
        if the axes turn, the nets must learn again what they knew. The estimator keeps the 200
        samples, and so does a pickle of it.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples without missing values, at least two of them in the first call.
        y : object, default=None
            Ignored.

        Returns
        -------
        self : AutoencoderTransformer
            The estimator; ``n_samples_seen_`` counts the samples of all calls.

        Raises
        ------
        ValueError
            For missing values or other features than before, for parameters that ask for
            another net than before, for ``n_init`` above 1, and if ``fit`` made the model and
            did not keep all axes: with architectures that read features, or wide samples.

        References
        ----------
        .. [1] Chan, T. F., Golub, G. H. and LeVeque, R. J. (1983). "Algorithms for computing
           the sample variance". The American Statistician 37(3), 242-247.
           `doi:10.1080/00031305.1983.10483115
           <https://doi.org/10.1080/00031305.1983.10483115>`_

        Examples
        --------
        >>> from sklearn.datasets import load_digits
        >>> from skae import AutoencoderTransformer
        >>> X = load_digits().data
        >>> ae = AutoencoderTransformer(8, hidden_layer_sizes=(16,), random_state=0)
        >>> for rows in (X[:600], X[600:1200], X[1200:]):
        ...     ae = ae.partial_fit(rows)
        >>> ae.n_samples_seen_, ae.transform(X).shape
        (1797, (1797, 8))
        """
        precision = matmul_precision()
        with fitted_copy(self) as copy, computing(self.device), threads_restored():
            copy._partial_fit(X, precision)
        return self

    def _partial_fit(self, X, precision):
        is_first, before = not hasattr(self, "_fitted"), self._stream_so_far()
        if not is_first:
            self._check_structure("partial_fit", "Use a clone to begin anew")
        X = self._rows_to_fit(X) if is_first else check_rows(self, X, reset=False)
        check_range(find_loss(self.loss, self.sample_shape_), X)
        unscaled = as_rows(X)
        if unscaled.has_missing:
            raise ValueError(
                "partial_fit takes rows without missing cells. Impute them first, or call fit."
            )
        scaling = self._fit_scaling(unscaled) if is_first else self._fitted.scaling
        rows = as_rows(np.asarray(X)).scaled(scaling)
        n_seen, steps = before.n_seen + len(X), before.pause.step if before.pause else 0
        config = make_config(
            self,
            rows,
            scaling,
            before.seed,
            sample_shape=self.sample_shape_,
            continued=before.nets,
            steps_before=steps,
            precision=precision,
        )
        with one_thread():
            axes = merged_axes(before.axes, before.n_seen, rows, config.n_axes)
            run = go_on(
                config.without_validation, rows, axes, n_seen, before.nets, before.pause
            )
        stream = before._replace(
            axes=axes, n_seen=n_seen, optimizer=plain_value(self.optimizer)
        )
        result, stream = self._trained(config, rows, run, stream)
        bounds = bounds_of(unscaled, result.model)
        if before.bounds is not None:
            (lowest, highest), (lower, upper) = before.bounds, bounds
            bounds = np.minimum(lowest, lower), np.maximum(highest, upper)
        stream = stream._replace(bounds=bounds)
        if config.falls_back and not stream.uses_nets:
            result.use_pca(*pca_model_of(config, rows, run))
            own = np.stack(np.broadcast_arrays(*bounds_of(unscaled, result.model)))
            bounds = np.where(np.isfinite(own), bounds, own)
        kept = None if is_first else self.n_components_
        self._set_fitted(result, scaling, bounds, config, kept)
        self._stream, self.n_samples_seen_ = stream, n_seen
        self._fit_density(few(X, np.ones(len(X)), before.seed), before.seed)
        self._tell(result)

    def _trained(self, config, rows, run, stream):
        """Judge a batch and train on it; return the FitResult and the Stream after it."""
        errors = None
        if config.falls_back and stream.nets is not None:
            latest = errors_on(rows, run)
            errors = add_errors(stream.errors, latest)
        interrupts = Interrupts()
        result = train_without_validation(
            rows, run, callback=lambda run, value: False, interrupts=interrupts
        )
        result.interrupted = interrupts.came
        sample = sampled(stream.sample, rows.values, stream.n_seen, stream.seed)
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
            result.reason = f"on rows that they had not seen, the nets {found}"
        return result, stream

    def _stream_so_far(self):
        """Return the Stream that the next rows go on from; it begins here or with ``fit``."""
        if self.n_init > 1:
            raise ValueError(
                f"partial_fit trains one net, got n_init={self.n_init}. Pass n_init=1."
            )
        stream = getattr(self, "_stream", None)
        if stream is not None:
            is_same = stream.optimizer == plain_value(self.optimizer)
            return stream if is_same else stream._replace(pause=None)
        seed = check_random_state(self.random_state).randint(np.iinfo(np.int32).max)
        if not hasattr(self, "_fitted"):
            return Stream(None, 0, seed)
        model, axes = self._fitted.model, None
        path = model.path
        if self.linear_path is not None:
            if path.basis is None or model.reduction is not None:
                raise ValueError(
                    "partial_fit cannot go on from fit here: of this architecture, or of rows "
                    "this wide, fit has not kept all principal axes. Begin with partial_fit on "
                    "a clone, or use fit with warm_start=True."
                )
            axes = Axes(path.mean.astype(np.float64), path.basis, self._variances)
        uses_nets = self.selected_model_ != "pca"
        given = {"nets": model, "bounds": self._fitted.bounds, "uses_nets": uses_nets}
        return Stream(axes, self.n_samples_seen_, seed, **given)


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


def sampled(before, values, n_seen, seed):
    """Return at most KEPT_ROWS of all rows, each as likely as any other.

    ``before`` are those of the rows before ``values``, which make ``n_seen`` rows in all.
    Vitter, J. S. (1985). "Random sampling with a reservoir". ACM Transactions on Mathematical
    Software 11(1), 37-57. doi:10.1145/3147.3165.
    """
    sample = values[:0] if before is None else before
    n_free = KEPT_ROWS - len(sample)
    sample, values = np.concatenate([sample, values[:n_free]]), values[n_free:]
    if len(values) == 0:
        return sample
    rng = np.random.default_rng([seed, n_seen])
    place = rng.integers(np.arange(n_seen - len(values), n_seen) + 1)
    is_taken = place < KEPT_ROWS
    sample[place[is_taken]] = values[is_taken]
    return sample
