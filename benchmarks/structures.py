"""Count what compiled programs hold: ``python -m benchmarks.structures``.

Each of 60 structures (columns, components, widths, batch size, a loss that is new) is fitted
once and used once. Linux gives a process 65,530 mappings of memory; their number levels off
when the least recently used programs go, and the first structure gives the same bits again.
"""

import argparse
import resource
import sys
import time

import numpy as np

from benchmarks._report import print_head
from skae import AutoencoderTransformer

N_STRUCTURES, N_ROWS, EVERY = 60, 60, 10
LIMIT = 65_530


def main(arguments=None):
    """Fit the structures, and print what the process holds after every tenth."""
    options = parse(arguments)
    print_head("Compiled programs of many structures in one process", rows=N_ROWS)
    first, begun, found = codes(0), time.perf_counter(), []
    print("structures  mappings  peak MB  seconds")
    for i in range(1, options.structures):
        codes(i)
        if (i + 1) % EVERY == 0 or i + 1 == options.structures:
            found.append(n_mappings())
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
            print(f"{i + 1:10d} {found[-1]:9d} {peak:8d} {time.perf_counter() - begun:8.1f}")
    print(f"the first one again: {'equal' if (codes(0) == first).all() else 'OTHER'} codes")
    print(f"{100 * found[-1] / LIMIT:.0f} % of the mappings that Linux allows")


def parse(arguments):
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--structures", type=int, default=N_STRUCTURES)
    return parser.parse_args(arguments)


def codes(i):
    """Return the codes of the i-th structure."""
    X = np.random.default_rng(i).normal(size=(N_ROWS, 3 + i % 7))
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


def n_mappings():
    """Return how many mappings of memory this process has; Linux only."""
    if sys.platform != "linux":
        raise SystemExit("Mappings are read from /proc, which Linux has.")
    with open("/proc/self/maps") as mappings:
        return sum(1 for _ in mappings)


if __name__ == "__main__":
    main()
