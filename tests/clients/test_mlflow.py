"""MLflow: what its autolog sees of a fit, and what its default format keeps."""

import mlflow
import pytest
from sklearn.datasets import load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import AutoencoderOutlierDetector, AutoencoderTransformer
from skae.records import TYPES

SMALL = dict(hidden_layer_sizes=(8,), max_iter=2, batch_size=32, random_state=0)
X = load_iris().data


@pytest.fixture
def runs(tmp_path):
    """A function that returns the names of the estimators that autolog has logged."""
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/runs.sqlite")
    mlflow.set_experiment(experiment_id=None, experiment_name="skae")
    mlflow.sklearn.autolog(silent=True, log_models=False)

    def names():
        return mlflow.search_runs()["tags.estimator_name"].tolist() if any_run() else []

    def any_run():
        return len(mlflow.search_runs()) > 0

    yield names
    mlflow.sklearn.autolog(disable=True)


def test_no_part_of_a_fit_is_a_run(runs):
    """Autolog knows scikit-learn's own classes: a fit of ours alone is none of its runs."""
    model = AutoencoderTransformer(2, **SMALL).fit(X)
    model.sample(3)
    AutoencoderOutlierDetector(AutoencoderTransformer(2, **SMALL)).fit(X).predict(X)
    AutoencoderTransformer(2, **SMALL).partial_fit(X)
    assert runs() == []


def test_a_pipeline_is_one_run(runs):
    make_pipeline(StandardScaler(), AutoencoderTransformer(2, **SMALL)).fit(X)
    assert runs() == ["Pipeline"]
    (params,) = (
        mlflow.search_runs().filter(like="params.autoencodertransformer__").to_dict("records")
    )
    assert params["params.autoencodertransformer__max_iter"] == "2"


def test_a_model_is_logged_and_loaded(runs):
    """In MLflow's default format, skops, which asks what to trust."""
    model = AutoencoderTransformer(2, **SMALL).fit(X)
    with mlflow.start_run():
        logged = mlflow.sklearn.log_model(model, name="ae", skops_trusted_types=TYPES)
    again = mlflow.sklearn.load_model(logged.model_uri)
    assert (again.transform(X) == model.transform(X)).all()
