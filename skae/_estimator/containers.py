"""Samples that methods return: in the shape of fit's, or in the container of set_output."""

from typing import Any

from numpy.typing import NDArray
from sklearn import get_config


def in_container(estimator: Any, X: NDArray, codes: Any) -> Any:
    """Return samples ``X`` as set_output asks, with fit's names and the index of ``codes``.

    They get the shape of the samples that fit got.
    """
    if not estimator._fitted.is_table:
        return X.reshape(len(X), *estimator.sample_shape_)
    config = getattr(estimator, "_sklearn_output_config", {})
    container = config.get("transform", get_config()["transform_output"])
    if container == "default":
        return X
    names = getattr(estimator, "feature_names_in_", None)
    if names is None:
        names = [f"x{i}" for i in range(X.shape[1])]
    if container == "pandas":
        import pandas as pd

        index = codes.index if isinstance(codes, pd.DataFrame) else None
        return pd.DataFrame(X, columns=names, index=index)
    if container == "polars":
        import polars as pl

        return pl.DataFrame(X, schema=list(names), orient="row")
    return X
