"""Fit, transform and print a digest: what test_determinism runs in processes of its own."""

import hashlib
import sys

from sklearn.datasets import load_iris

from skae import AutoencoderTransformer


def digest(n_components):
    X = load_iris().data
    estimator = AutoencoderTransformer(
        n_components, hidden_layer_sizes=(8,), max_iter=3, batch_size=32, random_state=0
    )
    Z = estimator.fit_transform(X)
    rebuilt = estimator.inverse_transform(Z)
    numbers = (Z, rebuilt, estimator.loss_curve_, estimator.explained_variance_ratio_)
    return hashlib.sha256(b"".join(part.tobytes() for part in numbers)).hexdigest()


if __name__ == "__main__":
    print(digest(int(sys.argv[1])))
