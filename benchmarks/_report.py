"""What every benchmark prints and writes the same way: versions, tables, JSON files."""

import json
import os
import platform
from importlib.metadata import version
from pathlib import Path

import skae

SPLIT = "70 % of the rows to train, 30 % to test, by group where the set has groups"


def versions():
    """Return the versions of Python and of the libraries that decide the figures."""
    libraries = ("numpy", "scikit-learn", "jax", "optax")
    found = {library: version(library) for library in libraries}
    return {"python": platform.python_version(), **found, "skae": skae.__version__}


def print_head(title, **settings):
    """Print the title, the versions and the settings of a run."""
    print(title)
    print("versions: " + ", ".join(f"{k} {v}" for k, v in versions().items()))
    for name, value in settings.items():
        print(f"{name}: {value}")
    print(flush=True)


class Table:
    """Rows of text under headings, printed one at a time so that a long run shows progress.

    ``columns`` maps a heading to the width of its column; the first is aligned left.
    """

    def __init__(self, columns):
        self.widths = list(columns.values())
        self.row(*columns)
        print("-" * (sum(self.widths) + 2 * (len(self.widths) - 1)))

    def row(self, first, *others):
        """Print one row; numbers come formatted as text."""
        cells = [f"{first:<{self.widths[0]}}"]
        cells += [f"{x:>{w}}" for x, w in zip(others, self.widths[1:], strict=True)]
        print("  ".join(cells), flush=True)


class Records:
    """Records of finished cases and the JSON file that holds them, written after each one.

    ``settings`` says what made them; ``resume`` goes on from the file at ``path`` and refuses
    one that other settings made. Without a path nothing is written.
    """

    def __init__(self, path, settings, *, resume=False):
        self.path = None if path is None else Path(path)
        self.settings = json.loads(json.dumps(settings))
        self.rows = []
        if resume and self.path is not None and self.path.exists():
            self._read()

    def _read(self):
        found = json.loads(self.path.read_text())
        if found["settings"] != self.settings:
            raise SystemExit(
                f"{self.path} was made with other versions or parameters than those at hand. "
                "Run without --resume to begin anew, or name another file."
            )
        self.rows = found["records"]

    def find(self, **key):
        """Return the record with these entries, or None."""
        matches = (r for r in self.rows if all(r.get(k) == v for k, v in key.items()))
        return next(matches, None)

    def add(self, record, *, instead_of=None):
        """Append a record, and write the file anew by way of a second one."""
        self.rows = [row for row in self.rows if row is not instead_of] + [record]
        if self.path is None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_name(self.path.name + ".partial")
        content = {"settings": self.settings, "records": self.rows}
        partial.write_text(json.dumps(content, indent=1) + "\n")
        os.replace(partial, self.path)


def mean_of(records, name):
    """Return the mean of one entry over ``records``."""
    return sum(record[name] for record in records) / len(records)


def grouped(records, *names):
    """Return {values of ``names``: records}, in the order in which they came."""
    groups = {}
    for record in records:
        groups.setdefault(tuple(record[name] for name in names), []).append(record)
    return groups


def numbers(text):
    """Return the whole numbers of a list such as "0,1,2"."""
    return [int(part) for part in text.split(",")]


def names(text):
    """Return the names of a list such as "digits,wine"."""
    return [part.strip() for part in text.split(",")]
