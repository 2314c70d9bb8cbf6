"""One net, trained by several processes on one machine or on many.

Without arguments this starts two processes of itself. On a cluster, start it on every machine,
the first one's address and a free port of it first, then how many there are and which one this
is: ``python several_processes.py 10.0.0.1:9911 2 0`` there, ``... 2 1`` on the second.
"""

import socket
import subprocess
import sys

from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

DEADLINE = 600  # seconds, after which processes that wait for each other are killed


def train(address, n_processes, number):
    """Train together with the others; the fitted estimator is the same in each process."""
    import jax

    jax.distributed.initialize(address, int(n_processes), int(number))  # before any use of JAX
    from skae import AutoencoderTransformer

    X = load_digits().data  # the same rows in each process
    ae = AutoencoderTransformer(
        8, batch_size=256, max_iter=15, cv=None, random_state=0, device="all"
    ).fit(X)
    if jax.process_index() == 0:
        print(f"{jax.process_count()} processes, {jax.device_count()} devices")
        print(f"{ae.n_iter_} epochs, and PCA before the first of them")
        print(f"variance explained, PCA:  {PCA(8).fit(X).explained_variance_ratio_.sum():.3f}")
        print(f"variance explained, skae: {ae.score(X):.3f}", flush=True)


def start(n_processes=2):
    """Start processes on this machine; kill them hard, since they do not hear SIGTERM."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{listener.getsockname()[1]}"
    processes = [
        subprocess.Popen(
            [sys.executable, __file__, address, str(n_processes), str(number)],
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(n_processes)
    ]
    try:
        print(processes[0].communicate(timeout=DEADLINE)[0])
        if any(process.wait(DEADLINE) for process in processes):
            raise SystemExit("a process failed, see above")
    finally:
        for process in processes:
            process.kill()
            process.stdout.close()


if __name__ == "__main__":
    if len(sys.argv) == 4:
        train(*sys.argv[1:])
    else:
        start()
