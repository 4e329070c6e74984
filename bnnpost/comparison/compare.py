"""The distance of a finite network's posterior from its limit, with standard errors."""

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING

import jax
import numpy as np
from jaxtyping import Array, Float

from bnnpost.comparison.distances import to_gaussian
from bnnpost.comparison.moments import BlockSums, Expectations, Layout, block_sums
from bnnpost.likelihoods import Gaussian
from bnnpost.networks.layers import positive_integer
from bnnpost.numerics.random import require_key
from bnnpost.numerics.weights import WeightSum
from bnnpost.posterior import Posterior
from bnnpost.samplers.importance import observations, weighted_space
from bnnpost.spaces import controls, limit
from bnnpost.spaces.space import Observation, Space

if TYPE_CHECKING:
    import xarray as xr

# Jackknife blocks.
NUM_BLOCKS = 20
# Fewer proposals than this for each control variate, and none is used.
_PROPOSALS_A_CONTROL = 20

Quantities = dict[str, Float[np.ndarray, "*s"]]


def compare(
    key: Array,
    posterior: Posterior,
    x_test: object,
    *,
    num_proposals: int = 20_000,
    space: str = "auto",
    precision: str = "single",
) -> "xr.Dataset":
    """How far the posterior is from its infinite-width limit at x_test, over all proposals.

    Returns scalars, averaged over test points and outputs, each with a jackknife standard
    error `*_se`, and the same per marginal as `*_by_point` [point, output]:
    tv, kl (KL(finite ‖ limit), nats), w1, w2 (units of f): of the marginal of each f*;
    mean_error, variance_error: root mean square over marginals of the difference of means
    and of variances (`*_by_point` are the signed differences, finite − limit);
    covariance_error: root mean square over entries of the difference of covariances;
    log_evidence_error: log evidence, finite − limit, nats. Estimates are corrected for bias
    by the same jackknife. Control variates are used where they exist (attribute `controls`).
    Raises ValueError where the readout cannot be collapsed, or for fewer than 200 proposals,
    TypeError for a likelihood other than Gaussian noise of known size.
    """
    require_key(key)
    positive_integer("num_proposals", num_proposals)
    if num_proposals < 10 * NUM_BLOCKS:
        raise ValueError(f"expected at least {10 * NUM_BLOCKS} proposals, got {num_proposals}")
    if not isinstance(posterior.likelihood, Gaussian):
        raise TypeError(
            "compare needs the limit in closed form, which only Gaussian noise of known size has, "
            f"got {type(posterior.likelihood).__name__}; bnnpost.limit(posterior, key=…) samples it"
        )
    points = posterior.checked_test_points(x_test)
    chosen = weighted_space(posterior, space, precision)
    limiting = limit(posterior)
    weights = _Tally()
    blocks = weights.watch(_blocks(chosen, key, points, num_proposals))
    mean, covariance = limiting.mean(points), limiting.covariance(points)
    std = np.sqrt(np.diagonal(covariance))
    num_controls = controls.count(posterior.network, posterior.num_points + len(points))
    if num_controls * _PROPOSALS_A_CONTROL > num_proposals:
        num_controls = 0
    sums = block_sums(blocks, limiting.log_evidence, mean, std, num_controls > 0)
    dataset = _dataset(_quantities(sums, mean, covariance))
    return dataset.assign_attrs(
        num_proposals=num_proposals,
        effective_sample_size=weights.total.effective_sample_size(),
        controls=num_controls,
        limit_log_evidence=limiting.log_evidence,
    )


class _Tally:
    """Sees the weights of every block as it passes."""

    def __init__(self) -> None:
        self.total = WeightSum()

    def watch(self, blocks: Iterator[Observation]) -> Iterator[Observation]:
        for block in blocks:
            if np.isnan(block.log_weight).any():
                raise FloatingPointError(
                    "log weights are NaN: a covariance is not positive definite in double "
                    "precision; a larger noise_std makes it so"
                )
            self.total = self.total.add(np.asarray(block.log_weight))
            yield block


def _blocks(
    space: Space, key: Array, points: np.ndarray, num_proposals: int
) -> Iterator[Observation]:
    """Observations regrouped into equal jackknife blocks."""
    bounds = np.linspace(0, num_proposals, NUM_BLOCKS + 1).astype(int)
    for start, stop in itertools.pairwise(bounds):
        parts = list(observations(space, key, points, np.arange(start, stop, dtype=np.uint64)))
        yield jax.tree.map(lambda *arrays: np.concatenate(arrays), *parts)


def _quantities(
    sums: BlockSums,
    mean: Float[np.ndarray, "m k"],
    covariance: Float[np.ndarray, "m m"],
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Each quantity's jackknife estimate and standard error."""
    layout = Layout(*mean.shape)
    replicates = [layout.split(row) for row in sums.replicates()]
    computed = [_differences(one, mean, covariance) for one in replicates]
    return {
        name: _jackknife(computed[0][name], np.stack([one[name] for one in computed[1:]]))
        for name in computed[0]
    }


def _jackknife(
    whole: Float[np.ndarray, "*s"], without: Float[np.ndarray, "b *s"]
) -> tuple[np.ndarray, np.ndarray]:
    """Bias-corrected value and standard error from leave-one-block-out replicates."""
    count = len(without)
    centre = without.mean(axis=0)
    value = count * whole - (count - 1) * centre
    return value, np.sqrt((count - 1) / count * np.sum((without - centre) ** 2, axis=0))


def _differences(
    found: Expectations, mean: Float[np.ndarray, "m k"], covariance: Float[np.ndarray, "m m"]
) -> Quantities:
    std = np.sqrt(np.diagonal(covariance))
    distances = to_gaussian(found.cdf, np.broadcast_to(std[:, None], mean.shape))
    mean_error = found.mean - mean
    covariance_error = found.covariance() - covariance
    variance_error = np.diagonal(covariance_error, axis1=-2, axis2=-1).T
    by_point = {
        **distances._asdict(),
        "mean_error": mean_error,
        "variance_error": variance_error,
    }
    return {
        **{name: values.mean() for name, values in distances._asdict().items()},
        "mean_error": _rms(mean_error),
        "variance_error": _rms(variance_error),
        "covariance_error": _rms(covariance_error),
        "log_evidence_error": np.log(found.relative_evidence),
        **{f"{name}_by_point": values for name, values in by_point.items()},
    }


def _rms(values: Float[np.ndarray, "*s"]) -> Float[np.ndarray, ""]:
    return np.sqrt(np.mean(values**2))


def _dataset(quantities: dict[str, tuple[np.ndarray, np.ndarray]]) -> "xr.Dataset":
    import xarray as xr

    dims = {0: (), 2: ("point", "output")}
    variables = {}
    for name, (value, standard_error) in quantities.items():
        where = dims[np.ndim(value)]
        variables[name] = (where, value)
        variables[f"{name}_se"] = (where, standard_error)
    return xr.Dataset(variables)
