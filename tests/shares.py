"""Shares of the slow tests that take alike long, so that a share is run with every change.

`make test-all` measures each file's slow tests and keeps the seconds in tests/slow_seconds.json.
"""

import json
from pathlib import Path

SECONDS = Path(__file__).with_name("slow_seconds.json")
UNKNOWN = 20.0  # of a file that was not measured yet


def measured(path=SECONDS):
    """Seconds of the slow tests of a file, by its name from tests/ on."""
    return json.loads(path.read_text(encoding="utf-8"))


def parse(text):
    """(3, 10), the third of ten shares, of "3/10"; ValueError for any other text."""
    try:
        number, of = map(int, text.split("/"))
    except ValueError:
        number = of = 0
    if not 1 <= number <= of:
        raise ValueError(f"expected a share such as 3/10, the third of ten, got {text!r}")
    return number, of


def in_parts(by_file, of, seconds):
    """Tests by the file, one by one where a file takes longer than a share; their seconds."""
    whole = sum(seconds.get(file, UNKNOWN) for file in by_file)
    parts, taken = {}, {}
    for file, tests in by_file.items():
        spent = seconds.get(file, UNKNOWN)
        if spent * of <= whole:
            parts[file], taken[file] = tests, spent
            continue
        for number, test in enumerate(tests):
            name = f"{file} {number:04d}"
            parts[name], taken[name] = [test], spent / len(tests)
    return parts, taken


def split(files, of, seconds):
    """`of` lists of files: each file, the longest first, goes to the list that is shortest yet."""
    lists = [[] for _ in range(of)]
    totals = [0.0] * of
    for file in sorted(files, key=lambda file: (-seconds.get(file, UNKNOWN), file)):
        shortest = totals.index(min(totals))
        lists[shortest].append(file)
        totals[shortest] += seconds.get(file, UNKNOWN)
    return lists


def keep(new, tests, path=SECONDS):
    """Replace the seconds of the files measured now; files that are gone from `tests` leave."""
    found = {**measured(path), **{file: round(taken, 1) for file, taken in new.items()}}
    held = {file: found[file] for file in sorted(found) if (tests / file).exists()}
    path.write_text(json.dumps(held, indent=0) + "\n", encoding="utf-8")
