"""From a configuration to data and posteriors."""

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from bnnpost import datasets
from bnnpost.likelihoods import Gaussian
from bnnpost.networks.limiting import require_one_process
from bnnpost.posterior import Posterior
from bnnpost.sweeps.config import SweepConfig
from bnnpost.sweeps.errors import HopelessRun


@dataclass(frozen=True)
class Problem:
    """The data of a sweep, and the posterior at each width."""

    config: SweepConfig
    x: Float[np.ndarray, "n d"]
    y: Float[np.ndarray, "n *k"]
    x_test: Float[np.ndarray, "m d"]
    y_test: Float[np.ndarray, "m *k"]

    def posterior(self, width: int) -> Posterior:
        """The posterior of the network with this hidden width."""
        num_outputs = 1 if self.y.ndim == 1 else self.y.shape[1]
        network = self.config.at_width(width, num_outputs)
        return Posterior(network, Gaussian(self.config.noise_std), self.x, self.y)


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
    if config.data == "digits":
        return Problem(config, *datasets.digits_problem(*counts, seed=config.split_seed))
    table = load_table(config.data, config.target, config.features)
    _warn_of_constants(table)
    if config.standardise:
        one_hot = table.y.ndim == 2 and config.data in datasets.names()
        table = table.standardise(targets=not one_hot)
    return Problem(config, *table.split(*counts, config.split_seed))


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
