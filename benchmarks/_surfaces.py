"""Surfaces of known dimension in noise: the smallest error that any code can have is known.

A code of k numbers describes a surface of k dimensions, and of the noise around it as much as
lies along the surface. What lies across it, about (d - k) times the noise's variance in each
row of d columns, is left by any code: the floor.
"""

from dataclasses import dataclass

import numpy as np
from sklearn.datasets import make_s_curve, make_swiss_roll


@dataclass(frozen=True)
class Surface:
    """A surface of ``n_components`` dimensions; ``points(n, rng)`` draws rows without noise."""

    name: str
    n_components: int
    n_features: int
    noise: float
    points: object

    @property
    def noise_dimensions(self):
        """How many dimensions of the noise lie across the surface."""
        return self.n_features - self.n_components

    @property
    def floor(self):
        """The squared error per row that a code of ``n_components`` cannot fall below."""
        return self.noise_dimensions * self.noise**2

    def samples(self, n, rng):
        """Return ``n`` points of the surface with noise (n, n_features)."""
        points = self.points(n, rng)
        return points + self.noise * rng.normal(size=points.shape)


def _map(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape)


def _orthonormal(seed, n_features, n_axes):
    return np.linalg.qr(_map(seed, n_features, n_axes))[0].T


def parabola(n, rng):
    t = rng.uniform(-1, 1, n)
    return np.c_[t, t**2]


def thin_parabola(n, rng):
    """Return the same in four columns, two of which are noise alone."""
    return np.c_[parabola(n, rng), np.zeros((n, 2))]


def helix(n, rng):
    t = rng.uniform(0, 4 * np.pi, n)
    return np.c_[np.cos(t), np.sin(t), t / 3]


def s_curve(n, rng):
    return make_s_curve(n, random_state=rng.integers(2**31))[0]


def swiss_roll(n, rng):
    return make_swiss_roll(n, random_state=rng.integers(2**31))[0]


def torus(n, rng):
    """Return points of a torus of the radii 3 and 1, mapped into ten columns."""
    a, b = rng.uniform(0, 2 * np.pi, (2, n))
    ring = 3 + np.cos(b)
    return np.c_[ring * np.cos(a), ring * np.sin(a), np.sin(b)] @ _map(0, 3, 10)


def smooth_map(n, rng):
    """Return a smooth map from three dimensions into thirty columns."""
    return np.tanh(rng.normal(size=(n, 3)) @ _map(1, 3, 20)) @ _map(2, 20, 30) / 4


def bent_plane(n, rng):
    """Return points of a plane in four columns that is bent along one of its directions."""
    z = rng.normal(size=(n, 2))
    return z @ _map(3, 2, 4) + 0.12 * z[:, :1] ** 2 @ _map(4, 1, 4)


def waves(n, rng):
    """Return points of a sheet with waves in both directions, turned into eight columns."""
    x, y = rng.uniform(-2, 2, (2, n))
    return np.c_[x, y, np.sin(2 * x) * np.cos(y)] @ _orthonormal(5, 8, 3)


SURFACES = [
    Surface("parabola", 1, 2, 0.05, parabola),
    Surface("thin parabola", 1, 4, 0.02, thin_parabola),
    Surface("helix", 1, 3, 0.05, helix),
    Surface("S-curve", 2, 3, 0.05, s_curve),
    Surface("swiss roll", 2, 3, 0.5, swiss_roll),
    Surface("torus", 2, 10, 0.3, torus),
    Surface("waves", 2, 8, 0.1, waves),
    Surface("bent plane", 2, 4, 0.1, bent_plane),
    Surface("smooth map", 3, 30, 0.05, smooth_map),
]
