"""What every architecture is: a holder of parameters, and a record of one network's sizes."""

from dataclasses import dataclass

import jax.numpy as jnp
from sklearn.base import BaseEstimator

TRUNK = (256,)  # widths by default, where a stem has done most of the work


class Architecture(BaseEstimator):
    """Parameters of an architecture, resolved by ``fit`` to a static record.

    ``in_columns`` says that its networks read and write the columns of a sample, in their
    places; they get its principal axes otherwise. ``hides`` says that cells are hidden while
    training, and marked, even where none is missing. The constructor only assigns.

    See Also
    --------
    Network : What ``network`` returns.

    Examples
    --------
    >>> from skae.architectures import Architecture, Dense
    >>> isinstance(Dense(), Architecture)
    True
    """

    in_columns = False
    hides = False
    _parameter_constraints = {}

    def layer_sizes(self, n_components):
        """Return the trunk's widths where ``hidden_layer_sizes`` is "auto".

        Parameters
        ----------
        n_components : int
            Size of the code.

        Returns
        -------
        sizes : tuple of int
            Widths of the encoder's trunk; the decoder mirrors them.
        """
        return self._layer_sizes(n_components)

    def _layer_sizes(self, n_components):
        return TRUNK

    def network(self, **sizes):
        """Return the static record of this architecture at the given sizes.

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

    def _network(self, **sizes):
        raise NotImplementedError


@dataclass(frozen=True)
class Network:
    """Sizes and functions of one encoder-decoder; hashable, so static in a jit.

    Those of an architecture add its own fields, ``init``, ``encode`` and ``decode``.

    Parameters
    ----------
    n_inputs, n_outputs, n_components : int
        Sizes of a sample, of a reconstruction and of the code. Where there are more inputs
        than columns, marks of the missing ones follow these.
    n_encoded : int
        How many numbers the encoder returns: the code, and more where it has a variance.
    sample_shape : tuple of int
        What a sample's columns are, row by row.
    hidden_layer_sizes : tuple of int
        Widths of the encoder's trunk, mirrored in the decoder.
    activation : str
        Nonlinearity of the hidden layers.
    reads_mask : bool
        Whether the decoder is told which components are present.
    zero_start : bool
        Whether both output layers begin at zero.

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
    sample_shape: tuple
    hidden_layer_sizes: tuple
    activation: str
    reads_mask: bool
    zero_start: bool

    in_columns = False
    n_hidden_together = ()
    tile_rows = 64  # that go through a processor's cores together, once it is trained

    @property
    def n_read(self):
        """How many numbers the decoder reads."""
        return 2 * self.n_components if self.reads_mask else self.n_components

    def read(self, z, mask):
        """Return what the decoder reads of a code.

        Parameters
        ----------
        z : jax.Array of shape (n_components,)
            One code.
        mask : jax.Array of shape (n_components,)
            1 where a component is present, 0 elsewhere.

        Returns
        -------
        read : jax.Array of shape (n_read,)
            The components that are present, and the mask where it is read.
        """
        return jnp.concatenate([z * mask, mask]) if self.reads_mask else z * mask

    def read_columns(self, layers, basis):
        """Return the encoder's weights for columns, where ``layers`` read columns @ basis.

        Parameters
        ----------
        layers : object
            Weights of the encoder, as NumPy arrays.
        basis : ndarray of shape (n_columns, n_axes)
            Principal axes.

        Returns
        -------
        layers : object or None
            None where there are no such weights, or where they cost more than they save.
        """

    def write_columns(self, layers, basis):
        """Return the decoder's weights for outputs @ basis, where ``layers`` make outputs.

        Parameters
        ----------
        layers : object
            Weights of the decoder, as NumPy arrays.
        basis : ndarray of shape (n_outputs, n_columns)
            What outputs are multiplied by.

        Returns
        -------
        layers : object or None
            None where there are no such weights, or where they cost more than they save.
        """


def as_grid(sample_shape, n_axes, *, channels_first, name):
    """Return the sizes (n_axes,) of a sample's grid, and its number of channels.

    Raises ValueError for samples of another number of dimensions.
    """
    if len(sample_shape) == n_axes:
        return sample_shape, 1
    if len(sample_shape) != n_axes + 1:
        words = {1: "(n_timepoints,) or (n_timepoints, n_channels)"}
        words[2] = "(height, width) or (height, width, channels)"
        raise ValueError(
            f"architecture={name!r} needs samples of shape {words[n_axes]}, got "
            f"{tuple(sample_shape)}. Pass X of shape (n_samples, ...), or name the shape of a "
            "row by sample_shape."
        )
    first, last = sample_shape[0], sample_shape[-1]
    return (sample_shape[1:], first) if channels_first else (sample_shape[:-1], last)


def to_grid(x, sizes, n_channels, *, channels_first):
    """Return one sample (d,) as its grid (*sizes, n_channels)."""
    if channels_first:
        return jnp.moveaxis(x.reshape(n_channels, *sizes), 0, -1)
    return x.reshape(*sizes, n_channels)


def from_grid(x, *, channels_first):
    """Return a grid (*sizes, n_channels) as one sample (d,)."""
    return (jnp.moveaxis(x, -1, 0) if channels_first else x).ravel()
