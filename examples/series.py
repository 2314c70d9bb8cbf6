"""Series of different lengths: one code for all, and back to their own lengths.

Each digit is read line by line from the top, until its ink ends: series of 8 channels.
"""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from skae import AutoencoderTransformer, SeriesPadder
from skae.architectures import Recurrent

images = load_digits().images[:240, :, 1:7]
series = [image[: 8 - (image.sum(axis=1)[::-1] > 30).argmax()] for image in images]
train, test = train_test_split(series, test_size=0.3, random_state=0)

for name, architecture in (("dense", "dense"), ("recurrent", Recurrent(units=8))):
    ae = AutoencoderTransformer(
        8, architecture=architecture, hidden_layer_sizes=(32,), max_iter=8, random_state=0
    )
    pipeline = make_pipeline(SeriesPadder(), ae).fit(train)
    back = pipeline.inverse_transform(pipeline.transform(test))
    lengths = np.mean([len(a) == len(b) for a, b in zip(test, back, strict=True)])
    both = [(a[: len(b)], b[: len(a)]) for a, b in zip(test, back, strict=True)]
    left = sum(np.square(a - b).sum() for a, b in both)
    mean = np.mean([a.mean(axis=0) for a in train], axis=0)
    share = 1 - left / sum(np.square(a - mean).sum() for a, _ in both)
    print(
        f"{name}: {share:.1%} of the variance, the right length in {lengths:.0%} of the series"
    )
    print(f"  lengths {[len(x) for x in test[:8]]} come back as {[len(x) for x in back[:8]]}")
