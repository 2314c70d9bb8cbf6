"""
A grid search over PCA and autoencoders
=======================================

The transformer takes PCA's place in a pipeline. A search over both shows what the codes are
worth to a classifier, for each number of components.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline

from skae import AutoencoderTransformer

X, y = load_digits(return_X_y=True)
X, y = X[:900], y[:900]

# %%
# A small net, few epochs and one part held out keep a search cheap. Candidates with similar
# numbers of components, and folds of one size, share a compiled program. Only the scores are
# needed here, so that nothing is fitted again at the end.

ae = AutoencoderTransformer(hidden_layer_sizes=(64,), max_iter=20, cv=0.2, random_state=0)
pipeline = Pipeline([("reduce", PCA()), ("classify", KNeighborsClassifier())])
grid = {"reduce": [PCA(random_state=0), ae], "reduce__n_components": [1, 2, 4, 6]}
search = GridSearchCV(pipeline, grid, cv=3, refit=False).fit(X, y)

# %%
# Bands are one standard deviation over the folds.

results = search.cv_results_
fig, ax = plt.subplots(figsize=(5.6, 3.8), layout="constrained")
for name, kind, style in (
    ("PCA", PCA, {"color": "#8c8c8c", "marker": "s", "linestyle": "--"}),
    ("autoencoder", AutoencoderTransformer, {"color": "#2b6cb0", "marker": "o"}),
):
    of = np.array([isinstance(reduce, kind) for reduce in results["param_reduce"]])
    k = results["param_reduce__n_components"][of].astype(int)
    mean, std = results["mean_test_score"][of], results["std_test_score"][of]
    ax.plot(k, mean, **style, label=name)
    ax.fill_between(k, mean - std, mean + std, color=style["color"], alpha=0.2, linewidth=0)
    print(f"{name:12s}", *(f"{m}: {score:.3f} " for m, score in zip(k, mean, strict=True)))
ax.set(xlabel="components", ylabel="accuracy of nearest neighbours\n(cross-validated)")
ax.spines[["top", "right"]].set_visible(False)
ax.legend(frameon=False)
plt.show()
print(f"best: {type(search.best_params_['reduce']).__name__}", end=", ")
print(f"{search.best_params_['reduce__n_components']} components: {search.best_score_:.3f}")
