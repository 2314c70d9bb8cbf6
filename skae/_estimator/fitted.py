"""FittedAutoencoder: maps from samples in X's units to codes and back, and their errors."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from skae._data.checks import within
from skae._data.rows import BOUND, Rows, Scaling, as_rows, most_rows, parts_of
from skae._estimator.sampling import CodeDensity, Prior
from skae._net.objective import Objective
from skae._pca.projection import Projection
from skae._runtime.blas import product
from skae._runtime.devices import computing
from skae.losses import Joint, SquaredError

ROUNDING = 1e-6  # of the largest deviation, below which a float32 code does not vary
FARTHEST = 1e200  # error of a sample, in ``error_unit``: no farther one needs an exact score


@dataclass(frozen=True)
class FittedAutoencoder:
    """All that a fit found: maps from samples in X's units to codes and back, their errors.

    ``bounds`` are the (lower, upper) that reconstructions keep, ``mean`` (n_features,) is that
    of the ``n_samples`` that PCA was fitted on, ``prefixes`` are the numbers of leading
    components at which a code is evaluated. ``density``, ``residual`` and ``stream`` are what
    ``sample`` and ``partial_fit`` go on from. If ``is_pca``, PCA alone maps samples, in
    float64. Missing values are NaN. All is made of NumPy and plain records.
    """

    scaling: Scaling
    bounds: tuple[Any, Any]
    model: Any  # a Model
    loss: Any
    mean: NDArray
    n_components: int
    is_table: bool  # samples are 1-D, and were passed as such
    device: str | None = None
    dtype: str = "float64"  # of the training samples
    n_samples: int = 0  # none while it trains
    prefixes: NDArray | None = None
    components: NDArray | None = None  # (n_components, n_features), in scaled units
    variances: NDArray | None = None  # of PCA's codes, in scaled units
    total_variance: float = 0.0  # of the samples, in scaled units
    is_pca: bool = False  # the model is PCA of columns, and nothing else
    deviations: NDArray | None = None  # (n_components,) that codes are divided by, if any
    structure: dict[str, Any] | None = None  # parameters that a warm start cannot change
    density: CodeDensity | Prior | None = None
    residual: NDArray | None = None  # (n_features,), root mean square of what codes leave out
    stream: Any = None  # a Stream

    def check_sizes(self) -> None:
        """Raise ValueError if parts are not of one size, as those of a file may be."""
        d, k = self.model.n_features, self.n_components
        given = {"mean": self.mean, "residual": self.residual, "center": self.scaling.center}
        either = {"scale": self.scaling.scale, "lower": self.bounds[0], "upper": self.bounds[1]}
        given |= {name: part for name, part in either.items() if np.ndim(part)}
        wrong = [n for n, part in given.items() if part is not None and np.shape(part) != (d,)]
        found = getattr(self.components, "shape", None)
        if self.is_pca and not (self.model.is_linear and found == (k, d)):
            wrong.append("components")
        if not 1 <= k <= self.model.n_components:
            wrong.append("n_components")
        if isinstance(self.density, CodeDensity) and self.density.codes.shape[1:] != (k,):
            wrong.append("density")
        if wrong:
            raise ValueError(f"{', '.join(wrong)} of a fit with {d} features have other sizes")

    def on(self, device: str | None) -> Self:
        """Return the same object, computing on ``device``."""
        return self if device == self.device else replace(self, device=device)

    @property
    def _maps(self):
        """What maps scaled rows to codes and back."""
        if not self.is_pca:
            return self.model
        mean = self.scaling.forward(self.mean[None])[0]
        return Projection(mean, self.components, self.model.filler)

    @property
    def code_unit(self) -> float:
        """What a code is multiplied by: the range of a code activation has no unit."""
        is_linear = self.model.autoencoder.code_activation == "identity"
        return self.scaling.code_unit if is_linear else 1.0

    @property
    def is_squared_error(self) -> bool:
        """Whether errors are squares in X's units, and not losses."""
        return isinstance(self.loss, SquaredError)

    def encode(self, X: Any, dtype: DTypeLike = np.float64) -> NDArray:
        """Return codes (n_samples, n_components)."""
        rows, unit = as_rows(X), self.code_unit
        out = np.empty((len(X), self.n_components), dtype)

        def scaled_rows(part):
            return rows.scaled_part(part, self.scaling)

        with computing(self.device):
            for part, Z in self._maps.codes(scaled_rows, len(X)):
                Z = Z[:, : self.n_components].astype(np.float64) * unit
                with within(dtype):
                    out[part] = Z if self.deviations is None else Z / self.deviations
        return out

    def decode(self, Z: NDArray, dtype: DTypeLike = np.float64) -> NDArray:
        """Return samples (n_samples, n_features) of codes, or of their first columns."""
        (n, n_kept), unit = Z.shape, self.code_unit
        out = np.empty((n, len(self.mean)), dtype)

        def read(part):
            codes = Z[part]
            if self.deviations is not None:
                codes = np.multiply(codes, self.deviations[:n_kept], dtype=np.float64)
            return np.clip(np.divide(codes, unit, dtype=np.float64), -BOUND, BOUND)

        with computing(self.device):
            for part, rows in self._maps.rows(read, n, n_kept):
                place = out[part]
                rows = self.scaling.backward(rows, place if dtype == np.float64 else None)
                with within(dtype):
                    np.clip(rows, *self.bounds, out=place)
        return out

    def reconstruct(self, X: Any, dtype: DTypeLike = np.float64) -> NDArray:
        """Return the reconstructions of samples; codes are of that ``dtype``, too."""
        return self.decode(self.encode(X, dtype), dtype)

    def impute(self, X: Any) -> NDArray:
        """Return samples with missing values filled by their reconstruction."""
        filled = self.decode(self.encode(X), X.dtype)
        for part in parts_of(X):
            np.copyto(filled[part], X[part], where=~np.isnan(X[part]))
        return filled

    def losses(self, X: NDArray, X_back: NDArray, unit: float = 1.0) -> NDArray:
        """Return the sum (n_samples,) of each sample's losses over its observed values.

        Squared errors are those of values in another ``unit`` than that of X.
        """
        observed = ~np.isnan(X)
        target, out = np.where(observed, X, X_back), np.broadcast_to(X_back, X.shape)
        if self.is_squared_error:
            losses = self.loss(target / unit, out / unit)
        else:
            target, out = self.scaling.forward(target), self.scaling.forward(out)
            objective = Objective(self.model.autoencoder, self.loss)
            losses = np.asarray(objective.value_losses(self.model.path, target, out))
        return np.where(observed, losses, 0.0).sum(axis=1)

    def mean_errors(self, X: Any) -> NDArray:
        """Return the mean loss (n_samples,) of each sample's observed values, 0 if none is."""
        rows = (X[part] for part in parts_of(X))  # read once
        errors = [self.losses(x, self.reconstruct(x)) / self._n_observed(x) for x in rows]
        return np.concatenate(errors)

    @property
    def error_unit(self) -> float:
        """Unit of values for squared errors: squares of small values would be 0.

        It is a power of two, so that ratios of errors are the same to the bit.
        """
        return 2.0 ** np.frexp(self.scaling.scale.max())[1] if self.is_squared_error else 1.0

    def bounded_errors(self, X: NDArray, X_back: NDArray) -> NDArray:
        """Return samples' mean losses (n_samples,) of observed values, in ``error_unit``."""
        with np.errstate(over="ignore"):
            losses = np.minimum(self.losses(X, X_back, self.error_unit), FARTHEST)
        return losses / self._n_observed(X)

    def _n_observed(self, X):
        """Return how many values, or variables of a joint loss, are observed: at least 1."""
        observed = ~np.isnan(X)
        is_joint = isinstance(self.loss, Joint)
        counts = self.loss.n_variables(observed) if is_joint else observed.sum(axis=1)
        return np.maximum(1, counts)

    def prefix_reconstructions(self, X: Any) -> Iterator[NDArray]:
        """Yield the reconstructions (n_samples, n_features) of ``X`` from each prefix."""
        assert self.prefixes is not None
        Z = self.encode(X)
        for n_kept in self.prefixes:
            yield self.decode(Z[:, :n_kept])

    def prefix_errors(self, X: Any) -> NDArray:
        """Return the bounded errors (n_samples, n_prefixes) of samples at each prefix."""
        errors = []
        for x in (X[part] for part in parts_of(X)):  # read once
            backs = self.prefix_reconstructions(x)
            errors.append(np.stack([self.bounded_errors(x, back) for back in backs], axis=1))
        return np.concatenate(errors)

    def score(self, X: Any, weight: NDArray) -> float:
        """Return 1 - the weighted loss of reconstructions over that of the mean."""
        error, total = self._sums(X, weight)
        unit = self.scaling.scale.max()
        if total == 0 and unit != 1 and self.is_squared_error:
            error, total = self._sums(X, weight, unit)  # squares that were too small
        if total > 0:
            return float(1.0 - error / total)
        return 1.0 if error == 0 else 0.0

    def _sums(self, X, weight, unit=1.0):
        """Return the weighted sums of losses of reconstructions, and of the mean."""
        rows = (X[part] for part in parts_of(X))  # read once
        losses = [
            [self.losses(x, back, unit) for back in (self.reconstruct(x), self.mean)]
            for x in rows
        ]
        return [product(weight, np.concatenate(of_all)) for of_all in zip(*losses, strict=True)]

    def deviations_of(self, X: Any, weight: NDArray) -> NDArray:
        """Return the standard deviation (n_components,) of the codes of weighted samples.

        A component that does not vary gets the largest one: its rounding is not blown up.
        """
        n, shift, sums = len(X), self.encode(X[:1]), np.zeros(())
        for part in parts_of(X):
            Z = self.encode(X[part]) - shift
            sums = sums + np.stack([product(weight[part], Z), product(weight[part], Z**2)])
        squares = np.maximum(0.0, sums[1] - np.square(sums[0]) / n)
        return whole(np.sqrt(squares / max(1, n - 1)))

    def residual_of(self, X: Any) -> NDArray:
        """Return the root mean square (n_features,) of what reconstructions leave out."""
        X, sums = X[:: -(-len(X) // most_rows(X.shape[1]))], np.zeros(())
        for part in parts_of(X):
            left = np.square(X[part] - self.reconstruct(X[part]))
            sums = sums + np.stack([np.nansum(left, axis=0), (~np.isnan(left)).sum(axis=0)])
        return np.sqrt(sums[0] / np.maximum(1, sums[1]))

    def sample(
        self, n_samples: int, rng: np.random.RandomState, *, noise: bool = False
    ) -> NDArray:
        """Return new samples (n_samples, n_features), with ``noise`` around their means."""
        assert self.density is not None and self.residual is not None
        rows = self.decode(self.density.draw(n_samples, rng))
        if noise:
            draw = getattr(self.loss, "draw", SquaredError().draw)
            rows = np.clip(draw(rows, self.residual, rng), *self.bounds)
        return rows.astype(self.density.dtype, copy=False)


def whole(deviations: NDArray) -> NDArray:
    """Return ``deviations`` (n_components,), the largest one for those that are rounding."""
    largest = deviations.max(initial=0.0) or 1.0
    return np.where(deviations > ROUNDING * largest, deviations, largest)


def bounds_of(rows: Rows, model: Any) -> tuple[Any, Any]:
    """Return the (lower, upper) (n_features,) that reconstructions keep, in X's units.

    The model keeps them in scaled float32; rounding on the way back may not break them.
    """
    activation = model.autoencoder.output_activation
    if model.reduction is not None:
        return -np.inf, np.inf
    if activation.ends is not None and np.ndim(activation.ends) == 1:
        return activation.ends
    is_low, is_high = np.isfinite(model.path.floor), np.isfinite(model.path.ceiling)
    if not activation.in_axes and activation.ends is None:
        is_low = is_high = np.ones(rows.shape[1], bool)
    lower, upper = (end.astype(np.float64) for end in rows.summary.ends)
    lower, upper = np.where(is_low, lower, -np.inf), np.where(is_high, upper, np.inf)
    if activation.ends is None:
        return lower, upper
    return np.maximum(lower, activation.ends[0]), np.minimum(upper, activation.ends[1])
