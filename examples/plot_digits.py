"""Digits: how much is explained, what comes back, and what each component does."""

from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib

matplotlib.use("Agg")  # no window: leave this line out to see one

from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skae import (
    AutoencoderTransformer,
    ExplainedVarianceDisplay,
    ReconstructionsDisplay,
    TrainingCurvesDisplay,
    TraversalsDisplay,
)

X_train, X_test = train_test_split(load_digits().data, test_size=0.3, random_state=0)
ae = AutoencoderTransformer(8, hidden_layer_sizes=(32,), max_iter=20, random_state=0)
ae.fit(X_train)

shape = {"sample_shape": (8, 8)}  # the images are rows of a table
displays = {
    "explained": ExplainedVarianceDisplay.from_estimator(ae, X_test),
    "training": TrainingCurvesDisplay.from_estimator(ae),
    "reconstructions": ReconstructionsDisplay.from_estimator(ae, X_test, **shape),
    "traversals": TraversalsDisplay.from_estimator(ae, X_train, **shape),
}
with TemporaryDirectory() as folder:
    for name, display in displays.items():
        display.figure_.savefig(Path(folder, f"{name}.png"))

curves = displays["explained"]
print("components  PCA   autoencoder")
for m, (pca, own) in enumerate(zip(curves.pca, curves.autoencoder, strict=True), 1):
    print(f"{m:10d}  {pca:.3f}  {own:.3f}")
