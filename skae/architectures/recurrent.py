"""Recurrent nets: for series whose dynamics do not change, and for sequences of tokens."""

from dataclasses import dataclass
from numbers import Integral

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.utils._param_validation import StrOptions

from skae._data.parameters import Number
from skae.architectures._layers import apply_layers, init_layers
from skae.architectures._network import Architecture, Grid, Network

MOST_STEPS = 32  # of the recurrence; longer series have several timepoints in each


class Recurrent(Architecture):
    """Gated recurrent nets, for series of shape (n_timepoints, n_channels).

    The encoder reads a series from both ends; its dense layers read the last states and the
    means of all. The code sets the decoder's first state and is part of every step's input,
    with PCA's reconstruction of the step and a learned vector for its position.

    Parameters
    ----------
    cell : {"gru", "lstm"}, default="gru"
        Gated recurrent unit [1]_ or long short-term memory [2]_.
    units : int, default=64
        Size of a state.
    bidirectional : bool, default=True
        Whether the encoder also reads from the last timepoint to the first.
    step_size : int or None, default=None
        Consecutive timepoints that one step reads and writes; None means as few as make at
        most 32 steps.
    channels_first : bool, default=False
        Whether samples are (n_channels, n_timepoints), as in aeon.

    See Also
    --------
    skae.AutoencoderTransformer : The estimator that an architecture is passed to.

    References
    ----------
    .. [1] Cho, K. et al. (2014). "Learning phrase representations using RNN encoder-decoder for
       statistical machine translation". EMNLP.
       `doi:10.3115/v1/D14-1179 <https://doi.org/10.3115/v1/D14-1179>`_
    .. [2] Hochreiter, S., Schmidhuber, J. (1997). "Long short-term memory". Neural Computation
       9(8). `doi:10.1162/neco.1997.9.8.1735 <https://doi.org/10.1162/neco.1997.9.8.1735>`_

    Examples
    --------
    >>> import numpy as np
    >>> from skae import AutoencoderTransformer
    >>> from skae.architectures import Recurrent
    >>> X = np.random.default_rng(0).normal(size=(40, 12, 2)).cumsum(axis=1)
    >>> ae = AutoencoderTransformer(2, architecture=Recurrent(units=4), max_iter=2)
    >>> ae.fit(X).inverse_transform(ae.transform(X)).shape
    (40, 12, 2)
    """

    in_columns = True
    _parameter_constraints = {
        "cell": [StrOptions({"gru", "lstm"})],
        "units": [Number(Integral, 1, None, closed="left")],
        "bidirectional": ["boolean"],
        "step_size": [Number(Integral, 1, None, closed="left"), None],
        "channels_first": ["boolean"],
    }

    def __init__(
        self,
        cell: str = "gru",
        units: int = 64,
        bidirectional: bool = True,
        step_size: int | None = None,
        channels_first: bool = False,
    ):
        self.cell = cell
        self.units = units
        self.bidirectional = bidirectional
        self.step_size = step_size
        self.channels_first = channels_first

    def _network(self, **sizes):
        first = bool(self.channels_first)
        grid = Grid.of(sizes["sample_shape"], 1, channels_first=first, name="recurrent")
        (n_times,) = grid.sizes
        return _RecurrentNetwork(
            **sizes,
            grid=grid,
            step_size=min(int(self.step_size or -(-n_times // MOST_STEPS)), n_times),
            cell=self.cell,
            units=int(self.units),
            n_directions=2 if self.bidirectional else 1,
        )


@dataclass(frozen=True)
class _RecurrentNetwork(Network):
    """Recurrent nets around dense layers."""

    grid: Grid
    step_size: int
    cell: str
    units: int
    n_directions: int

    in_columns = True

    @property
    def n_steps(self):
        """Steps of the recurrence; the last one may be padded with zeros."""
        return -(-self.grid.sizes[0] // self.step_size)

    @property
    def n_states(self):
        """Size of what a cell passes on: an LSTM's output and memory."""
        return self.units if self.cell == "gru" else 2 * self.units

    def init(self, rng):
        hidden, zero = self.hidden_layer_sizes, self.zero_start
        n_seen = self.step_size * (self.n_inputs // self.grid.sizes[0])
        n_features = 2 * self.n_directions * self.units
        encoder = (n_features, *hidden, self.n_encoded)
        decoder = (self.n_read, *hidden[::-1], self.n_states + self.units)
        width = self.step_size * self.grid.n_channels
        return {
            "encoder": {
                "cells": [self._cell(rng, n_seen) for _ in range(self.n_directions)],
                "trunk": init_layers(rng, encoder, zero=zero),
            },
            "decoder": {
                "trunk": init_layers(rng, decoder),
                "places": rng.normal(size=(self.n_steps, self.units)).astype(np.float32),
                "cell": self._cell(rng, self.units + width),
                "output": init_layers(rng, (self.units, width), zero=zero),
            },
        }

    def _cell(self, rng, n_in):
        width = (3 if self.cell == "gru" else 4) * self.units
        bias = np.zeros(width, np.float32)
        if self.cell == "lstm":
            bias[self.units : 2 * self.units] = 1.0  # at first memory is kept
        kernel = rng.normal(0.0, np.sqrt(1 / n_in), (n_in, width))
        memory = rng.normal(0.0, np.sqrt(1 / self.units), (self.units, width))
        matrices = {"kernel": kernel.astype(np.float32), "memory": memory.astype(np.float32)}
        return {**matrices, "bias": bias}

    def encode(self, params, x):
        steps, start = self._steps(x), jnp.zeros(self.n_states)
        states = [
            self._unroll(cell, inputs, start)
            for cell, inputs in zip(
                params["encoder"]["cells"], (steps, steps[::-1]), strict=False
            )
        ]
        read = jnp.concatenate([s[-1] for s in states] + [s.mean(axis=0) for s in states])
        return apply_layers(params["encoder"]["trunk"], read, self.activation)

    def decode(self, params, z, mask, linear):
        layers = params["decoder"]
        out = apply_layers(layers["trunk"], self.read(z, mask), self.activation)
        start, given = jnp.tanh(out[: self.n_states]), out[self.n_states :]
        inputs = jnp.concatenate([layers["places"] + given, self._steps(linear)], axis=-1)
        states = self._unroll(layers["cell"], inputs, start)
        series = apply_layers(layers["output"], states, self.activation)
        series = series.reshape(-1, self.grid.n_channels)[: self.grid.sizes[0]]
        return self.grid.join(series)

    def _steps(self, x):
        """Return one sample's values and missing indicators as inputs (n_steps, n)."""
        series = jnp.concatenate(self.grid.split(x), axis=-1)
        rest = self.n_steps * self.step_size - len(series)
        return jnp.pad(series, ((0, rest), (0, 0))).reshape(self.n_steps, -1)

    def _unroll(self, cell, inputs, start):
        """Return the outputs (n_steps, units) of a ``cell`` on ``inputs`` (n_steps, n)."""
        step = {"gru": _gru, "lstm": _lstm}[self.cell]
        projected = inputs @ cell["kernel"] + cell["bias"]
        _, outputs = jax.lax.scan(lambda s, x: step(cell["memory"], s, x), start, projected)
        return outputs


def _gru(memory, state, x):
    """Return the next state (n,) and the output; ``x`` (3 n,) is a step's projected input."""
    n = len(state)
    past = state @ memory
    keep, reset = jnp.split(jax.nn.sigmoid(x[: 2 * n] + past[: 2 * n]), 2)
    new = jnp.tanh(x[2 * n :] + reset * past[2 * n :])
    state = keep * state + (1 - keep) * new
    return state, state


def _lstm(memory, state, x):
    """Return the next state (2 n,), output and memory cell, and the output (n,)."""
    out, kept = jnp.split(state, 2)
    write, keep, show, new = jnp.split(x + out @ memory, 4)
    kept = jax.nn.sigmoid(keep) * kept + jax.nn.sigmoid(write) * jnp.tanh(new)
    out = jax.nn.sigmoid(show) * jnp.tanh(kept)
    return jnp.concatenate([out, kept]), out
