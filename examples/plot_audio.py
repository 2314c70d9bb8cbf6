"""
Sounds through four numbers
===========================

Notes of a plucked string, of 128 values each, through codes of four numbers. A note depends on
its pitch and on the place of the plucking, but not linearly.
"""

import tempfile
import wave
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split

from skae import AutoencoderTransformer

# %%
# The notes are computed for an ideal string, since no package brings recordings.

RATE, LENGTH, K = 8000, 128, 4
rng = np.random.default_rng(0)
pitch = rng.uniform(200, 260, (600, 1, 1))  # Hz
place = rng.uniform(0.1, 0.5, (600, 1, 1))  # of the plucking, as a share of the string
harmonic, times = np.arange(1, 13)[:, None], np.arange(LENGTH) / RATE
partials = np.sin(np.pi * harmonic * place) / harmonic**2 * np.exp(-20 * harmonic * times)
notes = (partials * np.sin(2 * np.pi * harmonic * pitch * times)).sum(axis=1)
X_train, X_test = train_test_split(notes, test_size=0.3, random_state=0)

# %%
# The signal-to-noise ratio says how well test notes come back: 10 dB more is a tenth of the
# error. The autoencoder is fitted once. Its first components are codes, too.

ae = AutoencoderTransformer(K, hidden_layer_sizes=(64, 32), max_iter=60, random_state=0)
codes, pca = ae.fit(X_train).transform(X_test), PCA(K).fit(X_train)
counts = np.arange(1, K + 1)
back = {
    "PCA": [pca.transform(X_test)[:, :m] @ pca.components_[:m] + pca.mean_ for m in counts],
    "autoencoder": [ae.inverse_transform(codes[:, :m]) for m in counts],
}
styles = {
    "PCA": {"color": "#8c8c8c", "linestyle": "--"},
    "autoencoder": {"color": "#2b6cb0"},
}
fig, axes = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
axes[0].plot(1000 * times, X_test[0], color="#dd8b32", linewidth=4, alpha=0.5, label="note")
for name, style in styles.items():
    axes[0].plot(1000 * times, back[name][-1][0], **style, label=name)
    ratios = [np.square(X_test).sum() / np.square(X_test - X).sum() for X in back[name]]
    axes[1].plot(counts, 10 * np.log10(ratios), marker="o", **style, label=name)
    print(f"{name:12s}", *(f"{10 * np.log10(ratio):5.1f} dB" for ratio in ratios))
axes[0].set(xlabel="time (ms)", ylabel="sound pressure", title="a test note, four components")
axes[1].set(xlabel="components", xticks=counts, ylabel="signal-to-noise ratio (dB)")
axes[0].set_ylim(-1, 1.35)
axes[0].legend(frameon=False, ncols=3, loc="upper center")
axes[1].legend(frameon=False)
for ax in axes:
    ax.spines[["top", "right"]].set_visible(False)
plt.show()

# %%
# ``sample`` makes new notes. To hear them, name a folder of your own.

clip = ae.sample(64, random_state=0).ravel()  # 64 notes of 16 ms each
with tempfile.TemporaryDirectory() as folder:
    file = Path(folder, "drawn.wav")
    with wave.open(str(file), "wb") as record:
        record.setparams((1, 2, RATE, 0, "NONE", "not compressed"))
        record.writeframes((32000 * clip / np.abs(clip).max()).astype("<i2").tobytes())
    print(f"one second of new notes: {file.stat().st_size} bytes")
