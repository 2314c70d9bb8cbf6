"""Words through a short code and back: ``python -m benchmarks.text``.

The words of 20 Newsgroups, 70 % to train and 30 % that no training sample is equal to; letters
are one-hot tokens. Accuracy is the share of the letters of test words that come back in their
place. PCA acts on the same one-hot letters; its likeliest letter is taken at each place.
"""

from itertools import zip_longest

import numpy as np
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split

from benchmarks._cases import fit
from benchmarks._harness import Run, crossed, holds
from benchmarks.data import newsgroup_words
from skae import TokenEncoder

LEAST = 0.95  # accuracy asked for
N_DRAWN = 12  # words


def main(arguments=None):
    run = Run(
        *(__doc__, "Letters of unseen words that come back in their place", arguments),
        conditions={"split": "70 % of the words to train, 30 % to test", "loss": "categorical"},
        components=[32],
        architectures=["dense", "recurrent"],
        seeds=[0],
    )
    keys = crossed(seed=run.seeds, k=run.components, model=["PCA", *run.architectures])
    pca = {}
    for found in run.measured(keys, measure):
        key = found["k"], found["seed"]
        head = f"seed {found['seed']}, k={found['k']}, {found['model']}: "
        rest = f"whole words {found['words']:.4f}"
        if found["model"] == "PCA":
            pca[key] = found["letters"]
            print(f"{head}{pca[key]:.4f}, {rest}; {found['n_train']} words, tokens there and ")
            print(f"  back exact: {found['exact']}", flush=True)
            continue
        verdict = holds(found["letters"] >= LEAST and found["letters"] > pca[key])
        print(f"{head}{found['letters']:.4f} (asked {LEAST} and more than PCA) -> {verdict}")
        print(f"  {rest}; {found['fit']}; drawn: {found['drawn']}", flush=True)


def measure(seed, k, model):
    words = newsgroup_words()
    train, test = train_test_split(words, test_size=0.3, random_state=seed)
    encoder = TokenEncoder().fit(words)
    X_train, X_test = encoder.transform(train), encoder.transform(test)
    record = {"n_train": len(train)}
    if model == "PCA":
        X_train, X_test = (X.reshape(len(X), -1) for X in (X_train, X_test))
        fitted = PCA(k, svd_solver="full").fit(X_train)
        back = encoder.inverse_transform(encoder.transform(words)).tolist()
        record["exact"] = back == words
    else:
        settings = {"architecture": model, "loss": "categorical"}
        fitted, seconds = fit(X_train, k, seed, **settings)
        record["fit"] = f"fit {seconds:.0f} s, epochs {fitted.best_iter_}/{fitted.n_iter_}"
        drawn = encoder.inverse_transform(fitted.sample(N_DRAWN, random_state=seed))
        record["drawn"] = ", ".join(drawn)
    rebuilt = encoder.inverse_transform(fitted.inverse_transform(fitted.transform(X_test)))
    return record | {
        "letters": accuracy(test, rebuilt),
        "words": float(np.mean(rebuilt == test)),
    }


def accuracy(words, rebuilt):
    """Return the share of the letters of ``words`` that come back in their place."""
    pairs = zip(words, rebuilt, strict=True)
    hits = [[a == b for a, b in zip_longest(w, back[: len(w)])] for w, back in pairs]
    return float(np.concatenate(hits).mean())


if __name__ == "__main__":
    main()
