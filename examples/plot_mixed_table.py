"""
Tables of numbers, categories and booleans
==========================================

One code for all columns of a table, whatever they hold, and a table of the same columns back.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_iris
from sklearn.model_selection import train_test_split

from skae import AutoencoderTransformer, TableAutoencoder

iris = load_iris(as_frame=True)
table = iris.data.set_axis(
    ["sepal length", "sepal width", "petal length", "petal width"], axis=1
)
table["species"] = iris.target_names[iris.target]
table["slim"] = table["petal length"] > 4 * table["petal width"]
train, test = train_test_split(table, test_size=0.3, random_state=0, stratify=iris.target)
print(test.head(3).to_string(index=False))

# %%
# The loss of each column is relative to that of guessing from its distribution. So all columns
# weigh the same. A DataFrame goes in, and a DataFrame comes out.

ae = AutoencoderTransformer(2, hidden_layer_sizes=(32,), max_iter=100)
ae = TableAutoencoder(ae, random_state=0).fit(train)
codes = ae.transform(test)
back = ae.inverse_transform(codes).set_index(test.index)

# %%
# Two numbers hold six columns. On the left is each test sample. On the right is how well the
# columns come back.

fig, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
for species, marker, color in zip(
    iris.target_names, "o^s", ("#2b6cb0", "#dd8b32", "#3a9c6f"), strict=True
):
    for slim in (False, True):
        of = ((test["species"] == species) & (test["slim"] == slim)).to_numpy()
        if of.any():
            label = f"{species}, slim" if slim else species
            face = "white" if slim else color
            style = {"marker": marker, "facecolor": face, "edgecolor": color}
            axes[0].scatter(*codes[of].T, s=26, **style, label=label)
axes[0].set(xlabel="component 0", ylabel="component 1")
axes[0].set_ylim(None, 3.2)
axes[0].legend(frameon=False, ncols=2, loc="upper left", handletextpad=0.1)

shares = {}
for name in table:
    if table[name].dtype == np.float64:
        shares[f"{name}\n(correlation)"] = np.corrcoef(back[name], test[name])[0, 1]
    else:
        shares[f"{name}\n(share right)"] = np.mean(back[name] == test[name])
bars = axes[1].barh(list(shares), shares.values(), color="#2b6cb0")
axes[1].bar_label(bars, fmt="%.2f", padding=-30, color="white")
axes[1].invert_yaxis()
axes[1].set_xticks([0, 0.5, 1])
for ax in axes:
    ax.spines[["top", "right"]].set_visible(False)
plt.show()

# %%
# Missing values of any column are filled from the others. Here it is the species.

guessed = ae.impute(test.assign(species=None))["species"].to_numpy()
print(f"species filled from the other columns: {np.mean(guessed == test['species']):.0%} right")

# %%
# New samples have the same columns.

print(ae.sample(4, random_state=0).round(1).to_string(index=False))
