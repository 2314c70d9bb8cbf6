"""The parts of the benchmarks that use skae's inner rooms still find them there."""

import numpy as np
import pytest

from benchmarks import _peers, inference, speed


@pytest.mark.parametrize("peer", ["skae", "sklearn"])
def test_peers_train_the_net_that_is_timed(peer):
    train = _peers.TRAINERS[peer]((6, 4, 2), 2048, threads=1)
    train(2)


def test_the_default_net_is_described_to_the_peers():
    plan = speed.default_plan(np.random.default_rng(0).normal(size=(60, 5)))
    assert plan["encoder"] == [5, 128, 128, 128, 128, 2]
    assert plan["decoder"] == [2, 128, 128, 128, 128, 5]
    assert plan["batch"] == 32 and plan["steps"] >= 4000


def test_the_tutorials_losses_are_in_the_same_unit():
    X = np.random.default_rng(0).uniform(size=(640, 6))
    net = _peers.TUTORIALS["skae"](6, 3, 0)
    net.fit(X)
    losses = net.losses(X)
    assert losses["fitted"] < X.var()
    np.testing.assert_allclose(losses["fitted"], losses["last epoch"], rtol=0.05)


def test_numpy_is_given_the_products_of_the_fitted_net(fitted, X):
    encode, decode = inference.products(fitted)
    codes = encode(X.astype(np.float32))
    assert codes.shape == fitted.transform(X).shape
    assert decode(codes).shape == X.shape
