"""What every architecture is: a holder of parameters, and a record of one network's sizes."""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.base import BaseEstimator

TRUNK = (256,)  # default widths behind layers that have done most of the work


class Architecture(BaseEstimator):
    """Parameters of an architecture, which ``fit`` turns into a ``Network``.

    Subclasses define a constructor that does nothing but assign, ``_parameter_constraints`` in
    scikit-learn's form, ``_network`` and, if the default is wrong for them, ``_layer_sizes``.
    ``in_columns`` says that its networks read and write the columns of a sample, not its
    principal axes. ``hides`` says that the fit hides values even if none is missing.

    See Also
    --------
    Network : What ``network`` returns.

    Examples
    --------
    >>> from skae.architectures import Architecture, Dense
    >>> isinstance(Dense(), Architecture)
    True
    """

    in_columns: bool = False
    hides: Any = False
    _parameter_constraints: dict = {}

    def layer_sizes(self, n_components: int) -> tuple[int, ...]:
        """Return the hidden layers' widths for ``hidden_layer_sizes="auto"``.

        Parameters
        ----------
        n_components : int
            Size of the code.

        Returns
        -------
        sizes : tuple of int
            Widths in the encoder; the decoder mirrors them.
        """
        return self._layer_sizes(n_components)

    def network(self, **sizes: Any) -> "Network":
        """Return the network of this architecture at the given sizes.

        Parameters
        ----------
        **sizes : dict
            The fields of ``skae.architectures.Network``.

        Returns
        -------
        network : Network
            A frozen, hashable record.
        """
        return self._network(**sizes)

    def _layer_sizes(self, n_components):
        return TRUNK

    def _network(self, **sizes):
        raise NotImplementedError


@dataclass(frozen=True)
class Network:
    """Sizes and functions of one encoder-decoder; a static argument of compiled programs.

    Subclasses add fields, and define ``init``, ``encode`` and ``decode``.

    Parameters
    ----------
    n_inputs, n_outputs, n_components : int
        Sizes of a sample, of a reconstruction and of the code. If values may be missing,
        inputs end with missing indicators (1 if missing), one for each column. The code may
        end with padding: fits with a few components more or less share compiled programs.
    n_encoded : int
        How many numbers the encoder returns: the code, followed by its log variances for a
        variational autoencoder.
    sample_shape : tuple of int
        Shape of a sample.
    hidden_layer_sizes : tuple of int
        Widths of the encoder's hidden layers, mirrored in the decoder.
    activation : str
        Nonlinearity of the hidden layers.
    reads_mask : bool
        Whether the decoder is told which components are present.
    zero_start : bool
        Whether encoder and decoder begin as zero functions.

    See Also
    --------
    Architecture : What makes a network.

    Examples
    --------
    >>> from skae.architectures import Dense, Network
    >>> sizes = dict(n_inputs=4, n_outputs=4, n_components=2, n_encoded=2, sample_shape=(4,))
    >>> choices = dict(hidden_layer_sizes=(8,), activation="relu", reads_mask=True)
    >>> net = Dense().network(**sizes, **choices, zero_start=True)
    >>> isinstance(net, Network), net.n_read
    (True, 4)
    """

    n_inputs: int
    n_outputs: int
    n_components: int
    n_encoded: int
    sample_shape: tuple[int, ...]
    hidden_layer_sizes: tuple[int, ...]
    activation: str
    reads_mask: bool
    zero_start: bool

    in_columns = False

    @property
    def n_hidden_together(self) -> tuple[int, ...]:
        """Sizes of the blocks of columns that the fit hides at times."""
        return ()

    @property
    def tile_rows(self) -> int:
        """Samples that a CPU maps together once the network is trained."""
        return 64

    @property
    def n_read(self) -> int:
        """How many numbers the decoder reads."""
        return 2 * self.n_components if self.reads_mask else self.n_components

    def init(self, rng: np.random.Generator) -> dict[str, Any]:
        """Draw fresh weights.

        Parameters
        ----------
        rng : numpy.random.Generator
            Source of the weights.

        Returns
        -------
        params : dict
            Pytrees of float32 NumPy arrays under the keys "encoder" and "decoder".
        """
        raise NotImplementedError

    def encode(self, params: dict[str, Any], x: jax.Array) -> jax.Array:
        """Map one sample to its code.

        Parameters
        ----------
        params : dict
            Weights, under the key "encoder".
        x : jax.Array of shape (n_inputs,)
            One sample.

        Returns
        -------
        z : jax.Array of shape (n_encoded,)
            Its code, followed by its log variances if ``n_encoded`` is larger.
        """
        raise NotImplementedError

    def decode(
        self, params: dict[str, Any], z: jax.Array, mask: jax.Array, linear: jax.Array
    ) -> jax.Array:
        """Map one code to a reconstruction, or what is added to PCA's.

        Parameters
        ----------
        params : dict
            Weights, under the key "decoder".
        z, mask : jax.Array of shape (n_components,)
            One code, and 1 for the components that are present, 0 for the others.
        linear : jax.Array of shape (n_outputs,)
            PCA's reconstruction, centred.

        Returns
        -------
        x : jax.Array of shape (n_outputs,)
            The output.
        """
        raise NotImplementedError

    def read(self, z: jax.Array, mask: jax.Array) -> jax.Array:
        """Return what the decoder reads of a code.

        Parameters
        ----------
        z, mask : jax.Array of shape (n_components,)
            One code, and 1 for the components that are present, 0 for the others.

        Returns
        -------
        read : jax.Array of shape (n_read,)
            The components that are present, and the mask if it is read.
        """
        return jnp.concatenate([z * mask, mask]) if self.reads_mask else z * mask

    def _without_padding(self, n_components):
        """Return this network for codes of ``n_components`` entries alone."""
        n_encoded = self.n_encoded // self.n_components * n_components
        return replace(self, n_components=n_components, n_encoded=n_encoded)

    def _read_columns(self, layers, basis):
        """Return encoder weights for columns, if ``layers`` read columns @ basis.

        None if there are no such weights, or if they cost more than they save.
        """

    def _write_columns(self, layers, basis):
        """Return decoder weights for outputs @ basis in the same way."""


class Grid(NamedTuple):
    """How the columns of a sample lie on a grid: its sizes, and the channels of each cell."""

    sizes: tuple[int, ...]
    n_channels: int
    channels_first: bool

    @classmethod
    def of(
        cls, sample_shape: tuple[int, ...], n_axes: int, *, channels_first: bool, name: str
    ) -> "Grid":
        """Return the grid of ``n_axes``; raise ValueError if samples have other dimensions."""
        if len(sample_shape) == n_axes:
            return cls(tuple(sample_shape), 1, channels_first)
        if len(sample_shape) != n_axes + 1:
            words = {1: "(n_timepoints,) or (n_timepoints, n_channels)"}
            words[2] = "(height, width) or (height, width, channels)"
            raise ValueError(
                f"architecture={name!r} needs samples of shape {words[n_axes]}, got "
                f"{tuple(sample_shape)}. Pass X of shape (n_samples, ...), or name the shape "
                "of a sample by sample_shape."
            )
        first, last = sample_shape[0], sample_shape[-1]
        if channels_first:
            return cls(tuple(sample_shape[1:]), first, True)
        return cls(tuple(sample_shape[:-1]), last, False)

    def split(self, x: jax.Array) -> list[jax.Array]:
        """Return inputs as grids (*sizes, n_channels): values, then missing indicators."""
        d = int(np.prod(self.sizes)) * self.n_channels
        parts = [x[start : start + d] for start in range(0, len(x), d)]
        if self.channels_first:
            shape = (self.n_channels, *self.sizes)
            return [jnp.moveaxis(part.reshape(shape), 0, -1) for part in parts]
        return [part.reshape(*self.sizes, self.n_channels) for part in parts]

    def join(self, x: jax.Array) -> jax.Array:
        """Return a grid (*sizes, n_channels) as one sample (d,)."""
        return (jnp.moveaxis(x, -1, 0) if self.channels_first else x).ravel()
