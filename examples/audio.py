"""Plucked strings through short codes: PCA beside skae on notes that neither has heard.

The notes are computed (an ideal string), since no dependency brings recordings.
"""

import tempfile
import wave
from pathlib import Path

import numpy as np
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split

from skae import AutoencoderTransformer

RATE, LENGTH, K = 8000, 128, 4
rng = np.random.default_rng(0)
pitch = rng.uniform(200, 260, (600, 1, 1))  # Hz
place = rng.uniform(0.1, 0.5, (600, 1, 1))  # where the string is plucked
harmonic, times = np.arange(1, 13)[:, None], np.arange(LENGTH) / RATE
partials = np.sin(np.pi * harmonic * place) / harmonic**2 * np.exp(-20 * harmonic * times)
notes = (partials * np.sin(2 * np.pi * harmonic * pitch * times)).sum(axis=1)

X_train, X_test = train_test_split(notes, test_size=0.3, random_state=0)
ae = AutoencoderTransformer(K, hidden_layer_sizes=(64, 32), max_iter=60, random_state=0)
codes, pca = ae.fit(X_train).transform(X_test), PCA(K).fit(X_train)
print("components  PCA (dB)  skae (dB)")
for m in range(1, K + 1):
    linear = pca.transform(X_test)[:, :m] @ pca.components_[:m] + pca.mean_
    learned = ae.inverse_transform(codes[:, :m])
    noise = [np.square(X_test - rebuilt).sum() for rebuilt in (linear, learned)]
    print("{:10d}  {:8.2f}  {:9.2f}".format(m, *10 * np.log10(np.square(X_test).sum() / noise)))

clip = ae.sample(64, random_state=0).ravel()  # 64 new notes, 16 ms each
with tempfile.TemporaryDirectory() as folder:  # name a folder of your own to hear them
    file = Path(folder) / "drawn.wav"
    with wave.open(str(file), "wb") as record:
        record.setparams((1, 2, RATE, 0, "NONE", "not compressed"))
        record.writeframes((32000 * clip / np.abs(clip).max()).astype("<i2").tobytes())
    print(f"one second of notes that were drawn: {file.stat().st_size} bytes")
