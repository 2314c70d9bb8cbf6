"""Images through eight numbers and back: convolutions beside a dense net and PCA."""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split

from skae import AutoencoderTransformer, ImageResizer
from skae.architectures import Conv2d

rows = load_digits().images.reshape(-1, 64) / 16.0
X_train, X_test = train_test_split(rows, test_size=0.3, random_state=0)
small = dict(hidden_layer_sizes=(32,), max_iter=25, cv=None, random_state=0)
conv2d = dict(architecture=Conv2d(channels=(8,)), sample_shape=(8, 8))
models = {
    "PCA": PCA(8),
    "dense": AutoencoderTransformer(8, **small),
    "conv2d": AutoencoderTransformer(8, **small, **conv2d),
}
rebuilt = {}
for name, model in models.items():
    rebuilt[name] = model.inverse_transform(model.fit(X_train).transform(X_test))

# Characters are taller than wide: the same digit with twice as many columns.
digits = np.stack([X_test[1], *(X[1] for X in rebuilt.values())]).clip(0, 1)
wide = ImageResizer(size=(8, 16)).fit_transform(digits.reshape(-1, 8, 8))
print("".join(f"{name:<18}" for name in ("held out", *rebuilt)))
for i in range(8):
    print("  ".join("".join(" .:*#"[round(4 * float(x))] for x in image[i]) for image in wide))

variance = np.square(X_test - X_train.mean(axis=0)).sum()
print("\nmodel   R2 of held-out images")
for name, X in rebuilt.items():
    print(f"{name:<6}  {1 - np.square(X_test - X).sum() / variance:.3f}")
