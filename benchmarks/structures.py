"""Count what compiled programs hold: ``python -m benchmarks.structures``.

Each of 60 structures (features, components, widths, batch size, a loss that is new) is fitted
once and used once. Linux gives a process 65,530 mappings of memory; their number levels off
when the least recently used programs go, and the first structure gives the same bits again.
"""

import resource
import sys
import time

import numpy as np

from benchmarks._harness import Run, Table
from skae import AutoencoderTransformer

N_SAMPLES, EVERY, LIMIT = 60, 10, 65_530


def main(arguments=None):
    title = "Compiled programs of many structures in one process"
    run = Run(__doc__, title, arguments, structures=60)
    if sys.platform != "linux":
        raise SystemExit("Mappings are read from /proc, which Linux has.")
    first, begun = codes(0), time.perf_counter()
    table = Table({"structures": "<10", "mappings": "8", "peak MB": "7", "seconds": "7.1f"})
    for i in range(1, run.structures):
        codes(i)
        if (i + 1) % EVERY == 0 or i + 1 == run.structures:
            with open("/proc/self/maps") as mappings:
                n_mappings = sum(1 for _ in mappings)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
            table.row(str(i + 1), n_mappings, peak, time.perf_counter() - begun)
    print(f"the first one again: {'equal' if (codes(0) == first).all() else 'OTHER'} codes")
    print(f"{100 * n_mappings / LIMIT:.0f} % of the mappings that Linux allows")


def codes(i):
    """Return the codes of the i-th structure."""
    X = np.random.default_rng(i).normal(size=(N_SAMPLES, 3 + i % 7))
    estimator = AutoencoderTransformer(
        1 + i % 3,
        hidden_layer_sizes=(4 + i % 11,),
        batch_size=(16, 32)[i % 2],
        loss="squared_error" if i % 4 else lambda target, output: (target - output) ** 4,
        max_iter=2,
        random_state=0,
    )
    Z = estimator.fit_transform(X)
    estimator.inverse_transform(Z)
    return Z


if __name__ == "__main__":
    main()
