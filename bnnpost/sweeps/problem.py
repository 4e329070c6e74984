"""From a configuration to data and posteriors."""

import functools
import json
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from bnnpost import datasets
from bnnpost.arguments import listed
from bnnpost.likelihoods import Likelihood
from bnnpost.likelihoods.base import a_column_each
from bnnpost.networks.limiting import require_one_process
from bnnpost.posterior import Posterior
from bnnpost.sweeps.config import SweepConfig
from bnnpost.sweeps.refusals import HopelessRun


@dataclass(frozen=True)
class Problem:
    """The data of a sweep, and the posterior at each width.

    levels: names of the classes whose numbers y and y_test hold; empty for other targets. Raises
    DataError where the likelihood does not take the targets.
    """

    config: SweepConfig
    x: Float[np.ndarray, "n d"]
    y: Float[np.ndarray, "n *k"]
    x_test: Float[np.ndarray, "m d"]
    y_test: Float[np.ndarray, "m *k"]
    levels: tuple[str, ...] = ()

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
        """What files of results say of targets that are not numbers."""
        if self.likelihood.target_kind == "numbers":
            return {}
        return {"target_kind": self.likelihood.target_kind, "levels": json.dumps(self.levels)}

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
    """Read, prepare and split the data. Raises datasets.DataError if that cannot be done."""
    counts = config.num_train, config.num_test
    _check_columns(config)
    kind = config.made_likelihood().target_kind
    if config.data == "digits":
        return _of_digits(config, kind)
    table = load_table(config.data, config.target, config.features)
    if kind == "classes":
        table = table.classes()
    elif table.levels:
        raise datasets.DataError(
            f"{config.data}: {config.target} holds words, which are {len(table.levels)} classes "
            f"({listed(table.levels, 4)}), and the likelihood is of {kind}: choose likelihood = "
            '"categorical", or "bernoulli" for two classes'
        )
    _warn_of_constants(table)
    if config.standardise:
        one_hot = table.y.ndim == 2 and config.data in datasets.names()
        table = table.standardise(targets=kind == "numbers" and not one_hot)
    split = table.split(*counts, config.split_seed)
    return Problem(config, *split, table.levels)


def _of_digits(config: SweepConfig, kind: str) -> Problem:
    """The digits, which have a preparation of their own."""
    x, y, x_test, y_test = datasets.digits_problem(
        config.num_train, config.num_test, seed=config.split_seed
    )
    if kind != "classes":
        return Problem(config, x, y, x_test, y_test)
    labels = (one.argmax(axis=1).astype(np.float64) for one in (y, y_test))
    levels = datasets.SHIPPED["digits"].class_names
    return Problem(config, x, next(labels), x_test, next(labels), levels)


def _warn_of_constants(table: datasets.Dataset) -> None:
    for what, values in (("targets", table.y), ("inputs", table.x)):
        if len(values) > 1 and (values == values[0]).all():
            message = f"{table.name}: all {what} are the same, and there is nothing to learn"
            warnings.warn(message, stacklevel=3)


def _check_columns(config: SweepConfig) -> None:
    for role, columns in (("target", config.target), ("features", config.features)):
        if columns is not None and config.data in datasets.names():
            raise datasets.DataError(
                f"{config.data} comes with its {role}: columns, here {columns!r}, are chosen for a "
                "file"
            )


def load_table(data: str, target: str | None, features: str | None = None) -> datasets.Dataset:
    """A shipped set or generator by name, or a file by its path."""
    if Path(data).suffix in (".csv", ".npz"):
        return datasets.read(data, target, features=features)
    return datasets.load(data)
