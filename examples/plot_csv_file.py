"""
From a CSV file to a saved model
================================

Read a table with pandas, fit two components, draw them, and save the model. Only the path and
the names of columns belong to this file.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import pandas as pd
from sklearn.datasets import load_wine

import skae

# %%
# Read the file
# -------------
# These lines write a CSV file of 178 wines, so that this page needs no download. With a file of
# your own, leave them out and set ``path``.

folder = TemporaryDirectory()
path = Path(folder.name, "wines.csv")
wine = load_wine(as_frame=True)
wine.data.assign(grower=wine.target.map({0: "A", 1: "B", 2: "C"})).to_csv(path, index=False)

# %%
# pandas reads the file. The columns of numbers are what the model learns from.

table = pd.read_csv(path)
X = table.select_dtypes("number")
print(f"{len(X)} samples of {X.shape[1]} features: {', '.join(X.columns[:4])}, ...")

# %%
# Missing values may stay. Leave out numbers that only identify a row. If names and categories
# are to count, take :class:`skae.TableAutoencoder`.
#
# Fit
# ---
# The columns have different units. ``scaling="standard"`` gives each of them the same weight.
# Samples that are held out while fitting say how much two components explain.

ae = skae.AutoencoderTransformer(2, scaling="standard", random_state=0).fit(X)
print(f"variance explained by two components: {ae.explained_variance_ratio_.sum():.0%}")
print(f"by two components of PCA: {ae.pca_explained_variance_ratio_.sum():.0%}")

# %%
# Draw
# ----
# Each point is a row of the file. ``fit`` did not see the growers.

skae.CodesDisplay.from_estimator(ae, X, "grower " + table["grower"])
plt.show()

# %%
# Save
# ----
# The codes become two columns of a new file. The model goes to a file that holds no code, and
# :func:`skae.load` gives it back to the bit.

codes = pd.DataFrame(ae.transform(X), columns=["component 0", "component 1"])
codes.join(table["grower"]).to_csv(Path(folder.name, "codes.csv"), index=False)
skae.save(ae, Path(folder.name, "wines.safetensors"))

again = skae.load(Path(folder.name, "wines.safetensors"))
print(f"the loaded model gives the same codes: {(again.transform(X) == codes).all(axis=None)}")
folder.cleanup()
