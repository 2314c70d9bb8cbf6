"""
Series of different lengths
===========================

Pulse waves of 18 to 32 values, each as a code of four numbers. The codes hold the lengths, so
that each wave comes back with its own.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.pipeline import make_pipeline

from skae import AutoencoderTransformer, SeriesPadder
from skae.architectures import Conv1d

RATE = 30  # values a second
rng = np.random.default_rng(0)


def pulse_wave():
    """Return one pulse: two bumps of random heights and distance, cut off at a random time."""
    times = np.arange(rng.integers(18, 33)) / RATE
    first, second, gap = rng.uniform([0.7, 0.2, 0.22], [1.3, 0.6, 0.32])
    wave = first * np.exp(-(((times - 0.15) / 0.08) ** 2))
    wave += second * np.exp(-(((times - 0.15 - gap) / 0.09) ** 2))
    return wave + 0.01 * rng.normal(size=len(times))


train, test = [pulse_wave() for _ in range(300)], [pulse_wave() for _ in range(100)]

# %%
# :class:`skae.SeriesPadder` pads series to one length. What lies behind an end counts nowhere.
# Here convolutions read the series; ``architecture="recurrent"`` is another choice.

ae = AutoencoderTransformer(
    4,
    architecture=Conv1d(channels=(16,)),
    hidden_layer_sizes=(64,),
    max_iter=40,
    cv=0.2,
    random_state=0,
)
pipeline = make_pipeline(SeriesPadder(), ae).fit(train)
codes = pipeline.transform(test)
back = pipeline.inverse_transform(codes)

fig, axes = plt.subplots(
    2, 4, figsize=(8.4, 3.6), layout="constrained", sharex=True, sharey=True
)
for ax, wave, decoded in zip(axes.flat, test, back, strict=False):
    ax.plot(np.arange(len(wave)) / RATE, wave, color="#dd8b32", linewidth=4, alpha=0.5)
    ax.plot(np.arange(len(decoded)) / RATE, decoded, color="#2b6cb0", marker="o", markersize=3)
    ax.spines[["top", "right"]].set_visible(False)
axes[0, 0].legend(["test wave", "from its code"], frameon=False, loc="upper right", fontsize=8)
fig.supxlabel("time (s)")
fig.supylabel("pressure")
plt.show()

is_right = np.mean([len(a) == len(b) for a, b in zip(test, back, strict=True)])
errors = [np.square(a - b).mean() for a, b in zip(test, back, strict=True) if len(a) == len(b)]
print(f"codes of shape {codes.shape}, the right length for {is_right:.0%} of the waves")
print(f"root mean squared error {np.sqrt(np.mean(errors)):.3f}, the noise is 0.010")
