"""The model and its objective, on one row and on one batch.

    z  = gain * PCA's projection + a * s * f(x)
    x^ = output_activation(offset + loadings' z, a * r * g(z / s, mask))

where f and g are the network's two halves, s and r the scales of a ``LinearPath`` and a its
strength. JAX only: nothing here knows estimators, optimizers or the number of rows.
"""

import math
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp

from skae._net.corruptions import CORRUPTIONS, in_columns
from skae._pca.path import thickness_of
from skae.architectures.dense import FEW
from skae.losses import SquaredError
from skae.losses._ranges import Identity, shares

FIRST_TRUNCATED, LAST_TRUNCATED = 0.5, 0.05  # shares of the rows whose code is truncated
N_RANDOM_NUMBERS = 7  # of 32 bits for each row of a batch: three keys of two, and a prefix
NOISE_RATE = 10.0  # of the noise's logarithm, in learning rates: faster, decayed less
SMALLEST_CODE = 1e-4  # mean square, below which a code is nothing and not dense
CODE_ACTIVATIONS = {
    "identity": lambda z: z,
    "relu": jax.nn.relu,
    "tanh": jnp.tanh,
    "logistic": jax.nn.sigmoid,
    "softmax": jax.nn.softmax,
}
exactly = partial(jnp.matmul, precision="float32")  # PCA's part, however nets are computed


@dataclass(frozen=True)
class Autoencoder:
    """Row to code and back: static choices; arrays are arguments.

    If it is ``variational``, the network's encoder returns k further numbers: the logarithms
    of the codes' variances over those of the linear path. Padding at the end of a code is 0.
    """

    network: object
    output_activation: object = Identity()
    code_activation: str = "identity"
    n_nonzero_coefs: int | None = None
    variational: bool = False

    @property
    def begins_at_pca(self):
        """Whether it is PCA with zero nets, if its linear path is PCA's."""
        return self.code_activation == "identity" and self.n_nonzero_coefs is None

    @property
    def entries_per_axis(self):
        """Entries of a code per principal axis: a rectified one holds only one sign."""
        return 2 if self.code_activation == "relu" else 1

    def encode(self, path, params, x):
        """Return the code (k,) of one row ``x`` (n_inputs,): axes, then missing indicator."""
        return self.posterior(path, params, x)[0]

    def posterior(self, path, params, x):
        """Return the mean code (k,) of one row, and the logarithm of its variance over s^2."""
        k = self.network.n_components
        lead = x if path.projection is None else exactly(x[: len(path.mean)], path.projection)
        lead = jnp.repeat(lead, self.entries_per_axis)
        lead = jnp.pad(lead, (0, max(0, k - len(lead))))[:k]
        out = self.network.encode(params, x)
        z = path.gain * lead + path.strength * path.code_scale * out[:k]
        used = path.code_scale > 0
        z = CODE_ACTIVATIONS[self.code_activation](jnp.where(used, z, -jnp.inf))
        z = self._sparse(path, jnp.where(used, z, 0.0))
        return z, path.code_log_variance + path.strength * out[k:] if len(out) > k else None

    def _sparse(self, path, z):
        """Return ``z`` with all but its largest entries set to zero."""
        if self.n_nonzero_coefs is None or self.n_nonzero_coefs >= len(z):
            return z
        _, largest = jax.lax.top_k(jnp.abs(path.scaled(z)), self.n_nonzero_coefs)
        return jnp.zeros_like(z).at[largest].set(z[largest])

    def decode(self, path, params, z, n_kept):
        """Return the outputs (n_outputs,) of the first ``n_kept`` entries of one code."""
        mask = (jnp.arange(len(z)) < n_kept).astype(z.dtype)
        z = z * mask
        linear = exactly(z, path.loadings)
        out = self.network.decode(params, path.scaled(z), mask, linear)
        correction = path.output_scale * out
        return self.output_activation(path, path.offset + linear, path.strength * correction)

    def columns(self, path, out):
        """Return outputs of ``decode`` as scaled columns (d,)."""
        if not self.output_activation.in_axes:
            return out
        return path.mean + (out if path.basis is None else exactly(path.basis, out))


@dataclass(frozen=True)
class Objective:
    """What training minimises: static, hashable choices; numbers are arguments.

    ``penalties`` are the keys of ``PENALTIES`` whose weights are not zero.
    """

    autoencoder: Autoencoder
    loss: object = SquaredError()
    ordered: bool = True
    corruption: object = None
    augmentation: object = None
    penalties: tuple = ()

    @property
    def network(self):
        return self.autoencoder.network

    @property
    def in_axes(self):
        """Whether errors are the same in the outputs' axes as in columns."""
        return self.autoencoder.output_activation.in_axes and isinstance(
            self.loss, SquaredError
        )

    @property
    def is_error_alone(self):
        """Whether it is the reconstruction error alone."""
        return not (self.penalties or self.autoencoder.variational)

    @property
    def denoises(self):
        """Whether inputs are corrupted to be restored: Gaussian noise only regularises."""
        return self.corruption not in (None, "gaussian")

    def batch_loss(self, params, path, traced, batch):
        """Return the weighted mean of ``cost`` over a corrupted batch with truncated codes.

        ``batch`` is (x, target, observed, bits, weight). Targets and ``observed`` are in axes
        if ``in_axes`` and no value is missing, otherwise in columns. A row's randomness is its
        ``bits`` (n, N_RANDOM_NUMBERS). Rows of weight 0 do not count; weights have mean 1.
        """
        total, count = self.total_cost(params, path, traced, batch)
        return total / count

    def total_cost(self, params, path, traced, batch):
        """Return the weighted sum of ``cost`` over a batch, and how many rows count."""
        *parts, weight = batch
        axes = tuple(None if part is None else 0 for part in parts)
        cost = jax.vmap(partial(self._drawn_cost, params, path, traced), axes)(*parts)
        return jnp.sum(weight * cost), jnp.sum(weight > 0, dtype=weight.dtype)

    def _drawn_cost(self, params, path, traced, x, target, observed, bits):
        """Return the ``cost`` of one row, corrupted and truncated by its random ``bits``."""
        *keys, prefix_bits = jnp.split(bits, [2, 4, 6])
        corruption_key, augmentation_key, noise_key = (_key(pair) for pair in keys)
        if self.augmentation is not None:
            x, target = self._augmented(augmentation_key, x, target, path)
        target, noise = x if target is None else target, None
        if self.corruption is not None:
            x = self.corrupt(corruption_key, x, traced["corruption_level"], path)
        if self.autoencoder.variational:
            noise = jax.random.normal(noise_key, (self.network.n_components,), x.dtype)
        n_kept = self._n_kept(prefix_bits[0], traced["truncated_share"], path.n_components)
        return self.cost(params, path, traced, x, target, observed, n_kept, noise)

    def traced_at(self, step, path, traced):
        """Return the ``traced`` numbers at a step of the training.

        The share of truncated codes falls linearly: first the order of components matters,
        then the full code. With few components and little variance beyond PCA, Gaussian noise
        falls geometrically and weights decay less: early noise finds a smooth solution, late
        noise would blur a thin surface.
        """
        progress = jnp.minimum(1.0, (step + 1) * traced["settling"])
        change = LAST_TRUNCATED - FIRST_TRUNCATED
        traced = {**traced, "truncated_share": FIRST_TRUNCATED + change * progress}
        thin_decay = traced.pop("thin_decay")
        if self.network.n_components < FEW:
            thickness = jnp.square(thickness_of(path.prefix_error[-1], path.prefix_error[0]))
            traced["weight_decay"] = thin_decay + thickness * (
                traced["weight_decay"] - thin_decay
            )
            if self.corruption == "gaussian":
                traced["corruption_level"] *= thickness**progress
        return traced

    def cost(self, params, path, traced, x, target, observed, n_kept, noise):
        """Return one row's objective, in units of PCA's error with as many components.

        That is the error with the first ``n_kept`` components and the penalties; of a
        variational code, at mean + deviation * ``noise`` (k,), the bound on its likelihood.
        """
        z, log_variance = self.autoencoder.posterior(path, params, x)
        code = z
        if self.autoencoder.variational:
            code = z + path.code_scale * jnp.exp(0.5 * log_variance) * noise
        out = self.autoencoder.decode(path, params, code, n_kept)
        error = self._error(path, out, target, observed) / path.prefix_error[n_kept]
        if self.autoencoder.variational:
            n_values = len(path.mean) if observed is None else jnp.sum(observed)
            divergence = divergences(path.scaled(z), log_variance)
            divergence = jnp.sum(jnp.where(jnp.arange(len(z)) < n_kept, divergence, 0.0))
            error = self._bound(params, path, error, n_kept, n_values, divergence, traced)
        for name in self.penalties:
            error += traced[name] * PENALTIES[name](self.autoencoder, params, path, x, z)
        return error

    def _bound(self, params, path, error, n_kept, n_values, divergence, traced):
        """Return minus the bound on a row's log likelihood, in units of the error.

        Squared errors belong to a normal distribution whose one variance is learned; other
        losses are a negative log likelihood.
        """
        weighted = traced["kl_weight"] * divergence
        if not isinstance(self.loss, SquaredError):
            return error + weighted / path.prefix_error[n_kept]
        log_noise = NOISE_RATE * params["log_noise"]
        share = n_values / len(path.mean)
        return error * jnp.exp(-log_noise) + share * log_noise + 2 * weighted / len(path.mean)

    def _error(self, path, out, target, observed):
        if observed is None and self.in_axes:
            return jnp.sum(jnp.square(target - out))
        losses = self.value_losses(path, target, self.autoencoder.columns(path, out))
        return jnp.sum(losses if observed is None else observed * losses)

    def value_losses(self, path, target, out):
        """Return the losses (..., d) of scaled columns, arrays of JAX or NumPy."""
        if self.loss_has_units:
            target, out = shares(path, target), shares(path, out)
        losses = self.loss(target, out)
        return losses if path.value_weight is None else path.value_weight * losses

    @property
    def loss_has_units(self):
        """Whether the loss is one of values in X's units, in which the range is 0 to 1."""
        return getattr(self.loss, "output_activation", None) is not None

    def _n_kept(self, word, share, k):
        """Return how many of ``k`` components a row keeps: fewer in a ``share`` of the rows.

        Their logarithm is uniform: otherwise a long code would rarely be cut to a few.
        """
        if not self.ordered or self.network.n_components == 1:
            return k
        place = (word >> 8).astype(jnp.float32) * (2.0**-24 / share)
        kept = jnp.floor(jnp.float32(k) ** place).astype(jnp.int32)
        kept = jnp.clip(kept, 1, jnp.maximum(k - 1, 1))
        return jnp.where(place < 1, kept, k)

    @property
    def corrupt(self):
        """The function (key, x, level, path) -> x for a name or a callable."""
        return CORRUPTIONS.get(self.corruption) or partial(in_columns, self.corruption)

    def _augmented(self, key, x, target, path):
        x = in_columns(lambda key, row, level: self.augmentation(key, row), key, x, 1.0, path)
        return x, None if target is None else self.augmentation(key, target)


def _key(bits):
    return jax.random.wrap_key_data(bits, impl="threefry2x32")


def divergences(mean, log_variance):
    """Return the Kullback-Leibler divergence (k,) of each code's normal from the standard one.

    Kingma and Welling 2014, "Auto-encoding variational Bayes", doi:10.48550/arXiv.1312.6114.
    """
    return 0.5 * (jnp.square(mean) + jnp.expm1(log_variance) - log_variance)


def sparsity(autoencoder, params, path, x, z):
    """Return the L1 norm of the scaled code over its L2 norm, from 1 / sqrt(k) to 1.

    With the L1 norm alone, codes would shrink and the decoder would compensate. Hoyer 2004,
    "Non-negative matrix factorization with sparseness constraints", JMLR 5, 1457-1469.
    """
    scaled, k = path.scaled(z), path.n_components
    length = jnp.sqrt(jnp.sum(jnp.square(scaled)) / k + SMALLEST_CODE)
    return jnp.sum(jnp.abs(scaled)) / k / length


def contraction(autoencoder, params, path, x, z):
    """Return the squared Frobenius norm of the encoder's Jacobian per component: 1 for PCA.

    Rifai et al. 2011, "Contractive auto-encoders", ICML.
    """
    n_axes = len(path.mean) if path.basis is None else path.basis.shape[1]
    jacobian = jax.jacrev(lambda x: autoencoder.encode(path, params, x))(x)
    return jnp.sum(jnp.square(jacobian[:, :n_axes])) / path.n_components


PENALTIES = {"sparsity": sparsity, "contraction": contraction}


def noise_variance(model, n_kept):
    """Return the learned noise variance of a scaled value, with ``n_kept`` components."""
    log_noise = NOISE_RATE * float(model.params["log_noise"])
    return float(model.path.prefix_error[n_kept] / len(model.path.mean) * math.exp(log_noise))
