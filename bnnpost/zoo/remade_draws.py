"""The draws of a reference made again: its values, and the weights of each network on demand."""

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from bnnpost.draws import Draws
from bnnpost.networks.layers import num_parameters
from bnnpost.numerics.precision import in_double_precision
from bnnpost.numerics.random import key_of_seed
from bnnpost.samplers.plan import Plan
from bnnpost.storage import available_memory, gigabytes, processor, versions
from bnnpost.verification.parameter_values import sites_of_parameters
from bnnpost.verification.sets import TEST, TRAIN
from bnnpost.zoo.entries import Entry
from bnnpost.zoo.reference_checks import CheckFailed
from bnnpost.zoo.reference_files import equal_rows
from bnnpost.zoo.zoo import posterior

if TYPE_CHECKING:
    import xarray as xr

# Of the spread of f at the training inputs: how far a network's own outputs may be from the values
# stored. Features are in single precision.
_TOLERANCE = 1e-3
# Of the memory that is free, what the weights of all draws may take.
_SHARE = 0.5


@dataclass(frozen=True)
class RemadeDraws:
    """Draws of a reference, those chosen.

    data: the reference. chosen [draw]: the places of the draws. with_parameters: whether the
    weights are wanted too: values at the test inputs are then those of the networks themselves,
    where the reference has others drawn given the same values at the training inputs.
    """

    entry: Entry
    data: "xr.Dataset"
    chosen: np.ndarray
    with_parameters: bool

    @classmethod
    def of(
        cls, entry: Entry, data: "xr.Dataset", parameters: bool, weighted: bool
    ) -> "RemadeDraws":
        """All draws; unless `weighted`, equally weighted ones: those that NAME.csv has."""
        rows = np.arange(data.sizes["sample"])
        if not weighted:
            rows = equal_rows(data, jax.random.key(0))
        return cls(entry, data, rows, parameters)

    def __len__(self) -> int:
        return len(self.chosen)

    @functools.cached_property
    def values(self) -> dict[str, np.ndarray]:
        """f, f_train [draw, point, output]; of weights layer0.weights [draw, fan_in, width], …

        Raises CheckFailed if the weights are not those of the draws; ValueError for weights that
        do not fit in memory.
        """
        stored = {name: self.data[name].values[self.chosen] for name in (TEST, TRAIN)}
        if not self.with_parameters:
            return stored
        parameters, outputs = self._networks()
        return {TEST: outputs, TRAIN: stored[TRAIN], **parameters}

    @in_double_precision
    def _networks(self) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Parameters by name, and the networks' outputs at the test inputs."""
        draws = self._draws()
        network, x_train = draws.posterior.network, draws.posterior.x
        _check_memory(len(self) * num_parameters(network, x_train.shape[1:]))
        points = jnp.concatenate([jnp.asarray(x_train), self.data["x_test"].values])
        apply = jax.jit(lambda parameters: network.apply(parameters, points))
        found: dict[str, np.ndarray] = {}
        outputs = np.empty((len(self), len(points), draws.posterior.num_outputs))
        features = x_train.shape[1:]
        for i in range(len(self)):
            one = draws.parameters(i)
            outputs[i] = apply(one)
            for name, array in sites_of_parameters(one, network, features).items():
                found.setdefault(name, np.empty((len(self), *array.shape)))[i] = array
            if i == 0:
                self._check(outputs[:1, : len(x_train)], self.chosen[:1])
        self._check(outputs[:, : len(x_train)], self.chosen)
        return found, outputs[:, len(x_train) :]

    def _draws(self) -> Draws:
        """The draws that these proposal numbers stand for, in the space that they were drawn in."""
        plan = Plan.make(
            key_of_seed(self.entry.seed),
            posterior(self.entry)[0],
            space="auto",
            collapse=True,
            bound=self.entry.bound,
            cap=None,
            precision="single",
        )
        made, chosen = plan.contents(), self.data.isel(sample=self.chosen)
        numbers, log_weights = (chosen[n].values for n in ("proposal_number", "log_weight"))
        return Draws(made.space, made.key, numbers, log_weights, made.info)

    def _check(self, outputs: np.ndarray, places: np.ndarray) -> None:
        """Raise CheckFailed unless networks give the values stored at the training inputs."""
        stored = self.data[TRAIN].values
        worst = float(np.max(np.abs(outputs - stored[places])))
        if not worst <= _TOLERANCE * float(np.std(stored)):
            here = ", ".join(f"{name} {version}" for name, version in versions().items())
            raise CheckFailed(
                f"{self.entry.name}: the weights made again are not those of the draws: function "
                f"values differ by {worst:.2g}. It was built by {self.data.attrs['versions']} "
                f"on {self.data.attrs['processor']}; here are {here} on {processor()}. Build "
                "it again here, or leave the weights out"
            )


def _check_memory(count: int) -> None:
    free, needed = available_memory(), 8 * count
    if free is not None and needed > _SHARE * free:
        raise ValueError(
            f"the weights of all draws take {gigabytes(needed)}, more than half of the "
            f"{gigabytes(free)} that are free: leave them out"
        )
