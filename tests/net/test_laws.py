"""Laws that every entry of every dict passes from the day it is added."""

import doctest
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, clone
from sklearn.decomposition import PCA

from skae import architectures
from skae._data.rows import Rows
from skae._net.corruptions import CORRUPTIONS
from skae._net.objective import CODE_ACTIVATIONS, PENALTIES, Autoencoder, Objective
from skae._pca.axes import principal_axes
from skae._pca.path import pca_path
from skae._train.inputs import random_bits
from skae._train.optimizers import OPTIMIZERS, SCHEDULES, make_optimizer
from skae.architectures import ARCHITECTURES, Blocks, Conv1d, Conv2d, Dense, Recurrent
from skae.architectures._layers import ACTIVATIONS
from skae.architectures._padding import init_padded
from skae.losses._ranges import OUTPUT_ACTIVATIONS

for example in doctest.DocTestParser().get_examples(architectures.__doc__):
    if "fit" not in example.source:  # the architecture that the docstring shows
        exec(example.source)

D, K = 12, 3
SMALL = {  # an instance that compiles quickly, and the shape of its samples
    "dense": (Dense(), (D,)),
    "conv1d": (Conv1d(channels=(3, 2)), (6, 2)),
    "conv2d": (Conv2d(channels=(3,)), (3, 4)),
    "recurrent": (Recurrent(units=3), (6, 2)),
    "example": (Sines(n_waves=5), (D,)),  # noqa: F821
    "blocks": (Blocks([("dense", (6,)), (Conv1d(channels=(2,)), (6,))]), (D,)),
}


def network_of(name, *, activation="tanh", zero_start=True, k=K):
    architecture, shape = SMALL[name]
    return architecture.network(
        n_inputs=D,
        n_outputs=D,
        n_components=k,
        n_encoded=k,
        sample_shape=shape,
        hidden_layer_sizes=(6, 4),
        activation=activation,
        reads_mask=True,
        zero_start=zero_start,
    )


def perturbed(params, scale=0.3):
    """Weights of which none is zero, so that gradients have a way through."""
    rng = np.random.default_rng(0)
    return jax.tree.map(
        lambda leaf: leaf + scale * rng.normal(size=leaf.shape).astype(np.float32), params
    )


def rows(n=12):
    return np.random.default_rng(1).normal(size=(n, D)).astype(np.float32)


def path_of(x, activation=OUTPUT_ACTIVATIONS["identity"], k=K, in_columns=False):
    interval = None if activation.ends is None else np.tile([[0.0], [1.0]], D)
    settings = {
        "activation": activation,
        "clip": False,
        "interval": interval,
        "in_columns": in_columns,
    }
    return pca_path(Rows(x, np.ones(len(x))), principal_axes(Rows(x), D), k, **settings)


def gradient(network, activation="identity", corruption="gaussian", ordered=True, **choices):
    """Return the objective's gradient on one batch, at weights that are not zero."""
    activation, x = OUTPUT_ACTIVATIONS[activation], rows()
    if activation.ends is not None:
        x = np.abs(x) / np.abs(x).sum(axis=1, keepdims=True)
    path = path_of(x, activation, network.n_components, network.in_columns)
    autoencoder = Autoencoder(network, activation)
    objective = Objective(autoencoder, ordered=ordered, corruption=corruption, **choices)
    params = perturbed(network.init(np.random.default_rng(0)))
    inputs = x - path.mean if network.in_columns else (x - path.mean) @ path.basis
    bits, weight = random_bits(0, 0, 1, len(x))[0], np.ones(len(x), np.float32)
    batch = inputs, None if activation.in_axes else x, None, bits, weight
    traced = {"corruption_level": 0.1, "truncated_share": 0.3, **dict.fromkeys(PENALTIES, 0.5)}
    return jax.jit(jax.grad(objective.batch_loss))(params, path, traced, batch)


def assert_reaches_every_leaf(tree):
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        assert np.isfinite(leaf).all(), path
        assert np.abs(leaf).max() > 0, path


def test_every_architecture_is_under_the_law():
    assert {name: type(SMALL[name][0]) for name in ARCHITECTURES} == ARCHITECTURES


@pytest.mark.parametrize("name", SMALL)
class TestArchitectures:
    def test_holder_is_an_estimator(self, name):
        holder = SMALL[name][0]
        assert isinstance(holder, BaseEstimator)
        assert set(holder._parameter_constraints) == set(holder.get_params())
        assert repr(clone(holder).get_params()) == repr(holder.get_params())

    def test_record_is_static(self, name):
        """Equal records hash alike, so that a jit finds its program again."""
        one, two = network_of(name), network_of(name)
        assert one == two == pickle.loads(pickle.dumps(one))
        assert hash(one) == hash(two)
        assert one != network_of(name, k=K + 1)

    def test_shapes(self, name):
        network = network_of(name, zero_start=False)
        params = network.init(np.random.default_rng(0))
        assert set(params) == {"encoder", "decoder"}
        assert all(
            type(leaf) is np.ndarray and leaf.dtype == np.float32
            for leaf in jax.tree.leaves(params)
        )
        z = network.encode(params, rows()[0])
        out = network.decode(params, z, jnp.ones(K), jnp.zeros(D))
        assert z.shape == (K,) and out.shape == (D,)
        assert np.abs(z).max() > 0 and np.abs(out).max() > 0

    def test_padding_of_codes_changes_nothing(self, name):
        short, long = (network_of(name, zero_start=False, k=k) for k in (K, K + 4))
        expected = short.init(np.random.default_rng(0))
        params = init_padded(long, K, np.random.default_rng(0))
        z, padding = short.encode(expected, rows()[0]), np.zeros(4, np.float32)
        mask = jnp.ones(K).at[-1].set(0)
        code, present = (jnp.concatenate([part, padding]) for part in (z, mask))
        assert_array_equal(long.encode(params, rows()[0])[K:], padding)
        assert_allclose(long.encode(params, rows()[0])[:K], z, rtol=1e-5)
        out = short.decode(expected, z, mask, jnp.ones(D))
        assert_allclose(long.decode(params, code, present, jnp.ones(D)), out, atol=1e-5)

    def test_same_generator_same_weights(self, name):
        one, two, other = (
            jax.tree.leaves(network_of(name).init(np.random.default_rng(seed)))
            for seed in (0, 0, 1)
        )
        assert all(map(np.array_equal, one, two))
        assert not all(map(np.array_equal, one, other))

    @pytest.mark.parametrize("activation", ACTIVATIONS)
    def test_zero_start_is_the_zero_function(self, name, activation):
        network = network_of(name, activation=activation)
        params = network.init(np.random.default_rng(0))
        assert_array_equal(network.encode(params, rows()[0]), 0)
        assert_array_equal(network.decode(params, jnp.ones(K), jnp.ones(K), jnp.ones(D)), 0)

    def test_absent_components_do_not_matter(self, name):
        network = network_of(name)
        params = perturbed(network.init(np.random.default_rng(0)))
        mask = jnp.array([1.0, 0.0, 0.0])
        one = network.decode(params, jnp.array([1.0, 2.0, 3.0]), mask, jnp.ones(D))
        two = network.decode(params, jnp.array([1.0, -5.0, 8.0]), mask, jnp.ones(D))
        full = network.decode(params, jnp.array([1.0, 0.0, 0.0]), jnp.ones(K), jnp.ones(D))
        assert_array_equal(one, two)
        assert not np.array_equal(one, full)  # the mask tells missing from zero

    def test_gradient_reaches_every_weight(self, name):
        assert_reaches_every_leaf(gradient(network_of(name)))

    def test_rows_are_independent(self, name, quick):
        architecture, shape = SMALL[name]
        X = rows(70).reshape(70, *shape)
        estimator = quick(architecture=architecture, cv=None).fit(X)
        other = X.copy()
        other[3] = 100.0
        Z, Z_other = estimator.transform(X), estimator.transform(other)
        kept = np.arange(len(X)) != 3
        assert_array_equal(Z_other[kept], Z[kept])
        assert not np.array_equal(Z_other[3], Z[3])
        assert_array_equal(estimator.transform(X[5:6]), Z[5:6])

    def test_pickle_and_go_on(self, name, quick, compiled, filed):
        """By the programs that are there, as do other numbers and other rows."""
        architecture, shape = SMALL[name]
        X = rows(40).reshape(40, *shape)
        estimator = quick(architecture=architecture, warm_start=True).fit(X)
        Z = estimator.transform(X)
        compiled.clear()
        copies = [pickle.loads(pickle.dumps(estimator))]
        if name == "example":
            with pytest.raises(ValueError, match="architecture is an object of the class"):
                filed(estimator)
        else:
            copies.append(filed(estimator))
            assert_array_equal(copies[1].transform(X), Z)
        codes = estimator.fit(X).transform(X)
        for again in copies:
            assert_array_equal(again.fit(X).transform(X), codes)
        other = quick(architecture=architecture, learning_rate=2e-3, random_state=1)
        assert not np.array_equal(other.fit(X[:38]).transform(X), Z)
        assert compiled == []

    def test_begins_at_pca(self, name, quick):
        """Where nothing is learned the whole is PCA, whatever the outputs are."""
        architecture, shape = SMALL[name]
        X = rows(40)
        pca = PCA(K).fit(X)
        estimator = quick(
            architecture=architecture, n_components=K, learning_rate=1e-12, max_iter=1, cv=None
        ).fit(X.reshape(40, *shape))
        Z = estimator.transform(X)
        assert_allclose(Z, pca.transform(X), atol=1e-5)
        back = estimator.inverse_transform(Z)
        assert back.shape == (40, *shape)
        assert_allclose(back.reshape(40, D), pca.inverse_transform(Z), atol=1e-5)

    def test_missing_cells(self, name, quick):
        """They are marked in their places, filled, and told from zeros."""
        architecture, shape = SMALL[name]
        X = rows(40).reshape(40, *shape)
        X[::3, 1] = np.nan
        estimator = quick(architecture=architecture, n_components=K).fit(X)
        filled = estimator.impute(X)
        assert filled.shape == X.shape and np.isfinite(filled).all()
        assert_array_equal(filled[1::3], X[1::3])

    def test_a_plain_net_learns(self, name, quick):
        """Without PCA; the loss falls by half on rows along one line."""
        architecture, shape = SMALL[name]
        X = np.outer(rows(40)[:, 0], np.linspace(1, 2, D)).reshape(40, *shape)
        settings = {"linear_path": None, "cv": None, "max_iter": 60, "learning_rate": 1e-2}
        estimator = quick(architecture=architecture, n_components=1, **settings).fit(X)
        assert estimator.loss_curve_[-1] < 0.5 * estimator.loss_curve_[0]


@pytest.mark.parametrize("activation", OUTPUT_ACTIVATIONS)
def test_gradient_reaches_every_weight_through_output_activations(activation):
    assert_reaches_every_leaf(gradient(network_of("dense"), activation))


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation(name):
    """Elementwise, finite far out, and it lets every weight learn."""
    function = ACTIVATIONS[name]
    x = jnp.array([-1e4, -3.0, -0.5, 0.0, 0.5, 3.0, 1e4])
    assert_array_equal(function(x)[1:], function(x[1:]))
    assert np.isfinite(function(x)).all()
    assert np.isfinite(jax.vmap(jax.grad(function))(x)).all()
    assert_reaches_every_leaf(gradient(network_of("dense", activation=name)))


@pytest.mark.parametrize("name", CODE_ACTIVATIONS)
def test_code_activation(name):
    x = jnp.array([-1e4, -0.5, 0.0, 0.5, 1e4])
    assert np.isfinite(CODE_ACTIVATIONS[name](x)).all()
    assert np.isfinite(jax.jacobian(CODE_ACTIVATIONS[name])(x)).all()


@pytest.mark.parametrize("name", PENALTIES)
def test_penalty_has_a_gradient(name):
    assert_reaches_every_leaf(gradient(network_of("dense"), penalties=(name,)))
    free = jax.tree.leaves(gradient(network_of("dense")))
    penalised = jax.tree.leaves(gradient(network_of("dense"), penalties=(name,)))
    assert not all(map(np.allclose, free, penalised))


@pytest.mark.parametrize("name", CORRUPTIONS)
class TestCorruptions:
    def test_level_zero_is_the_identity(self, name):
        x = rows()[0]
        assert_array_equal(CORRUPTIONS[name](jax.random.key(0), x, 0.0, path_of(rows())), x)

    def test_noise_comes_from_the_key_alone(self, name):
        x, corrupt = rows()[0], CORRUPTIONS[name]
        one, two, other = (
            corrupt(jax.random.key(seed), x, 0.5, path_of(rows())) for seed in (0, 0, 1)
        )
        assert one.shape == x.shape and one.dtype == x.dtype
        assert_array_equal(one, two)
        assert not np.array_equal(one, other)

    def test_level_is_traced(self, name):
        levels = jnp.array([0.0, 0.3])
        x = jnp.asarray(rows()[0])
        noisy = jax.vmap(lambda v: CORRUPTIONS[name](jax.random.key(0), x, v, path_of(rows())))(
            levels
        )
        assert_array_equal(noisy[0], x)

    def test_trains(self, name, quick, X):
        estimator = quick(corruption=name, cv=None).fit(X)
        assert np.isfinite(estimator.loss_curve_).all()

    def test_gradient_reaches_every_weight(self, name):
        assert_reaches_every_leaf(gradient(network_of("dense"), corruption=name))


def test_gaussian_noise_has_the_size_of_its_unit():
    keys = jax.random.split(jax.random.key(0), 4000)
    unit = jnp.array([0.1, 1.0, 3.0])
    path = path_of(rows())._replace(noise_scale=unit)
    noise = jax.vmap(lambda key: CORRUPTIONS["gaussian"](key, jnp.zeros(3), 0.5, path))(keys)
    # A standard deviation from 4000 draws has a standard error of 1.1 %.
    assert_allclose(noise.std(axis=0), 0.5 * unit, rtol=0.06)


@pytest.mark.parametrize("name", ["masking", "salt_and_pepper"])
def test_cells_are_hit_in_columns(name):
    """Of the columns that the inputs stand for a share is hit, the others stay."""
    x = rows()
    path, keys = path_of(x), jax.random.split(jax.random.key(0), 500)
    row = (x[0] + path.mean) / 2  # at no end of any range
    axes = (row - path.mean) @ path.basis
    found = jax.vmap(lambda key: CORRUPTIONS[name](key, axes, 0.3, path))(keys)
    found = np.asarray(found) @ path.basis.T + path.mean
    values = {"masking": [path.mean], "salt_and_pepper": [path.lower, path.upper]}[name]
    hits = [np.isclose(found, value, atol=1e-4) for value in values]
    stays = np.isclose(found, row, atol=1e-4)
    assert (np.any(hits, axis=0) | stays).all()
    assert abs((~stays).mean() - 0.3) < 0.04
    assert all((hit & ~stays).any(axis=0).all() for hit in hits)


PLAIN = dict(  # whole batches without noise: the loss has nothing to do but fall
    cv=None,
    corruption_level=0.0,
    ordered=False,
    batch_size=150,
    max_iter=30,
    output_activation="identity",
)


@pytest.mark.parametrize("name", OPTIMIZERS)
class TestOptimizers:
    # Muon treats matrices and vectors differently.
    params = {"kernel": np.float32([[2, -4, 1], [1, 3, -2]]), "bias": np.float32([2, -4])}

    def update(self, name, gradient, rate):
        params = jax.tree.map(jnp.asarray, self.params)
        optimizer = make_optimizer(name, rate, 0.5)
        return optimizer.update(
            gradient,
            optimizer.init(params),
            params,
            value=jnp.zeros(()),
            grad=gradient,
            value_fn=lambda params: 0.0 * params["bias"].sum(),
        )[0]

    def test_weight_decay_is_decoupled(self, name):
        """Without a gradient a step shrinks the weights by rate times decay, and no more."""
        update = self.update(name, jax.tree.map(jnp.zeros_like, self.params), 0.1)
        for leaf in self.params:  # schedule_free subtracts two weights: float32's 1e-7, twice
            assert_allclose(update[leaf], -0.1 * 0.5 * self.params[leaf], rtol=1e-5)

    def test_rate_zero_moves_nothing(self, name):
        if name == "lbfgs":
            pytest.skip("it searches the length of its steps itself")
        update = self.update(name, jax.tree.map(jnp.asarray, self.params), 0.0)
        for leaf in self.params:  # float32, as above
            assert_allclose(update[leaf], 0, atol=1e-6)

    def test_lowers_the_loss_and_takes_new_numbers(self, name, quick, X, compiled):
        curve = quick(optimizer=name, learning_rate=2e-3, **PLAIN).fit(X).loss_curve_
        assert curve[-1] < curve[0]
        compiled.clear()
        quick(optimizer=name, learning_rate=1e-3, weight_decay=0.0, **PLAIN).fit(X)
        assert compiled == []

    def test_pickle_and_go_on(self, name, quick, X):
        """A pickle names nothing of Optax's, and goes on to the very same weights."""
        estimator = quick(optimizer=name, warm_start=True, **PLAIN).fit(X)
        stream = pickle.dumps(estimator)
        assert b"optax" not in stream
        again = pickle.loads(stream).fit(X)
        assert_array_equal(again.transform(X), estimator.fit(X).transform(X))


@pytest.mark.parametrize("name", SCHEDULES)
class TestSchedules:
    @pytest.mark.parametrize("n_steps", [1, 2, 7, 1000])
    def test_factors(self, name, n_steps):
        """Up to a peak of about one and down again, never below zero."""
        factors = np.asarray(SCHEDULES[name](n_steps))
        assert factors.shape == (n_steps,) and factors.dtype == np.float64
        assert (factors >= 0).all() and (factors <= 1).all()
        peak = int(factors.argmax())
        assert factors[peak] > 0.99
        assert (np.diff(factors[: peak + 1]) >= 0).all() and (
            np.diff(factors[peak:]) <= 0
        ).all()

    def test_lowers_the_loss_without_a_new_program(self, name, quick, X, compiled):
        quick(**PLAIN).fit(X)
        compiled.clear()
        curve = quick(learning_rate_schedule=name, **PLAIN).fit(X).loss_curve_
        assert curve[-1] < curve[0]
        # What follows the loss remembers it, which is another program.
        assert compiled == (["jit(train_block)"] if name == "plateau" else [])


@pytest.mark.parametrize(
    "name, after",
    [("linear", 0.5), ("exponential", 0.1), ("cosine", 0.5), ("warmup", 1), ("constant", 1)],
)
def test_factor_halfway_down(name, after):
    """55 % of the steps are a tenth that rises and half of the fall."""
    assert_allclose(SCHEDULES[name](1000)[550], after)


def test_one_cycle_runs_from_a_25th_over_one_to_zero():
    factors = SCHEDULES["one_cycle"](1000)
    assert_allclose(factors[[0, 149, 299, 650, 999]], [0.04, 0.52, 1, 0.5, 0], atol=1e-4)


def in_range(X, activation):
    """Return rows that the activation's range holds."""
    if OUTPUT_ACTIVATIONS[activation].ends is None:
        return X
    shares = np.abs(X) + 0.1
    return shares / shares.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("name", OUTPUT_ACTIVATIONS)
def test_output_activation(name, quick, X):
    """Each reconstruction is finite and, if the range is known, inside it."""
    X = in_range(X, name)
    estimator = quick(output_activation=name, cv=None, learning_rate=1e-2).fit(X)
    rebuilt = estimator.inverse_transform(100 * estimator.transform(X))
    assert np.isfinite(rebuilt).all()
    lower, upper = OUTPUT_ACTIVATIONS[name].ends or (X.min(axis=0), X.max(axis=0))
    inside = (rebuilt >= lower) & (rebuilt <= upper)
    assert inside.all() == (name != "identity")
    if name == "softmax":
        assert_allclose(rebuilt.sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("name", OUTPUT_ACTIVATIONS)
def test_zero_correction_leaves_what_is_well_inside(name):
    """Far from the ends of its range, an activation without a correction is the identity."""
    activation, inside = OUTPUT_ACTIVATIONS[name], np.full((2, D), 1 / D)
    path = path_of(in_range(rows(), name), activation)._replace(margin=np.float32(0.01))
    assert_allclose(activation(path, inside, np.zeros((2, D))), inside, rtol=1e-5)
