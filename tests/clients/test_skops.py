"""skops: every estimator, by public names alone, from a list to trust."""

import sys
from pathlib import Path

import pytest
import skops.io
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae.records import TYPES

sys.path.append(str(Path(__file__).parents[1] / "estimators"))
from test_contract import GIVEN, same


@pytest.mark.parametrize("name", GIVEN)
def test_every_estimator_is_kept_by_public_names(name):
    estimator, X, *_ = GIVEN[name]
    fitted = clone(estimator).fit(X)
    data = skops.io.dumps(fitted)
    assert set(skops.io.get_untrusted_types(data=data)) <= set(TYPES)
    same(skops.io.loads(data, trusted=TYPES), fitted, X)


def test_a_pipeline_is_kept():
    estimator, X, *_ = GIVEN["AutoencoderTransformer"]
    pipeline = make_pipeline(StandardScaler(), clone(estimator)).fit(X)
    again = skops.io.loads(skops.io.dumps(pipeline), trusted=TYPES)
    assert (again.transform(X) == pipeline.transform(X)).all()
