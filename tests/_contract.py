"""How scikit-learn's checks are run here, for every estimator alike."""

from unittest import SkipTest

import pytest

# scikit-learn runs these in its own test suite only.
TRANSFORMER_CHECKS = [
    "check_dataframe_column_names_consistency",
    "check_transformer_get_feature_names_out",
    "check_transformer_get_feature_names_out_pandas",
    "check_get_feature_names_out_error",
    "check_param_validation",
    "check_set_output_transform",
    "check_set_output_transform_pandas",
    "check_global_output_transform_pandas",
    "check_set_output_transform_polars",
    "check_global_set_output_transform_polars",
]


def run(check, *args):
    """Run a check, with a skip counted as a failure."""
    try:
        check(*args)
    except SkipTest as skip:
        pytest.fail(f"skipped: {skip}")
