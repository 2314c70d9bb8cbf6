"""An image and a word as one sample: each is filled from the other."""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skae import AutoencoderTransformer, Modality, MultimodalAutoencoder, TokenEncoder

NAMES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
digits = load_digits()
train, test = train_test_split(np.arange(len(digits.images)), test_size=0.3, random_state=0)


def samples(rows):
    """Return the parts of some samples."""
    return {"image": digits.images[rows], "word": [NAMES[i] for i in digits.target[rows]]}


modalities = {"image": "dense", "word": Modality(encoder=TokenEncoder())}
ae = AutoencoderTransformer(8, hidden_layer_sizes=(64,), max_iter=20)
ae = MultimodalAutoencoder(modalities, ae, random_state=0).fit(samples(train))

seen = samples(test)
words = ae.impute({"image": seen["image"]})["word"]
right = np.mean(words == np.array(seen["word"]))
print(f"words read off unseen images: {right:.0%} right, such as {', '.join(words[:8])}")
drawn = ae.impute({"word": ["three", "seven", "zero"]})["image"]
print("images of three, seven and zero:")
for lines in np.clip(drawn, 0, 16).swapaxes(0, 1):
    print("   ".join("".join(" .:-=+*#@"[int(v / 2)] for v in line) for line in lines))
