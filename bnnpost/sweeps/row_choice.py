"""Which rows train and which test: shuffled by a seed, by number, by a column, or in two files.

The settings are num_train, num_test, split_seed; train_rows, test_rows; split_column; test_data.
"""

import re
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from bnnpost.arguments import shown
from bnnpost.datasets import DataError, Dataset
from bnnpost.settings import ConfigError
from bnnpost.sweeps.keys import SweepKeys

Places = npt.NDArray[np.int64]
_RANGE = re.compile(r"\s*(\d{1,15})\s*(?:-\s*(\d{1,15})\s*)?")
TRAIN, TEST = "train", "test"
# What each way of choosing says, so that it cannot be said again.
_SAYS = {
    "train_rows": ("num_train", "split_column", "test_data"),
    "test_rows": ("num_test", "split_column", "test_data"),
    "split_column": ("num_train", "num_test", "train_rows", "test_rows", "test_data"),
    "test_data": ("train_rows", "test_rows", "split_column"),
}
_NUMBER = 5


def way_overridden(values: Mapping[str, object], flags: Mapping[str, object]) -> dict[str, object]:
    """Settings of a file without those that flags say otherwise, of which rows train and test."""
    given = [name for name in flags if flags[name] is not None]
    said = {one for name in given for one in _SAYS.get(name, ())}
    said |= {way for way, says in _SAYS.items() if not {*says}.isdisjoint(given)}
    return {name: one for name, one in values.items() if name not in said}


def check_way(config: SweepKeys) -> None:
    """Raise ConfigError for ways that contradict each other; put in the numbers that none says."""
    chosen = {n for n in (*_SAYS, "num_train", "num_test") if getattr(config, n) is not None}
    for name in sorted(chosen & {*_SAYS}):
        for other in sorted(chosen & {*_SAYS[name]}):
            raise ConfigError(
                f"{name} and {other} both say which rows are used: leave one of them out"
            )
    for name in ("train_rows", "test_rows"):
        if getattr(config, name) is not None:
            ranges(name, getattr(config, name))
    for name, by in (("num_train", "train_rows"), ("num_test", "test_rows")):
        said = {by, "split_column", "test_data"} & chosen
        if getattr(config, name) is None and not said:
            object.__setattr__(config, name, _NUMBER)


def ranges(name: str, text: str) -> list[tuple[int, int]]:
    """First and last row of each part of "0-7,12". Raises ConfigError."""
    found = []
    for part in text.split(","):
        match = _RANGE.fullmatch(part)
        first, last = (0, -1) if match is None else (int(match[1]), int(match[2] or match[1]))
        if last < first:
            raise ConfigError(
                f'{name}: expected row numbers such as "0-7,12", the first row below the header '
                f"being 0, got {shown(text)}"
            )
        found.append((first, last))
    return found


def chosen_places(config: SweepKeys, table: Dataset) -> tuple[Places, Places]:
    """Places in a table of its training rows and of its test rows.

    Raises DataError where there are no such rows, or one is both.
    """
    if config.split_column is not None:
        return _by_column(config.split_column, table)
    if config.train_rows is None and config.test_rows is None:
        return table.places(config.num_train, config.num_test, config.split_seed)  # type: ignore[arg-type]
    named = {
        name: _by_numbers(name, text, table)
        for name, text in (("train_rows", config.train_rows), ("test_rows", config.test_rows))
        if text is not None
    }
    free = _others(table, *named.values(), seed=config.split_seed)
    train = named["train_rows"] if "train_rows" in named else _first(table, free, config.num_train)
    test = named["test_rows"] if "test_rows" in named else _first(table, free, config.num_test)
    both = np.intersect1d(train, test)
    if both.size:
        row = table.origin.numbers[both[0]]
        raise DataError(
            f"{table.name}: row {row} is both a training and a test row ({both.size:,} in all): "
            "expected rows that are one or the other"
        )
    return train, test


def some_places(table: Dataset, count: int | None, seed: int) -> Places:
    """All rows, in their order, or so many of them shuffled."""
    return np.arange(table.num_rows) if count is None else table.places(count, 0, seed)[0]


def _others(table: Dataset, *taken: Places, seed: int) -> Places:
    """The rows that are not taken, shuffled."""
    order = np.random.default_rng(seed).permutation(table.num_rows)
    return order[~np.isin(order, np.concatenate(taken))]


def _first(table: Dataset, free: Places, count: int | None) -> Places:
    assert count is not None  # which `check_way` has seen to
    if count > len(free):
        raise DataError(
            f"{table.name}: {count:,} more rows were asked for, but only {len(free):,} are left: "
            "name them, or ask for fewer with num_train or num_test"
        )
    return free[:count]


def _by_numbers(name: str, text: str, table: Dataset) -> Places:
    """Places of the rows with these numbers; those that were left out are not among them."""
    origin, found = table.origin, ranges(name, text)
    last = max(end for _, end in found)
    if last >= origin.num_rows:
        raise DataError(
            f"{table.name}: {name} has row {last}, but the rows are 0 to {origin.num_rows - 1} "
            "(0 is the first below the header)"
        )
    numbers = np.concatenate([np.arange(begin, end + 1) for begin, end in found])
    if len(np.unique(numbers)) < len(numbers):
        raise DataError(f"{table.name}: {name} has a row twice, in {shown(text)}")
    place = np.full(origin.num_rows, -1)
    place[origin.numbers] = np.arange(table.num_rows)
    places = place[numbers]
    if (places < 0).all():
        raise DataError(f"{table.name}: every row of {name} was left out for a missing cell")
    return places[places >= 0]


def _by_column(name: str, table: Dataset) -> tuple[Places, Places]:
    parts = np.array([one.strip().lower() for one in table.origin.parts])
    wrong = sorted({*parts.tolist()} - {TRAIN, TEST, ""})
    if wrong:
        raise DataError(
            f'{table.name}: column {name!r} has {wrong[0]!r}: expected "{TRAIN}" or "{TEST}" in '
            "each row, or nothing for rows that are not used"
        )
    train, test = np.flatnonzero(parts == TRAIN), np.flatnonzero(parts == TEST)
    for what, found in ((TRAIN, train), (TEST, test)):
        if not found.size:
            raise DataError(f'{table.name}: column {name!r} has "{what}" in no row that is used')
    return train, test


def said_rows(config: Mapping[str, object]) -> str:
    """Which rows a configuration asks for, in words, before its data are read."""
    parts = []
    for number, by, what in (("num_train", "train_rows", TRAIN), ("num_test", "test_rows", TEST)):
        if config.get(by) is not None:
            parts.append(f"rows {config[by]} {what}")
        elif config.get(number) is not None:
            parts.append(f"{config[number]:,} {'training' if what == TRAIN else 'test'} points")
    if config.get("split_column") is not None:
        parts.append(f"rows by column {config['split_column']}")
    if config.get("test_data") is not None:
        parts.append(f"test rows of {config['test_data']}")
    return ", ".join(parts) if any("row" in one for one in parts) else " and ".join(parts)
