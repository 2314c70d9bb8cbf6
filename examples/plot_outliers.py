"""
Outliers: samples that come back badly
======================================

An autoencoder learns what samples have in common. Samples with a high reconstruction error do
not follow it. Here it finds sensors that report what does not go with the others.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.ensemble import IsolationForest
from sklearn.metrics import RocCurveDisplay
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import AutoencoderOutlierDetector, AutoencoderTransformer

rng = np.random.default_rng(0)


def readings(n_samples):
    """Return what eight sensors say of a machine with a load and a temperature."""
    load, heat = rng.uniform(size=(2, n_samples))
    sensors = [load, heat, load**2, np.sqrt(load) * heat, load * heat]
    sensors += [np.sin(3 * load), np.cos(3 * heat), np.exp(-2 * load) + heat]
    return np.column_stack(sensors) + rng.normal(scale=0.02, size=(n_samples, 8))


# %%
# Every fifth test sample has a fault: one of its sensors says what it said at another time.
# Each value by itself is normal.

X_train, X_test = readings(800), readings(400)
is_faulty = np.arange(400) % 5 == 0
broken = rng.integers(8, size=80)
X_test[is_faulty, broken] = readings(80)[np.arange(80), broken]

# %%
# Detect
# ------
# All detectors are fitted on samples without faults. The autoencoder's threshold comes from
# their errors. A fault that changes a value by less than the noise cannot be found.

detectors = {
    "autoencoder": AutoencoderOutlierDetector(random_state=0),
    "local outlier factor": LocalOutlierFactor(novelty=True),
    "isolation forest": IsolationForest(random_state=0),
}
scores = {}
for name, detector in detectors.items():
    model = make_pipeline(StandardScaler(), detector).fit(X_train)
    scores[name] = -model.score_samples(X_test)
errors, threshold = scores["autoencoder"], detectors["autoencoder"].threshold_

fig, axes = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
bins = np.geomspace(errors.min(), errors.max(), 40)
style = {"histtype": "stepfilled", "alpha": 0.7}
axes[0].hist(errors[~is_faulty], bins, **style, color="#2b6cb0", label="no fault")
axes[0].hist(errors[is_faulty], bins, **style, color="#dd8b32", label="fault")
axes[0].axvline(threshold, color="#333333", linestyle=":", label="threshold")
axes[0].set(xscale="log", xlabel="error / mean error of training samples", ylabel="samples")
lines = {"autoencoder": "-", "local outlier factor": "--", "isolation forest": ":"}
for (name, line), color in zip(lines.items(), ("#2b6cb0", "#333333", "#dd8b32"), strict=True):
    RocCurveDisplay.from_predictions(
        is_faulty,
        scores[name],
        name=name,
        ax=axes[1],
        curve_kwargs={"linestyle": line, "color": color},
    )
axes[1].set(xlabel="share of good samples flagged", ylabel="share of faults flagged")
for ax in axes:
    ax.legend(frameon=False)
    ax.spines[["top", "right"]].set_visible(False)
plt.show()

is_flagged = errors > threshold
print(f"flagged: {is_flagged[is_faulty].mean():.0%} of the faults", end=", ")
print(f"{is_flagged[~is_faulty].mean():.0%} of the good samples")

# %%
# Look at what stands out
# -----------------------
# Without labels, look at the samples with the highest errors. ``contamination`` sets the share
# to flag. These are the 20 digits with the highest errors of 1,797.

digits = load_digits()
detector = AutoencoderOutlierDetector(
    AutoencoderTransformer(8), contamination=20 / len(digits.data), random_state=0
).fit(digits.data)
odd = np.argsort(-detector.decision_scores_)[:20]
fig, axes = plt.subplots(2, 10, figsize=(7, 1.9), layout="constrained")
for ax, i in zip(axes.flat, odd, strict=True):
    ax.imshow(digits.images[i], cmap="gray_r")
    ax.set_title(digits.target[i], fontsize=9)
    ax.set_axis_off()
plt.show()
print(f"flagged: {detector.labels_.sum()} of {len(digits.data)} digits")
