"""
Words through a few numbers and back
====================================

Strings go in, and strings come out. With each further number of the code a word becomes
clearer.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS
from sklearn.model_selection import train_test_split

from skae import AutoencoderTransformer, TokenEncoder

words = sorted(word for word in ENGLISH_STOP_WORDS if len(word) <= 7)
train, test = train_test_split(words, test_size=0.2, random_state=0)

# %%
# :class:`skae.TokenEncoder` makes one-hot letters of words. ``loss="categorical"`` is the loss
# for them: the model says how likely each letter is.

encoder = TokenEncoder(length=7, handle_unknown="replace").fit(train)
ae = AutoencoderTransformer(
    16, loss="categorical", hidden_layer_sizes=(64,), max_iter=150, random_state=0
).fit(encoder.transform(train))


def back(some, m):
    """Return words from the first ``m`` numbers of their codes."""
    codes = ae.transform(encoder.transform(some))[:, :m]
    return encoder.inverse_transform(ae.inverse_transform(codes))


def letters_right(some, m):
    """Return the share of letters that come back in their places."""
    pairs = zip(some, back(some, m), strict=True)
    return np.mean([a == b for w, v in pairs for a, b in zip(w, v.ljust(7), strict=False)])


# %%
# Words that the model has learned from. Letters in their places are dark, others are orange.

counts, shown = (1, 2, 4, 8, 16), train[:12]
fig, ax = plt.subplots(figsize=(7.6, 4), layout="constrained")
columns = {"word": shown}
columns |= {f"{m} number{'s' * (m > 1)}": back(shown, m) for m in counts}
for j, (title, column) in enumerate(columns.items()):
    ax.text(9 * j, -1.2, title, fontsize=10, weight="bold")
    for i, (word, read) in enumerate(zip(shown, column, strict=True)):
        for at, letter in enumerate(read):
            right = word[at : at + 1] == letter
            color = "#333333" if right else "#d9722b"
            ax.text(9 * j + at, i, letter, family="monospace", fontsize=13, color=color)
ax.set(xlim=(-0.5, 9 * len(columns) - 1), ylim=(len(shown), -2))
ax.set_axis_off()
plt.show()

# %%
# There are few words to learn from, so words that the model has not seen come back less well.

for name, some in (("seen", train), ("unseen", test)):
    shares = [f"{m}: {letters_right(some, m):.0%}" for m in counts]
    print(f"letters right of {name} words, by numbers of the code: {', '.join(shares)}")

# %%
# ``sample`` draws words that nobody has written.

drawn = encoder.inverse_transform(ae.sample(8, random_state=0))
print(f"drawn: {', '.join(drawn)}")
