"""What two posteriors differ by, and its jackknife: value and standard error of each quantity."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
from jaxtyping import Float

from bnnpost.arguments import positive_integer
from bnnpost.comparison.distances import Distances

if TYPE_CHECKING:
    import xarray as xr

# Jackknife blocks.
NUM_BLOCKS = 20

Quantities = dict[str, Float[np.ndarray, "*s"]]
Estimates = dict[str, tuple[np.ndarray, np.ndarray]]


class HasQuantities(Protocol):
    """What a difference must tell of itself: scalars, and arrays [point, output], by name."""

    def quantities(self) -> Quantities: ...


class Difference(NamedTuple):
    """Finite network against limit: distances of each marginal, and finite − limit of the rest."""

    distances: Distances
    mean: Float[np.ndarray, "m k"]
    covariance: Float[np.ndarray, "k m m"]
    log_evidence: Float[np.ndarray, ""]

    def quantities(self) -> Quantities:
        """Scalars, averaged over marginals, and what they are averages of."""
        variance = np.diagonal(self.covariance, axis1=-2, axis2=-1).T
        by_point = {
            **self.distances._asdict(),
            "mean_error": self.mean,
            "variance_error": variance,
        }
        return {
            **{name: values.mean() for name, values in self.distances._asdict().items()},
            "mean_error": rms(self.mean),
            "variance_error": rms(variance),
            "covariance_error": rms(self.covariance),
            "log_evidence_error": self.log_evidence,
            **{f"{name}_by_point": values for name, values in by_point.items()},
        }


class Found(NamedTuple):
    """Differences from all proposals, then from all but those of each block; and attributes."""

    replicates: Sequence[HasQuantities]
    attributes: dict[str, float]

    def estimates(self) -> Estimates:
        """Each quantity's jackknife estimate and standard error."""
        return jackknifed([one.quantities() for one in self.replicates])

    def dataset(self) -> "xr.Dataset":
        """The estimates, each with its `*_se`, and the attributes."""
        found = with_errors(self.estimates(), {2: ("point", "output")})
        return found.assign_attrs(self.attributes)


def jackknifed(replicates: Sequence[Quantities]) -> Estimates:
    """Each quantity's jackknife estimate and standard error; of all blocks comes first."""
    whole, *without = replicates
    return {
        name: jackknife(value, np.stack([one[name] for one in without]))
        for name, value in whole.items()
    }


def with_errors(estimates: Estimates, dims: Mapping[int, tuple[str, ...]]) -> "xr.Dataset":
    """Estimates, each with its `*_se`; dims: of those with so many axes."""
    import xarray as xr

    variables = {}
    for name, (value, error) in estimates.items():
        where = dims[np.ndim(value)] if np.ndim(value) else ()
        variables[name], variables[f"{name}_se"] = (where, value), (where, error)
    return xr.Dataset(variables)


def check_num_blocks(name: str, count: int) -> int:
    """Return a count if it is enough for ten in each block of the jackknife."""
    number = positive_integer(name, count)
    if number < 10 * NUM_BLOCKS:
        raise ValueError(f"expected {name} to be at least {10 * NUM_BLOCKS}, got {number}")
    return number


def block_bounds(num_proposals: int) -> np.ndarray:
    """Proposal numbers at which the jackknife's blocks, equal to within one, begin and end."""
    return np.linspace(0, num_proposals, NUM_BLOCKS + 1).astype(int)


def jackknife(
    whole: Float[np.ndarray, "*s"], without: Float[np.ndarray, "b *s"]
) -> tuple[np.ndarray, np.ndarray]:
    """Bias-corrected value and standard error from leave-one-block-out replicates."""
    count = len(without)
    centre = without.mean(axis=0)
    value = count * whole - (count - 1) * centre
    return value, np.sqrt((count - 1) / count * np.sum((without - centre) ** 2, axis=0))


def rms(values: Float[np.ndarray, "*s"]) -> Float[np.ndarray, ""]:
    """Root mean square."""
    return np.sqrt(np.mean(values**2))
