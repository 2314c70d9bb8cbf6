"""Fit cases on the devices there are, as one of several processes, and write what came out.

Arguments: cases, file, device, address of the first process, number of processes, own number.
"""

import sys
from ast import literal_eval

import jax
import numpy as np
from sklearn.datasets import load_iris

from skae import AutoencoderTransformer

SMALL = {"hidden_layer_sizes": (8,), "max_iter": 42, "batch_size": 32, "random_state": 0}


def fit(rank, device, *, missing=False, sample_weight=False, other_rows=False, **parameters):
    """Return what a fit on iris leaves: at 42 epochs of 5 batches 210 steps."""
    X, weight = load_iris().data, None
    if missing:
        X[::7, 1] = np.nan
    if other_rows:
        X = X + rank
    if sample_weight:
        weight = np.random.default_rng(0).uniform(0.5, 2, len(X))
    if "max_iter" in parameters and parameters["max_iter"] is None:
        parameters["max_iter"] = 1 + rank
    parameters = SMALL | {"cv": None} | parameters
    ae = AutoencoderTransformer(**parameters, device=device)
    try:
        ae.fit(X, sample_weight=weight)
    except ValueError as error:
        return {"error": str(error)}
    Z = ae.transform(X)
    return {
        "codes": Z,
        "back": ae.inverse_transform(Z),
        "losses": ae.loss_curve_,
        "curve": ae.validation_curve_,
        "best": ae.best_iter_,
        "n_steps": ae.n_iter_ * -(-len(X) // parameters["batch_size"]),
    }


def main(cases, file, device, address, n_processes, rank):
    """Fit and write; the number of devices stands beside the first case."""
    rank = int(rank)
    if int(n_processes) > 1:
        jax.distributed.initialize(address, int(n_processes), rank)
    found = {"0 n_devices": jax.device_count()}
    for i, case in enumerate(literal_eval(cases)):
        result = fit(rank, device, **case)
        found |= {f"{i} {name}": value for name, value in result.items()}
    np.savez(file, **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
