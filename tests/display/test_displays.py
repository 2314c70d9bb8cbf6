"""What displays draw: the data of their artists."""

import subprocess
import sys
from types import SimpleNamespace

import matplotlib
import numpy as np
import pytest
from matplotlib import pyplot as plt
from numpy.testing import assert_allclose, assert_array_equal

from skae import (
    CodesDisplay,
    ExplainedVarianceDisplay,
    LoadingsDisplay,
    ReconstructionsDisplay,
    TrainingCurvesDisplay,
    TraversalsDisplay,
    compare_reconstructions,
    component_loadings,
    component_traversals,
    explained_variance_curves,
)
from skae.display._draw import layout_of

matplotlib.use("Agg")  # without a screen

NAMES = ["sepal length", "sepal width", "petal length", "petal width"]
DRAWN = {
    "explained variance": ExplainedVarianceDisplay.from_estimator,
    "training curves": TrainingCurvesDisplay.from_estimator,
    "codes": CodesDisplay.from_estimator,
    "reconstructions": ReconstructionsDisplay.from_estimator,
    "traversals": TraversalsDisplay.from_estimator,
    "loadings": LoadingsDisplay.from_estimator,
}


@pytest.fixture(autouse=True)
def no_open_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def table(X):
    pd = pytest.importorskip("pandas", reason="pandas comes with the test extra")
    return pd.DataFrame(X, columns=NAMES)


@pytest.fixture(scope="module")
def fit(quick, table):
    return quick(cv=2).fit(table)


@pytest.fixture(scope="module")
def images(quick):
    """A fit of images (4, 3), and the images."""
    rows = np.random.default_rng(0).normal(size=(40, 4, 3))
    return quick(cv=None).fit(rows), rows


def labels_of(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


def test_importing_skae_does_not_import_matplotlib():
    code = "import sys, skae; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_without_matplotlib_the_extra_is_named(fit, table, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    for draw in DRAWN.values():
        with pytest.raises(ImportError, match=r"pip install 'skae\[display\]'"):
            draw(fit, table)


@pytest.mark.parametrize("name", DRAWN)
def test_plain_autoencoders_of_one_component_are_drawn_without_pca(quick, X, name):
    estimator = quick(n_components=1, linear_path=None, cv=None, max_iter=2).fit(X)
    display = DRAWN[name](estimator, X)
    display.figure_.canvas.draw()
    assert display.ax_.figure is display.figure_
    assert "pca" not in vars(display) or display.pca is None
    again = display.plot()
    assert again is display and len(plt.get_fignums()) == 2


@pytest.mark.parametrize("name", DRAWN)
def test_axes_may_be_given(fit, table, name):
    figure, axes = plt.subplots(1, 2)
    display = DRAWN[name](fit, table, ax=axes[1])
    assert display.figure_ is figure and plt.get_fignums() == [figure.number]
    figure.canvas.draw()


class TestExplainedVariance:
    def test_lines(self, fit, table):
        display = ExplainedVarianceDisplay.from_estimator(fit, table)
        curves = explained_variance_curves(fit, table)
        assert_array_equal(display.line_.get_xydata(), np.c_[[1, 2], curves.autoencoder])
        assert_array_equal(display.pca_line_.get_xydata(), np.c_[[1, 2], curves.pca])

    def test_components_that_reach_a_level(self):
        display = ExplainedVarianceDisplay(autoencoder=[0.7, 0.85, 0.92], pca=[0.5, 0.7, 0.8])
        assert display.plot().reached_ == {0.8: 2, 0.9: 3, 0.95: None}
        assert display.pca_reached_ == {0.8: 3, 0.9: None, 0.95: None}
        told = [text.get_text() for text in display.ax_.texts]
        assert told == ["80%: 2 (PCA 3)", "90%: 3 (PCA -)", "95%: - (PCA -)"]

    @pytest.mark.parametrize("given", [True, False])
    def test_the_axis_says_where_shares_come_from(self, fit, images, table, given):
        display = ExplainedVarianceDisplay.from_estimator(fit, table if given else None)
        told = "these samples" if given else "held-out samples"
        assert told in display.ax_.get_ylabel()
        display = ExplainedVarianceDisplay.from_estimator(images[0])
        assert "training samples" in display.ax_.get_ylabel()

    def test_streams_are_measured_on_their_latest_samples(self, quick, X):
        display = ExplainedVarianceDisplay.from_estimator(quick().partial_fit(X))
        assert "latest samples" in display.ax_.get_ylabel()


class TestTrainingCurves:
    def test_lines(self, fit):
        display = TrainingCurvesDisplay.from_estimator(fit)
        epochs = np.arange(1, len(fit.loss_curve_) + 1)
        assert_array_equal(display.loss_line_.get_xydata(), np.c_[epochs, fit.loss_curve_])
        measured = np.c_[fit.validation_epochs_, fit.validation_curve_]
        assert_array_equal(display.validation_line_.get_xydata(), measured)
        assert_array_equal(display.pca_line_.get_ydata(), [1, 1])
        assert_array_equal(display.kept_line_.get_xdata(), [fit.best_iter_] * 2)

    def test_nothing_held_out(self, images):
        assert TrainingCurvesDisplay.from_estimator(images[0]).validation_line_ is None


class TestCodes:
    def test_classes(self, fit, table):
        y = np.repeat(["a", "b", "c"], 50)
        display = CodesDisplay.from_estimator(fit, table, y, components=[1, 0])
        Z = fit.transform(table)
        for i, label in enumerate("abc"):
            assert display.scatters_[i].get_label() == label
            assert_array_equal(display.scatters_[i].get_offsets(), Z[y == label][:, [1, 0]])
        share = f"component 1 ({fit.explained_variance_ratio_[1]:.1%} of variance)"
        assert display.ax_.get_xlabel() == share

    def test_numbers_are_a_range_of_colours(self, fit, table):
        (scatter,) = CodesDisplay.from_estimator(fit, table, np.arange(150.0)).scatters_
        assert_array_equal(scatter.get_array(), np.arange(150))

    def test_one_component_is_a_strip_for_each_class(self, fit, table):
        y = np.repeat([1, 2, 3], 50)
        display = CodesDisplay.from_estimator(fit, table, y, components=[0])
        for i, scatter in enumerate(display.scatters_):
            x, height = scatter.get_offsets().T
            assert_array_equal(x, fit.transform(table)[y == i + 1, 0])
            assert np.abs(height - i).max() <= 0.35
        assert labels_of(display.ax_.yaxis) == ["1", "2", "3"]

    def test_arrows_point_where_features_change_most(self, fit, table):
        display = CodesDisplay.from_estimator(fit, table, n_arrows=2)
        loadings = component_loadings(fit, table).autoencoder
        longest = np.argsort(-np.linalg.norm(loadings, axis=0))[:2]
        assert [t.get_text() for t in display.ax_.texts if t.get_text()] == [
            NAMES[i] for i in longest
        ]
        for arrow, i in zip(display.arrows_, longest, strict=True):
            tip, middle = np.array(arrow.xyann), np.array(arrow.xy)
            direction = np.subtract(middle, tip)
            cosine = direction @ loadings[:, i] / np.linalg.norm(direction)
            assert abs(cosine) == pytest.approx(np.linalg.norm(loadings[:, i]), rel=1e-5)

    def test_classes_of_other_samples_are_refused(self, fit, table):
        with pytest.raises(ValueError, match="inconsistent numbers of samples"):
            CodesDisplay.from_estimator(fit, table, [0, 1])

    def test_more_than_two_components_are_refused(self, fit, table):
        with pytest.raises(ValueError, match="one or two components"):
            CodesDisplay.from_estimator(fit, table, components=[0, 1, 0])


class TestReconstructions:
    def test_bars_of_a_table(self, fit, table):
        display = ReconstructionsDisplay.from_estimator(fit, table, n_samples=2)
        found = compare_reconstructions(fit, table, n_samples=2)
        assert display.axes_.shape == (3, 2)
        names = {"samples": "samples", "PCA": "pca", "autoencoder": "autoencoder"}
        for name, rows in ((name, found[key]) for name, key in names.items()):
            widths = [[bar.get_width() for bar in bars] for bars in display.bars_[name]]
            assert_array_equal(widths, rows)
        assert labels_of(display.ax_.yaxis) == NAMES

    def test_of_many_features_those_that_vary_most(self):
        many = SimpleNamespace(sample_shape_=(40,), n_features_in_=40, architecture="dense")
        rows = {"samples": np.outer([1.0, 2.0], np.arange(40.0)), "PCA": np.zeros((2, 40))}
        display = ReconstructionsDisplay(rows=rows, layout=layout_of(many)).plot()
        assert_array_equal(display.shown_, np.arange(8, 40))
        widths = [bar.get_width() for bar in display.bars_["samples"][1]]
        assert_array_equal(widths, 2 * np.arange(8, 40))

    def test_lines_of_series(self, images):
        display = ReconstructionsDisplay.from_estimator(*images, n_samples=2, kind="series")
        lines = display.lines_["samples"][1]
        assert len(lines) == 3
        drawn = np.transpose([line.get_ydata() for line in lines])
        assert_array_equal(drawn, images[1][1])

    def test_images_in_one(self, images):
        display = ReconstructionsDisplay.from_estimator(*images, n_samples=2)
        drawn = display.image_.get_array().filled(np.nan)
        assert drawn.shape == (3 * 5 - 1, 2 * 4 - 1)
        assert_array_equal(drawn[:4, 4:], images[1][1])
        found = compare_reconstructions(*images, n_samples=1)
        assert_allclose(drawn[5:9, :3], found.pca[0].reshape(4, 3), atol=1e-12)
        assert_array_equal(drawn[10:, :3], found.autoencoder[0].reshape(4, 3))
        assert labels_of(display.ax_.yaxis) == ["samples", "PCA", "autoencoder"]


class TestTraversals:
    def test_features_of_a_table(self, fit, table):
        display = TraversalsDisplay.from_estimator(fit, table, n_steps=3)
        found = component_traversals(fit, table, n_steps=3)
        for values, rows, lines in zip(found.codes, found.samples, display.lines_, strict=True):
            assert sorted(line.get_label() for line in lines) == sorted(NAMES)
            for line in lines:
                drawn = rows[:, NAMES.index(line.get_label())]
                assert_array_equal(line.get_xydata(), np.c_[values, drawn])
        colors = [{line.get_label(): line.get_color() for line in of} for of in display.lines_]
        assert colors[0] == colors[1]

    def test_images(self, images):
        display = TraversalsDisplay.from_estimator(*images, n_steps=3)
        found = component_traversals(*images, n_steps=3).samples
        drawn = display.image_.get_array()
        assert drawn.shape == (2 * 5 - 1, 3 * 4 - 1)
        assert_array_equal(drawn[5:, 8:], found[1, 2].reshape(4, 3))

    def test_series(self, images):
        display = TraversalsDisplay.from_estimator(*images, n_steps=2, kind="series")
        assert [len(lines) for lines in display.lines_] == [6, 6]


class TestLoadings:
    def test_bars_of_a_table(self, fit, table):
        display = LoadingsDisplay.from_estimator(fit, table)
        found = component_loadings(fit, table)
        for drawn, rows in ((display.bars_, found.autoencoder), (display.pca_bars_, found.pca)):
            assert_array_equal([[bar.get_width() for bar in bars] for bars in drawn], rows)
        assert labels_of(display.ax_.yaxis) == NAMES

    def test_of_many_features_those_that_change_most(self):
        loadings = np.arange(30.0)[None] * [[1], [-1]]
        many = SimpleNamespace(sample_shape_=(30,), n_features_in_=30, architecture="dense")
        of = dict(pca=None, components=[0, 1], layout=layout_of(many))
        display = LoadingsDisplay(autoencoder=loadings, **of).plot()
        assert_array_equal(display.shown_, np.arange(10, 30))
        assert labels_of(display.ax_.yaxis)[0] == "x10"

    def test_images_and_series(self, images):
        found = component_loadings(*images)
        drawn = LoadingsDisplay.from_estimator(*images).image_.get_array()
        assert_array_equal(drawn[:4, 4:], found.pca[1].reshape(4, 3))
        assert_array_equal(drawn[5:, :3], found.autoencoder[0].reshape(4, 3))
        lines = LoadingsDisplay.from_estimator(*images, kind="series").lines_
        assert_array_equal(lines[1][2].get_ydata(), found.autoencoder[1].reshape(4, 3)[:, 2])


@pytest.mark.parametrize(
    ("architecture", "shape", "kind"),
    [
        ("dense", (12,), "table"),
        ("dense", (4, 3), "image"),
        ("conv2d", (2, 2, 3), "image"),
        ("conv1d", (12,), "series"),
        ("recurrent", (4, 3), "series"),
    ],
)
def test_how_samples_look(architecture, shape, kind):
    fit = SimpleNamespace(sample_shape_=shape, n_features_in_=12, architecture=architecture)
    assert layout_of(fit).kind == kind


def test_shapes_and_kinds_that_do_not_fit(fit, table):
    with pytest.raises(ValueError, match=r"sample_shape=\(3, 3\) does not hold the 4 features"):
        LoadingsDisplay.from_estimator(fit, table, sample_shape=(3, 3))
    with pytest.raises(ValueError, match="kind='image' does not go with samples of shape"):
        LoadingsDisplay.from_estimator(fit, table, kind="image")
    with pytest.raises(ValueError, match=r"needs 2 axes \(1 rows of 2\), got 3"):
        LoadingsDisplay.from_estimator(fit, table, ax=plt.subplots(3)[1])


def test_colours_of_images_are_shown_as_colours():
    from skae.display._draw import mosaic

    rows = np.arange(24.0).reshape(2, 12)
    assert mosaic([rows], (2, 2, 3)).shape == (2, 5, 3)
    assert_allclose(mosaic([rows], (2, 3, 2))[:, :3], rows[0].reshape(2, 3, 2).mean(axis=2))


def test_loadings_of_colours_are_grey_if_nothing_changes():
    colours = SimpleNamespace(sample_shape_=(2, 2, 3), n_features_in_=12, architecture="conv2d")
    loadings = np.zeros((1, 12))
    loadings[0, :2] = 4.0, -2.0
    of = dict(pca=None, components=[0], layout=layout_of(colours))
    drawn = LoadingsDisplay(autoencoder=loadings, **of).plot().image_.get_array()
    assert_allclose(drawn[0, 0], [1.0, 0.25, 0.5])
    assert_allclose(drawn[1], 0.5)
