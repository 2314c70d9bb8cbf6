"""Nets in PyTorch, and a plain loop that trains them; skae's architectures layer by layer.

Only an interpreter with torch imports this module.
"""

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F


class Half(nn.Module):
    """An encoder or decoder; with ``skip`` its output reads every hidden layer."""

    def __init__(self, sizes, activation=torch.relu, *, skip=False):
        super().__init__()
        *hidden, n_out = sizes
        self.activation, self.skip = activation, skip
        self.layers = nn.ModuleList(nn.Linear(*pair) for pair in pairwise(hidden))
        self.output = nn.Linear(sum(hidden[1:]) if skip else hidden[-1], n_out)

    def forward(self, x):
        seen = []
        for layer in self.layers:
            x = self.activation(layer(x))
            seen.append(x)
        return self.output(torch.cat(seen, dim=1) if self.skip else x)


def autoencoder(n_features, hidden, k):
    sizes = (n_features, *hidden, k)
    return nn.Sequential(Half(sizes), Half(sizes[::-1]))


def net_of(architecture, shape, sizes):
    if architecture == "dense":
        return autoencoder(sizes[0], sizes[1:-1], sizes[-1])
    if architecture in ("gru", "lstm"):
        return Recurrent(shape, architecture, 64, 4, *sizes[1:])
    channels = {"conv2d": (16, 32), "conv1d": (16, 32, 64, 64)}[architecture]
    return Conv(shape, channels, *sizes[1:])


def run_steps(net, optimizer, X, batch, n_steps):
    order = torch.empty(0, dtype=torch.long, device=X.device)
    for _ in range(n_steps):
        if len(order) == 0:
            order = torch.randperm(len(X), device=X.device)
        x, order = X[order[:batch]], order[batch:]
        optimizer.zero_grad(set_to_none=True)
        F.mse_loss(net(x), x).backward()
        optimizer.step()


class Conv(nn.Module):
    """Strided convolutions, a dense trunk, and stages that double and convolve."""

    def __init__(self, shape, channels, hidden, k):
        super().__init__()
        *self.grid, n_channels = shape
        conv = nn.Conv1d if len(self.grid) == 1 else nn.Conv2d
        self.channels, self.grids = channels, [tuple(self.grid)]
        for _ in channels:
            self.grids.append(tuple(-(-n // 2) for n in self.grids[-1]))
        n_flat = channels[-1] * torch.Size(self.grids[-1]).numel()
        down = zip((n_channels, *channels), channels, strict=False)
        up = zip(channels[::-1], channels[-2::-1], strict=False)
        self.down = nn.ModuleList(conv(*pair, 3, stride=2, padding=1) for pair in down)
        self.encoder = nn.Sequential(nn.Linear(n_flat, hidden), nn.ReLU(), nn.Linear(hidden, k))
        self.decoder = nn.Sequential(nn.Linear(k, hidden), nn.ReLU(), nn.Linear(hidden, n_flat))
        self.up = nn.ModuleList(conv(*pair, 3, padding=1) for pair in up)
        self.mixed = conv(channels[0], channels[0], 3, padding=1)
        self.output = conv(channels[0], n_channels, 3, padding=1)

    def forward(self, x):
        seen = x.reshape(len(x), *self.grid, -1).movedim(-1, 1)
        for layer in self.down:
            seen = torch.relu(layer(seen))
        out = self.decoder(self.encoder(seen.flatten(1)))
        out = out.reshape(len(x), self.channels[-1], *self.grids[-1])
        for layer, size in zip(self.up, self.grids[-2:0:-1], strict=True):
            out = layer(F.interpolate(torch.relu(out), size=size))
        out = torch.relu(self.mixed(torch.relu(out)))
        out = self.output(F.interpolate(out, size=tuple(self.grid)))
        return out.movedim(1, -1).flatten(1)


class Recurrent(nn.Module):
    """A cell in both directions, a dense trunk, and one that unrolls from the code."""

    def __init__(self, shape, cell, units, step_size, hidden, k):
        super().__init__()
        n_times, n_channels = shape
        self.n_steps, width, self.units = (
            -(-n_times // step_size),
            step_size * n_channels,
            units,
        )
        cells = {"gru": nn.GRU, "lstm": nn.LSTM}[cell]
        self.rest = self.n_steps * width - n_times * n_channels
        self.read = cells(width, units, batch_first=True, bidirectional=True)
        self.write = cells(units, units, batch_first=True)
        self.n_states = 2 if cell == "lstm" else 1
        n_seen = 4 * units
        self.encoder = nn.Sequential(nn.Linear(n_seen, hidden), nn.ReLU(), nn.Linear(hidden, k))
        n_out = (self.n_states + 1) * units
        self.decoder = nn.Sequential(nn.Linear(k, hidden), nn.ReLU(), nn.Linear(hidden, n_out))
        self.places = nn.Parameter(torch.randn(self.n_steps, units))
        self.output = nn.Linear(units, width)

    def forward(self, x):
        steps = F.pad(x, (0, self.rest)).reshape(len(x), self.n_steps, -1)
        states, _ = self.read(steps)
        ends = states[:, -1, : self.units], states[:, 0, self.units :]
        code = self.encoder(torch.cat([*ends, states.mean(dim=1)], dim=1))
        *start, given = self.decoder(code).split(self.units, dim=1)
        start = [torch.tanh(part)[None].contiguous() for part in start]
        start = start[0] if self.n_states == 1 else tuple(start)
        states, _ = self.write(self.places + given[:, None], start)
        out = self.output(states).flatten(1)
        return out[:, : x.shape[1]]
