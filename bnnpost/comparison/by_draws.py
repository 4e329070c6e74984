"""The distance of a posterior from its limit by independent draws alone, without any proposals."""

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Array, Float

from bnnpost.comparison.differences import Difference, Found, block_bounds, check_num_blocks
from bnnpost.comparison.distances import GRID, to_gaussian
from bnnpost.draws import Draws
from bnnpost.networks.limiting import require_one_process
from bnnpost.spaces import limit
from bnnpost.spaces.limit import Limit

if TYPE_CHECKING:
    import xarray as xr

# Sums over draws, or means, by what they are of.
Means = dict[str, np.ndarray]


def compare_draws(key: Array, draws: Draws, x_test: object) -> "xr.Dataset":
    """What `compare` returns, of equally weighted independent draws: far fewer, so with more noise.

    Each draw stands for the Gaussian that f* has given its hidden layers, so that marginals, their
    means and variances have no noise but that of hidden layers; covariances of different points
    are of sampled values. The log evidence, which draws do not tell, is NaN. Standard errors are of
    the number of draws: how far the law of each is from the posterior comes on top. key: of a
    limit whose kernel is sampled.

    Raises ValueError for fewer than 200 draws, weighted ones, a readout that was not collapsed, a
    limit that is not one Gaussian process, or a likelihood whose limit has no closed form.
    """
    check_num_blocks("the number of draws", len(draws))
    posterior = draws.posterior
    if np.any(draws.log_weights != draws.log_weights[0]):
        raise ValueError("expected draws of equal weight: resample those of a capped run")
    if posterior.likelihood.known_std is None:
        raise ValueError("expected Gaussian noise of known size, whose limit has a closed form")
    require_one_process(posterior.network)
    points = posterior.checked_test_points(x_test)
    limiting = limit(posterior, key=key)
    assert isinstance(limiting, Limit)
    mean, covariance = limiting.mean(points), limiting.covariance(points)
    std = np.broadcast_to(np.sqrt(np.diagonal(covariance))[:, None], mean.shape)

    replicates = [
        _difference(one, mean, covariance, std) for one in _replicates(draws, points, mean, std)
    ]
    found = Found(replicates, {"limit_log_evidence": limiting.log_evidence})
    return found.dataset().assign_attrs(num_draws=len(draws))


def _difference(
    found: Means,
    mean: Float[np.ndarray, "m k"],
    covariance: Float[np.ndarray, "m m"],
    std: Float[np.ndarray, "m k"],
) -> Difference:
    value = found["value"].T
    own = found["product"] - value[:, :, None] * value[:, None, :]
    # Between points of sampled values, on the diagonal of what these average.
    places = np.arange(own.shape[1])
    own[:, places, places] = (found["square"] - found["mean"] ** 2).T
    marginals = to_gaussian(found["cdf"], std)
    return Difference(marginals, found["mean"] - mean, own - covariance, np.array(np.nan))


def _replicates(
    draws: Draws,
    points: Float[np.ndarray, "m *f"],
    mean: Float[np.ndarray, "m k"],
    std: Float[np.ndarray, "m k"],
) -> Iterator[Means]:
    """Means over all draws, then over all but those of each block."""
    mixture, f = draws.mixture(points), draws.predict(points)
    variances = np.broadcast_to(mixture.variances.reshape(*f.shape[:2], -1), f.shape)
    edges = mean[:, :, None] + std[:, :, None] * GRID
    bounds = block_bounds(len(draws))
    blocks = [
        _sums(mixture.means[one], variances[one], f[one], edges)
        for one in (slice(first, end) for first, end in itertools.pairwise(bounds))
    ]
    whole = {name: np.sum([one[name] for one in blocks], axis=0) for name in blocks[0]}
    yield {name: total / len(draws) for name, total in whole.items()}
    for one, count in zip(blocks, len(draws) - np.diff(bounds), strict=True):
        yield {name: (total - one[name]) / count for name, total in whole.items()}


def _sums(
    centre: Float[np.ndarray, "s m k"],
    variance: Float[np.ndarray, "s m k"],
    f: Float[np.ndarray, "s m k"],
    edges: Float[np.ndarray, "m k g"],
) -> Means:
    """Over some draws: of E f, E f², of f and f fᵀ, and of the CDF at the edges."""
    from scipy.special import ndtr

    std = np.sqrt(np.maximum(variance, np.finfo(float).tiny))
    cdf = np.zeros(edges.shape)
    for one, own in zip(centre, std, strict=True):
        cdf += ndtr((edges - one[:, :, None]) / own[:, :, None])
    return {
        "mean": centre.sum(axis=0),
        "square": (centre**2 + variance).sum(axis=0),
        "value": f.sum(axis=0),
        "product": np.einsum("sik,sjk->kij", f, f),
        "cdf": cdf,
    }
