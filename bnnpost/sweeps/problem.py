"""From a configuration to data and posteriors."""

import dataclasses
import functools
import json
import warnings
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from bnnpost import datasets
from bnnpost.arguments import listed
from bnnpost.datasets.column_scaling import ColumnScaling
from bnnpost.datasets.data_record import DataRecord, rows_of
from bnnpost.datasets.feature_cells import imputed
from bnnpost.datasets.shipped import CLASS_SHARE, digits_table
from bnnpost.likelihoods import Likelihood
from bnnpost.likelihoods.base import a_column_each
from bnnpost.networks.limiting import require_one_process
from bnnpost.numerics.random import key_of_seed
from bnnpost.posterior import Posterior
from bnnpost.samplers.cost import HopelessRun
from bnnpost.sweeps.config import SweepConfig
from bnnpost.sweeps.keys import in_full, is_file
from bnnpost.sweeps.row_choice import Places, chosen_places, some_places

_DIGITS = "digits"
# Folded into the key of a width.
_RESAMPLE = 0x72657361
# Settings of the columns of a file.
_OF_FILES = ("target", "features", "id_column", "split_column", "test_data")


class Keys(NamedTuple):
    """Keys at one width, each for a purpose of its own."""

    draws: jax.Array
    compare: jax.Array
    forecast: jax.Array
    resample: jax.Array


@dataclass(frozen=True)
class Problem:
    """The data of a sweep, and the posterior at each width.

    record: columns, units, levels and rows of the data; of arrays alone by default. Raises
    DataError where the likelihood does not take the targets.
    """

    config: SweepConfig
    x: Float[np.ndarray, "n d"]
    y: Float[np.ndarray, "n *k"]
    x_test: Float[np.ndarray, "m d"]
    y_test: Float[np.ndarray, "m *k"]
    record: DataRecord | None = None

    def keys(self, width: int) -> Keys:
        """Keys from the seed and the width."""
        key = jax.random.fold_in(key_of_seed(self.config.seed), width)
        draws, compare, forecast = jax.random.split(key, 3)
        return Keys(draws, compare, forecast, jax.random.fold_in(key, _RESAMPLE))

    @functools.cached_property
    def described(self) -> DataRecord:
        """What the data are, in words and numbers."""
        num_targets = _columns(self.y).shape[1]
        return self.record or DataRecord.unknown(self.x.shape[-1], num_targets)

    @property
    def levels(self) -> tuple[str, ...]:
        """Names of the classes whose numbers y and y_test hold; empty for other targets."""
        return self.described.levels

    @functools.cached_property
    def likelihood(self) -> Likelihood:
        """p(targets | outputs)."""
        return self.config.made_likelihood()

    @property
    def num_outputs(self) -> int:
        """Outputs of the network."""
        return self.likelihood.num_outputs(_columns(self.y).shape[1], len(self.levels))

    def posterior(self, width: int) -> Posterior:
        """The posterior of the network with this hidden width."""
        network = self.config.at_width(width, self.num_outputs)
        return Posterior(network, self.likelihood, self.x, self.y)

    def targets(self, y: Float[np.ndarray, "m *k"]) -> Float[np.ndarray, "m k"]:
        """Targets with a column for each output, as files of results have them."""
        return a_column_each(_columns(y), self.num_outputs)

    @property
    def test_targets(self) -> Float[np.ndarray, "m t"]:
        """Of the test inputs, as the likelihood takes them."""
        return _columns(self.y_test)

    def attributes(self) -> dict[str, str]:
        """What files of results say of the data: their record, and of what kind targets are."""
        record = self.data_attribute()
        if self.likelihood.target_kind == "numbers":
            return record
        kind = self.likelihood.target_kind
        return {**record, "target_kind": kind, "levels": json.dumps(self.levels)}

    def data_attribute(self) -> dict[str, str]:
        """The record of the data, as files of draws and results have it; none of bare arrays."""
        return {} if self.record is None else self.record.as_attribute()

    def __post_init__(self) -> None:
        for columns in (_columns(self.y), self.test_targets):
            try:
                self.likelihood.check(columns, self.num_outputs)
            except ValueError as error:
                name = type(self.likelihood).__name__
                raise datasets.DataError(
                    f"{self.config.data}: the targets are none of {name}: {error}"
                ) from None


def _columns(y: Float[np.ndarray, "n *k"]) -> Float[np.ndarray, "n k"]:
    return y[:, None] if y.ndim == 1 else y


def check_comparable(problem: Problem) -> None:
    """Raise HopelessRun where draws could not be compared: the limit is not one Gaussian process.

    Asked before anything is drawn, as the comparison comes after the draws.
    """
    try:
        require_one_process(problem.posterior(problem.config.widths[0]).network)
    except ValueError as error:
        raise HopelessRun(f"{error}; bnnpost sample and bnnpost forecast take it") from None


def load_problem(config: SweepConfig) -> Problem:
    """Read, choose rows, fill in, standardise. Raises datasets.DataError if that cannot be done."""
    _check_columns(config)
    kind = config.made_likelihood().target_kind
    table = _of_kind(load_table(config), kind, config)
    _warn_of_constants(table)
    other, seed = None, config.split_seed
    if config.test_data is None:
        train, test = chosen_places(config, table)
        table = imputed(table, train)
    else:
        train = some_places(table, config.num_train, seed)
        # The second file has the columns of the first, their levels and what fills their gaps.
        table = imputed(table, train)
        other = _of_kind(load_table(config, like=table), kind, config, like=table)
        test = some_places(other, config.num_test, seed)
    scaling, standardised = _scaling(table, train, kind, config)
    tested = table if other is None else other
    parts = scaling.inputs(table.x[train]), scaling.targets(table.y[train])
    test_parts = scaling.inputs(tested.x[test]), scaling.targets(tested.y[test])
    record = DataRecord(
        table.columns,
        table.target_names,
        table.levels,
        scaling,
        standardised,
        config.missing,
        **_rows(table, train, tested, test, other),
        id_column=config.id_column,
    )
    return Problem(config, *parts, *test_parts, record)


def _rows(
    table: datasets.Dataset,
    train: Places,
    tested: datasets.Dataset,
    test: Places,
    other: datasets.Dataset | None,
) -> dict[str, Any]:
    """What the record says of rows."""
    first, second = table.origin, tested.origin
    chosen = [(first, train), (second, test)]
    return {
        "train_rows": rows_of(first.numbers[train]),
        "test_rows": rows_of(second.numbers[test]),
        "num_rows": first.num_rows,
        "num_test_rows": 0 if other is None else second.num_rows,
        "num_left_out": len(first.left_out) + (0 if other is None else len(second.left_out)),
        "num_filled": sum(
            0 if one.absent is None else int(one.absent[places].any(axis=1).sum())
            for one, places in chosen
        ),
        "test_ids": tuple(second.ids[i] for i in test) if second.ids else (),
    }


def _of_kind(
    table: datasets.Dataset, kind: str, config: SweepConfig, like: datasets.Dataset | None = None
) -> datasets.Dataset:
    """The table with targets as the likelihood takes them. Raises DataError where it takes none."""
    if kind == "classes":
        return table.classes(like)
    if table.levels:
        raise datasets.DataError(
            f"{config.data}: {config.target} holds words, which are {len(table.levels)} classes "
            f"({listed(table.levels, 4)}), and the likelihood is of {kind}: choose likelihood = "
            '"categorical", or "bernoulli" for two classes'
        )
    if config.data == _DIGITS:
        return dataclasses.replace(table, y=table.y - CLASS_SHARE)
    return table


def _scaling(
    table: datasets.Dataset, train: Places, kind: str, config: SweepConfig
) -> tuple[ColumnScaling, str]:
    """How the table is standardised, and over which rows."""
    same = ColumnScaling.identity(table.num_features, len(table.target_names))
    if config.data == _DIGITS:
        return same, "own"
    if config.standardise is False:
        return same, "no"
    one_hot = table.y.ndim == 2 and config.data in datasets.names()
    over = "train" if config.standardise == "train" else "all"
    done = table.standardise(
        targets=kind == "numbers" and not one_hot, rows=train if over == "train" else None
    )
    return done.scaling or same, over


def _warn_of_constants(table: datasets.Dataset) -> None:
    for what, values in (("targets", table.y), ("inputs", table.x)):
        if len(values) > 1 and (values == values[0]).all():
            message = f"{table.name}: all {what} are the same, and there is nothing to learn"
            warnings.warn(message, stacklevel=3)


def _check_columns(config: SweepConfig) -> None:
    """Raise DataError for settings of a file's columns where the data are no file."""
    named = {name: getattr(config, name) for name in _OF_FILES}
    named |= {"missing": None if config.missing == "refuse" else config.missing}
    for name, value in named.items():
        if value is not None and config.data in datasets.names():
            what = f"comes with its {name}" if name in ("target", "features") else "has none"
            raise datasets.DataError(
                f"{config.data} {what}: {name}, here {value!r}, is chosen for a file"
            )
    if config.test_data is not None and in_full(config.test_data) == in_full(config.data):
        raise datasets.DataError(
            f"test_data: {config.test_data} is the file of the training rows: expected another one"
        )


def load_table(config: SweepConfig, like: datasets.Dataset | None = None) -> datasets.Dataset:
    """A shipped set or generator by name, or a file by its path; its test file if like is given.

    like: the table of the other file.
    """
    path = config.data if like is None else str(config.test_data)
    if is_file(path):
        return datasets.read(
            path,
            config.target,
            features=config.features,
            missing=config.missing,
            id_column=config.id_column,
            split_column=config.split_column,
            like=like,
        )
    if like is not None:
        raise datasets.DataError(f"test_data: expected a .csv or .npz file, got {path}")
    return digits_table() if path == _DIGITS else datasets.load(path)
