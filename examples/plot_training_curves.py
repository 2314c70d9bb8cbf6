"""
Training curves: what was kept, and why
=======================================

Two fits, and their curves. The first one learns what PCA misses. The second one gets samples
that PCA describes as well as anything can, and the model stays PCA.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from skae import AutoencoderTransformer, TrainingCurvesDisplay

rng = np.random.default_rng(0)
flat = rng.normal(size=(600, 4)) @ rng.normal(size=(4, 20)) + rng.normal(size=(600, 20))
samples = {"digits": load_digits().data, "a plane with noise": flat}

# %%
# Both curves are errors over PCA's, so 1 is PCA. The held-out error decides what is kept: the
# best epoch if it is clearly below 1, and PCA otherwise. The net is then trained on all samples
# up to that epoch, and the orange curve is of this training. It counts noisy inputs and codes
# that are cut off, too.

fig, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
for ax, (name, X) in zip(axes, samples.items(), strict=True):
    ae = AutoencoderTransformer(4, random_state=0).fit(X)
    TrainingCurvesDisplay.from_estimator(ae, ax=ax)
    ax.set_title(name)
    print(f"{name}: kept {ae.selected_model_}, held-out error {ae.error_ratio_:.2f} of PCA's")
plt.show()

# %%
# The numbers are attributes: ``loss_curve_``, ``validation_curve_``, ``validation_epochs_`` and
# ``best_iter_``.

print(f"the last fit: {ae.n_iter_} epochs, {len(ae.validation_curve_)} checkpoints")
