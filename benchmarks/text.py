"""Words through a short code and back: ``python -m benchmarks.text``.

The words of 20 Newsgroups, 70 % to train and 30 % that no training row is equal to; letters are
one-hot tokens. Accuracy is the share of the letters of test words that come back in their
place. PCA acts on the same one-hot letters; its likeliest letter is taken at each place.
"""

import argparse
from itertools import zip_longest

import numpy as np
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split

from benchmarks._cases import fit
from benchmarks._report import names, numbers, print_head
from benchmarks.data import DataMissing, newsgroup_words
from skae import TokenEncoder

LEAST = 0.95  # accuracy asked for
N_DRAWN = 12  # words


def main(arguments=None):
    """Run the benchmark that the command line asks for."""
    parser = argparse.ArgumentParser("benchmarks.text", description=__doc__)
    add = parser.add_argument
    add("--components", type=numbers, default=[32])
    add("--architectures", type=names, default=["dense", "recurrent"])
    add("--seeds", type=numbers, default=[0], help="such as 0,1,2")
    options = parser.parse_args(arguments)
    print_head(
        "Letters of unseen words that come back in their place",
        split="70 % of the words to train, 30 % to test",
        loss="categorical",
        seeds=options.seeds,
    )
    try:
        words = newsgroup_words()
    except DataMissing as reason:
        print(f"left out, {reason}")
        return
    for seed in options.seeds:
        train, test = train_test_split(words, test_size=0.3, random_state=seed)
        encoder = TokenEncoder().fit(words)
        exact = encoder.inverse_transform(encoder.transform(words)).tolist() == words
        print(f"seed {seed}: {len(train)} words, tokens there and back exact: {exact}")
        for k in options.components:
            compare(encoder, train, test, k, seed, options.architectures)


def compare(encoder, train, test, k, seed, architectures):
    """Print PCA's accuracy and that of each architecture, and words drawn from its codes."""
    X_train, X_test = encoder.transform(train), encoder.transform(test)
    flat = X_train.reshape(len(train), -1), X_test.reshape(len(test), -1)
    pca = PCA(k, svd_solver="full").fit(flat[0])
    rebuilt = encoder.inverse_transform(pca.inverse_transform(pca.transform(flat[1])))
    least = accuracy(test, rebuilt)
    print(f"  k={k}: PCA {least:.4f}, whole words {np.mean(rebuilt == test):.4f}", flush=True)
    for architecture in architectures:
        settings = {"architecture": architecture, "loss": "categorical"}
        model, seconds = fit(X_train, k, seed, **settings)
        rebuilt = encoder.inverse_transform(model.inverse_transform(model.transform(X_test)))
        found = accuracy(test, rebuilt)
        verdict = "holds" if found >= LEAST and found > least else "DOES NOT HOLD"
        print(
            f"  k={k}: {architecture} {found:.4f} (asked {LEAST}) -> {verdict}; whole words "
            f"{np.mean(rebuilt == test):.4f}; fit {seconds:.0f} s, epochs "
            f"{model.best_iter_}/{model.n_iter_}"
        )
        drawn = encoder.inverse_transform(model.sample(N_DRAWN, random_state=seed))
        print(f"    drawn: {', '.join(drawn)}", flush=True)


def accuracy(words, rebuilt):
    """Return the share of the letters of ``words`` that stand in ``rebuilt`` ones likewise."""
    pairs = zip(words, rebuilt, strict=True)
    hits = [[a == b for a, b in zip_longest(w, back[: len(w)])] for w, back in pairs]
    return np.concatenate(hits).mean()


if __name__ == "__main__":
    main()
