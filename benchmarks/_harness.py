"""What all benchmarks share: the command line, records, tables and verdicts.

A benchmark says what its data and models are, what it measures and what is asked::

    run = Run(__doc__, "Title", arguments, sets=["digits"], seeds=[0])
    table = Table({"set": "<10", "seed": "4", "ratio": "7.3f"})
    for record in run.measured(crossed(set=run.sets, seed=run.seeds), measure):
        table.record(record)
"""

import argparse
import json
import os
import platform
import re
from importlib.metadata import version
from itertools import product
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"
SPLIT = "70 % of the samples to train, 30 % to test, by group if the set has groups"
FURTHER = {"json": Path, "resume": False}  # options of every benchmark
HELP = {
    "json": "file for all records, written after each one",
    "resume": "keep what is in the file already",
    "seeds": "such as 0,1,2",
    "components": "such as 2,8,32",
    "repeats": "of timings",
    "picture": "draw it, into this file",
    "python": "interpreters that have the peers",
}


class DataMissing(Exception):
    """The package that carries a data set is not installed."""


class Run:
    """One run of a benchmark: its options as attributes, its head, its records.

    An option's default says what it holds: a list of names or numbers, a number, a switch
    (False), or a file (a Path) that is made if the option is there. A type, ``names`` or
    ``numbers`` stands for none. ``among`` names what values of an option may be, ``help``
    explains options, ``head`` is printed, and records of other ``conditions`` are not resumed.
    """

    def __init__(
        self,
        doc,
        title,
        arguments=None,
        *,
        among=(),
        help=(),
        head=(),
        conditions=(),
        **options,
    ):
        found = parse(doc, arguments, dict(among), HELP | dict(help), options | FURTHER)
        vars(self).update(vars(found))
        made = {"versions": versions(), "defaults": defaults(), **dict(conditions)}
        self.records = Records(self.json, made, resume=self.resume)
        self.left_out = set()
        given = {name: getattr(self, name) for name in options if getattr(self, name)}
        said = ", ".join(f"{name} {value}" for name, value in given.items())
        print(title, "versions: " + described(versions()), sep="\n")
        for name, value in {**dict(conditions), **dict(head), "options": said}.items():
            print(f"{name}: {described(value)}")
        print(flush=True)

    def measured(self, keys, measure, **others):
        """Yield the record of each key, kept or new; what is not installed is told once."""
        for key in keys:
            record = self.records.find(**key)
            if record is None:
                try:
                    record = {**key, **measure(**key, **others)}
                except DataMissing as reason:
                    self.leave_out(key.get("set", "left out"), reason)
                    continue
                self.records.add(record)
            yield record

    def leave_out(self, name, reason):
        """Say once why something cannot be measured."""
        if (line := f"{name}: left out, {reason}") not in self.left_out:
            print(line, flush=True)
        self.left_out.add(line)


def parse(doc, arguments, among, help, options):
    name = re.search(r"benchmarks\.\w+", doc)[0]
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(f"python -m {name}", description=doc, formatter_class=raw)
    for option, default in options.items():
        some = f"some of: {', '.join(among[option])}" if option in among else ""
        said = help.get(option, some).replace("%", "%%")
        flag = "--" + option.replace("_", "-")
        parser.add_argument(flag, help=said, **kind(default))
    found = parser.parse_args(arguments)
    if found.resume and found.json is None:
        parser.error("--resume needs --json FILE")
    for option, allowed in among.items():
        if unknown := [x for x in getattr(found, option) or () if x not in allowed]:
            parser.error(f"unknown {option}: {unknown}; there are {list(allowed)}")
    return found


def kind(default):
    if isinstance(default, bool):
        return {"action": "store_true"}
    if isinstance(default, list | tuple):
        read = names if all(isinstance(x, str) for x in default) else numbers
        return {**kind(read), "default": list(default)}
    if default in (names, numbers):
        return {"type": default, "nargs": "+", "action": Flattened}
    if isinstance(default, Path):
        return {"type": Path, "nargs": "?", "const": default}
    return (
        {"type": default} if callable(default) else {"type": type(default), "default": default}
    )


class Flattened(argparse.Action):
    """A list that may be given as "a,b" and as "a b"."""

    def __call__(self, parser, namespace, values, option_string=None):
        setattr(namespace, self.dest, [x for part in values for x in part])


def numbers(text):
    return [int(part) for part in text.split(",")]


def names(text):
    return [part.strip() for part in text.split(",")]


def crossed(**choices):
    """Yield a dict for each combination of values; the last name varies fastest."""
    for values in product(*choices.values()):
        yield dict(zip(choices, values, strict=True))


def versions():
    import skae  # here and below: a peer's interpreter may have none

    libraries = ("numpy", "scikit-learn", "jax", "optax")
    found = {library: version(library) for library in libraries}
    return {"python": platform.python_version(), **found, "skae": skae.__version__}


def defaults():
    from skae import AutoencoderTransformer

    return {name: repr(value) for name, value in AutoencoderTransformer().get_params().items()}


def described(value):
    return ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else value


class Records:
    """The records of a run, and the JSON file that holds them, written after each one."""

    def __init__(self, path, settings, *, resume=False):
        self.path, self.settings = path, json.loads(json.dumps(settings))
        self.rows = []
        if resume and path.exists():
            found = json.loads(path.read_text())
            if found["settings"] != self.settings:
                raise SystemExit(
                    f"{path} was made with other versions or parameters than those at hand. "
                    "Run without --resume to begin again, or name another file."
                )
            self.rows = found["records"]

    def find(self, **key):
        """Return the record with these entries, or None."""
        matches = (r for r in self.rows if all(r.get(k) == v for k, v in key.items()))
        return next(matches, None)

    def add(self, record):
        """Append a record and write the file, by way of a second one."""
        self.rows.append(record)
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            partial = self.path.with_name(self.path.name + ".partial")
            content = {"settings": self.settings, "records": self.rows}
            partial.write_text(json.dumps(content, indent=1) + "\n")
            os.replace(partial, self.path)


class Table:
    """Rows under headings, printed one at a time; ``columns`` maps headings to formats.

    A format is Python's, such as "<16" or "7.3f". None is printed as "-".
    """

    def __init__(self, columns):
        self.columns = columns
        self.row(*columns)
        print("-" * (sum(map(self.width, columns)) + 2 * (len(columns) - 1)), flush=True)

    def width(self, heading):
        """Return the width of a column."""
        return max(len(heading), int(re.search(r"\d+", self.columns[heading])[0]))

    def row(self, *values):
        """Print one row."""
        cells = []
        for (heading, form), value in zip(self.columns.items(), values, strict=True):
            if value is None or isinstance(value, str | tuple):
                cell = "-" if value is None else str(value)
            else:
                cell = format(value, form).strip()
            width = self.width(heading)
            cells.append(cell.ljust(width) if form.startswith("<") else cell.rjust(width))
        print("  ".join(cells).rstrip(), flush=True)

    def record(self, record):
        """Print the entries of a record that the headings name."""
        self.row(*(record.get(heading) for heading in self.columns))


def mean_of(records, name):
    return sum(record[name] for record in records) / len(records)


def grouped(records, *names):
    """Return {values of ``names``: records}, in the order in which they came."""
    groups = {}
    for record in records:
        groups.setdefault(tuple(record[name] for name in names), []).append(record)
    return groups


def holds(truth):
    return "holds" if truth else "DOES NOT HOLD"


def at_most(value, most):
    """Return what is asked of a value, and whether it holds."""
    return f"asked at most {most:g} -> {holds(value <= most)}"


def at_least(value, least):
    """Return what is asked of a value, and whether it holds."""
    return f"asked at least {least:g} -> {holds(value >= least)}"
