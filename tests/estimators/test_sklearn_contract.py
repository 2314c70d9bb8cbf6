"""scikit-learn's contract: every check it has, none failed, none skipped, one excused."""

import inspect
import warnings
from unittest import SkipTest

import pytest
from sklearn.base import clone
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks

import skae
from skae import (
    AutoencoderImputer,
    AutoencoderOutlierDetector,
    AutoencoderTransformer,
    TableAutoencoder,
    architectures,
    losses,
)

validate = pytest.importorskip(
    "numpydoc.validate", reason="numpydoc comes with the test extra"
).validate

SMALL = dict(hidden_layer_sizes=(4,), max_iter=2, batch_size=32, random_state=0)
# With everything random off and all rows in each batch, a weight is a repetition. One step:
# sums in another order differ by 1e-7 of what was learned, and the check allows 1e-9.
WHOLE = AutoencoderTransformer(
    **SMALL | {"batch_size": 1000, "max_iter": 1}, corruption=None, ordered=False, cv=None
)
IN_BATCHES = (
    "in batches a row of weight 2 is drawn once and a repeated row twice, with noise of "
    "its own each time; where all rows are in each batch without noise, the check passes"
)
EXCUSED = {
    "check_sample_weight_equivalence_on_dense_data": IN_BATCHES,
    "check_sample_weight_equivalence_on_sparse_data": IN_BATCHES,
}
ONE, TWO = AutoencoderTransformer(1, **SMALL), AutoencoderTransformer(**SMALL)
CONFIGURATIONS = {
    "default": TWO,
    "plain": AutoencoderTransformer(linear_path=None, **SMALL),
    "float": AutoencoderTransformer(n_components=0.9, **SMALL),
    "whole": WHOLE,
    "imputer": AutoencoderImputer(ONE, random_state=0),
    "indicator": AutoencoderImputer(TWO, add_indicator=True),
    "table": TableAutoencoder(TWO),
    "detector": AutoencoderOutlierDetector(ONE),
    "detector of two": AutoencoderOutlierDetector(TWO, random_state=0),
}
# scikit-learn runs these in its own test suite only.
FURTHER_CHECKS = ["check_dataframe_column_names_consistency", "check_param_validation"]
TRANSFORMER_CHECKS = [
    "check_transformer_get_feature_names_out",
    "check_transformer_get_feature_names_out_pandas",
    "check_get_feature_names_out_error",
    "check_set_output_transform",
    "check_set_output_transform_pandas",
    "check_global_output_transform_pandas",
    "check_set_output_transform_polars",
    "check_global_set_output_transform_polars",
]


def filterwarnings(test):
    """Let a test raise the warnings that checks and these configurations are made to raise."""
    for meant in (
        "n_components=0.9 asks for a share",  # of noise; "float" keeps all components then
        "2 components reconstruct 2 features exactly",  # "detector of two" on two columns
        "X has feature names, but",  # checks pass data frames to fits of arrays,
        "X does not have valid feature names",  # and arrays to fits of data frames
    ):
        test = pytest.mark.filterwarnings(f"ignore:{meant}:UserWarning")(test)
    return test


def run(check, *args):
    """Run a check, with a skip counted as a failure."""
    try:
        check(*args)
    except SkipTest as skip:
        pytest.fail(f"skipped: {skip}")


def excused(estimator):
    """If PCA is kept, the checks pass: these few steps make no clear gain."""
    return EXCUSED if getattr(estimator, "linear_path", "pca") is None else {}


@filterwarnings
@parametrize_with_checks(list(CONFIGURATIONS.values()), expected_failed_checks=excused)
def test_estimator_check(estimator, check):
    run(check, estimator)


@filterwarnings
@pytest.mark.parametrize("name", [*FURTHER_CHECKS, *TRANSFORMER_CHECKS])
@pytest.mark.parametrize("case", CONFIGURATIONS)
def test_further_check(case, name):
    estimator = CONFIGURATIONS[case]
    if name in FURTHER_CHECKS or hasattr(estimator, "transform"):
        run(getattr(estimator_checks, name), type(estimator).__name__, clone(estimator))


@pytest.mark.parametrize("case", sorted(set(CONFIGURATIONS) - {"table"}))
def test_no_check_is_left_out_by_a_tag(case):
    """The tags leave scikit-learn nothing to warn about, and as many checks as PCA's kind."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        names = [
            getattr(check, "func", check).__name__
            for _, check in estimator_checks_generator(CONFIGURATIONS[case])
        ]
    is_transformer = hasattr(CONFIGURATIONS[case], "transform")
    own = ["check_transformer_general"] if is_transformer else ["check_outliers_train"]
    assert len(names) >= (44 if hasattr(CONFIGURATIONS[case], "autoencoder") else 46)
    assert {"check_methods_subset_invariance", *own} <= set(names)


class RowsAsImages(architectures.Conv2d):
    """Images one pixel wide, of the rows of a table."""

    def _network(self, **sizes):
        return super()._network(**sizes | {"sample_shape": (*sizes["sample_shape"], 1)})


class RowsInTwo(architectures.Blocks):
    """Blocks of the first column of a table and of the others."""

    def _pairs(self):
        return self.blocks

    def _network(self, **sizes):
        d = sizes["sample_shape"][0]
        shapes = [(1,), (d - 1,)] if d > 1 else [(1,)]
        return architectures.Blocks([("dense", shape) for shape in shapes])._network(**sizes)


ARCHITECTURES = [
    architectures.Conv1d(channels=(2,), kernel_size=1),
    RowsAsImages(channels=(2,), kernel_size=1),
    architectures.Recurrent(units=2),
    RowsInTwo(()),
]
TEN_CHECKS = [
    "check_estimators_fit_returns_self",
    "check_estimators_pickle",
    "check_dict_unchanged",
    "check_fit2d_1feature",
    "check_fit2d_1sample",
    "check_fit_idempotent",
    "check_methods_sample_order_invariance",
    "check_methods_subset_invariance",
    "check_n_features_in",
    "check_transformer_general",
]


@pytest.mark.parametrize("name", TEN_CHECKS)
@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda a: type(a).__name__)
def test_ten_checks_of_architectures(architecture, name):
    """The full list for each of them would eat the tests' time."""
    estimator = AutoencoderTransformer(architecture=architecture, **SMALL)
    run(getattr(estimator_checks, name), type(estimator).__name__, estimator)


def public_objects():
    """Yield the dotted names of everything that a user may import, and of its methods."""
    for module in (skae, architectures, losses):
        for name in module.__all__:
            found = getattr(module, name)
            if not callable(found):
                continue
            yield f"{module.__name__}.{name}"
            own = (
                inspect.getmembers(found, inspect.isfunction) if inspect.isclass(found) else ()
            )
            for method, function in own:
                if function.__module__.startswith("skae") and not method.startswith("_"):
                    yield f"{module.__name__}.{name}.{method}"


IGNORED = {
    "GL01": "the summary stands on the line of the opening quotes, as ruff has it",
    "GL02": "a docstring of one line closes on that line",
    "GL08": "an __init__ that only assigns is described by its class",
    "RT02": "a returned value may be named, as scikit-learn does",
}
FOR_CLASSES_ONLY = {
    "ES01": "extended summary: one sentence often says all of a method",
    "EX01": "examples: the class shows its methods at work",
    "SA01": "see also: the class says what else there is",
}


@pytest.mark.parametrize("name", list(public_objects()))
def test_docstring_is_valid_numpydoc(name):
    found = validate(name)
    ignored = set(IGNORED)
    if found["type"] != "type":
        ignored |= set(FOR_CLASSES_ONLY)
    assert found["docstring"]
    assert [error for error in found["errors"] if error[0] not in ignored] == []
