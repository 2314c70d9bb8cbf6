"""The model and its objective, on one sample and on one batch.

    z  = gain * PCA's projection + a * s * f(x)
    x^ = link^-1(link(offset + loadings' z) + a * r * g(z / s, mask))

where f and g are the network's two halves, s and r the scales of a ``LinearPath`` and a its
strength.
JAX only: nothing here knows estimators, optimizers or the number of rows.
"""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp

from skae.corruptions import CORRUPTIONS, in_columns

CUT_SHARE = 1 / 3  # of the rows, whose code is cut


@dataclass(frozen=True)
class Objective:
    """What is trained: static, hashable choices; the numbers come with each call."""

    network: object
    link: str = "identity"
    ordered: bool = True
    corruption: object = None

    def loss(self, params, path, batch, key, corruption_level):
        """Return the mean of a batch's weighted squared errors over PCA's at the same cut.

        ``batch`` is (x, target, observed, weight); where cells are missing, the targets and
        the marks ``observed`` are in columns, and the errors are summed over observed cells.
        Rows of weight 0 are none; the weights of all rows have mean 1.
        """
        x, target, observed, weight = batch
        target = x if target is None else target
        noise_key, cut_key = jax.random.split(key)
        n_kept = self._cuts(cut_key, len(x))
        noisy = self._corrupted(noise_key, x, corruption_level, path)
        error = jax.vmap(self._error, (None, None, 0, 0, None if observed is None else 0, 0))(
            params, path, noisy, target, observed, n_kept
        )
        return jnp.sum(weight * error / path.cut_error[n_kept]) / jnp.sum(weight > 0)

    def _error(self, params, path, x, target, observed, n_kept):
        z = encode(self.network, path, params, x)
        out = decode(self.network, self.link, path, params, z, n_kept)
        if observed is None:
            return jnp.sum(jnp.square(target - out))
        return jnp.sum(observed * jnp.square(target - columns(self.link, path, out)))

    def _cuts(self, key, n_rows):
        """How many leading components each row keeps: all of them, or m for some rows.

        log m is uniform: were m, the first prefixes of a long code would hardly be seen.
        """
        k = self.network.n_components
        full = jnp.full(n_rows, k, jnp.int32)
        if not self.ordered or k == 1:
            return full
        m_key, which_key = jax.random.split(key)
        share = jax.random.uniform(m_key, (n_rows,), jnp.float32)
        cuts = jnp.clip(jnp.floor(jnp.float32(k) ** share), 1, k - 1).astype(jnp.int32)
        is_cut = jax.random.bernoulli(which_key, CUT_SHARE, (n_rows,))
        return jnp.where(is_cut, cuts, full)

    def _corrupted(self, key, x, level, path):
        if self.corruption is None:
            return x
        corrupt = CORRUPTIONS.get(self.corruption) or partial(in_columns, self.corruption)
        keys = jax.random.split(key, len(x))
        return jax.vmap(corrupt, (0, 0, None, None))(keys, x, level, path)


def encode(network, path, params, x):
    """Return the code (k,) of one sample ``x`` (n_inputs,): axes, then marks if it has any."""
    k = network.n_components
    lead = jnp.pad(x, (0, max(0, k - len(x))))[:k]
    return path.gain * lead + path.strength * path.code_scale * network.encode(params, x)


def decode(network, link, path, params, z, n_kept):
    """Return the outputs (n_outputs,) of one code of which the first ``n_kept`` count."""
    mask = (jnp.arange(len(z)) < n_kept).astype(z.dtype)
    z = z * mask
    linear = path.offset + z @ path.loadings
    correction = path.output_scale * network.decode(params, z / path.code_scale, mask)
    return LINKS[link](path, linear, path.strength * correction)


def columns(link, path, out):
    """Return outputs of ``decode`` as scaled columns (d,)."""
    if link != "identity":
        return out
    return path.mean + (out if path.basis is None else path.basis @ out)


def _identity(path, linear, correction):
    return linear + correction


def _logistic(path, linear, correction):
    """Add the correction to the logit of the linear output's place in each column's range."""
    width = path.upper - path.lower
    share = (linear - path.lower) / jnp.where(width > 0, width, jnp.ones_like(width))
    share = jnp.clip(share, path.margin, 1 - path.margin)
    logit = jnp.log(share) - jnp.log1p(-share)
    return path.lower + width * jax.nn.sigmoid(logit + correction)


LINKS = {"identity": _identity, "logistic": _logistic}
