"""
Images and words as one sample
==============================

A sample has two parts, the image of a digit and its name. One code holds both, so that either
part can be filled from the other.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skae import AutoencoderTransformer, Modality, MultimodalAutoencoder, TokenEncoder

NAMES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
digits = load_digits()
train, test = train_test_split(np.arange(len(digits.images)), test_size=0.3, random_state=0)


def samples(rows):
    """Return both parts of some samples."""
    return {"image": digits.images[rows], "word": [NAMES[i] for i in digits.target[rows]]}


# %%
# Each part gets its own architecture, and words their encoder.

modalities = {"image": "dense", "word": Modality(encoder=TokenEncoder())}
ae = AutoencoderTransformer(8, hidden_layer_sizes=(64,), max_iter=20)
ae = MultimodalAutoencoder(modalities, ae, random_state=0).fit(samples(train))

# %%
# From words to images
# --------------------
# ``impute`` fills what is missing: here the images.

drawn = ae.impute({"word": NAMES})["image"]
fig, axes = plt.subplots(1, 10, figsize=(8, 1.3), layout="constrained")
for ax, image, name in zip(axes, drawn, NAMES, strict=True):
    ax.imshow(image, cmap="gray_r", vmin=0, vmax=16)
    ax.set_title(name, fontsize=11)
    ax.set_axis_off()
plt.show()

# %%
# From images to words
# --------------------
# Above each test image is the word that was read from it. The first two rows are the first test
# images. The last row are images whose word is wrong.

seen = samples(test)
words = ae.impute({"image": seen["image"]})["word"]
is_right = words == np.array(seen["word"])
print(f"{is_right.mean():.0%} of the words are right")

shown = [*range(20), *np.flatnonzero(~is_right)[:10]]
fig, axes = plt.subplots(3, 10, figsize=(8, 3.6), layout="constrained")
for ax, i in zip(axes.flat, shown, strict=True):
    ax.imshow(seen["image"][i], cmap="gray_r", vmin=0, vmax=16)
    ax.set_title(words[i], fontsize=11, color="#333333" if is_right[i] else "#c8601a")
    ax.set_axis_off()
plt.show()
# sphinx_gallery_thumbnail_number = 2
