"""
Save, load and deploy
=====================

A file that holds no code, and a graph that runs without JAX and scikit-learn. Both give the
codes that the estimator gives.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import numpy as np
import onnxruntime
import skl2onnx
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skae

X_train, X_test, y_train, y_test = train_test_split(
    *load_digits(return_X_y=True), test_size=0.3, random_state=0
)
ae = skae.AutoencoderTransformer(2, max_iter=0.5, random_state=0).fit(X_train)
codes = ae.transform(X_test)

# %%
# A file
# ------
# :func:`skae.save` writes arrays and plain text. :func:`skae.load` runs nothing of the file and
# refuses it if a single bit has changed. The loaded estimator is the same to the bit.

with TemporaryDirectory() as folder:
    path = Path(folder, "digits.safetensors")
    skae.save(ae, path)
    again = skae.load(path)
    is_equal = (again.transform(X_test) == codes).all()
    print(f"file: {path.stat().st_size / 1000:.0f} kB, equal codes: {is_equal}")

# %%
# A graph
# -------
# :func:`skae.to_onnx` writes the encoder, the decoder or both. ONNX Runtime runs it in Python,
# C++, Java, JavaScript and others.

graph = skae.to_onnx(ae, "encoder").SerializeToString()
session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
(by_graph,) = session.run(None, {"X": X_test})
difference = abs(by_graph - codes).max() / abs(codes).max()
print(f"graph: {len(graph) / 1000:.0f} kB, largest difference {difference:.0e} of the codes")

# %%
# The decoder's graph draws a map of the latent space: on the right is what the codes in a grid
# over the left picture stand for.

graph = skae.to_onnx(ae, "decoder").SerializeToString()
decoder = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
low, high = np.quantile(codes, [0.03, 0.97], axis=0)
steps = np.linspace(low, high, 9)
grid = np.stack(np.meshgrid(steps[:, 0], steps[::-1, 1]), axis=-1)
(images,) = decoder.run(None, {"codes": grid.reshape(-1, 2)})
tiles = np.pad(images.reshape(9, 9, 8, 8), [(0, 0), (0, 0), (1, 1), (1, 1)])
tiles = np.vstack([np.hstack(row) for row in tiles])

fig, axes = plt.subplots(1, 2, figsize=(9, 4.4), layout="constrained")
axes[0].scatter(*codes.T, s=36, facecolor="none", edgecolor="#2b6cb0", label="estimator")
axes[0].scatter(*by_graph.T, s=6, color="#dd8b32", label="ONNX Runtime")
axes[0].set(xlabel="component 0", ylabel="component 1")
axes[0].spines[["top", "right"]].set_visible(False)
axes[0].legend(frameon=False)
edges = [low[0], high[0], low[1], high[1]]
axes[1].imshow(tiles, cmap="gray_r", vmin=0, vmax=16, extent=edges, aspect="auto")
axes[1].set(xlabel="component 0", ylabel="component 1", title="drawn by the graph")
plt.show()

# %%
# A pipeline as one graph
# -----------------------
# Once its converter is registered, skl2onnx writes whole pipelines.

small = skae.AutoencoderTransformer(8, hidden_layer_sizes=(32,), max_iter=20, random_state=0)
pipeline = make_pipeline(StandardScaler(), small, LogisticRegression(max_iter=1000))
pipeline.fit(X_train, y_train)

skae.register_onnx_converter()
model = skl2onnx.to_onnx(pipeline, X_train[:1].astype(np.float32), options={"zipmap": False})
session = onnxruntime.InferenceSession(
    model.SerializeToString(), providers=["CPUExecutionProvider"]
)
labels, _ = session.run(None, {"X": X_test.astype(np.float32)})
print(f"the graph reads {np.mean(labels == y_test):.1%} of the test digits right", end=", ")
print(f"the pipeline {pipeline.score(X_test, y_test):.1%}")
