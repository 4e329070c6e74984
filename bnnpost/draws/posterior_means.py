"""Posterior means of what is computed from a draw's function values, with standard errors."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from bnnpost.draws import arviz_view
from bnnpost.draws.info import DrawsInfo


class PosteriorMean(NamedTuple):
    """value, standard_error: of the shape of what was averaged."""

    value: np.ndarray
    standard_error: np.ndarray


def posterior_mean(
    values: Float[np.ndarray, "s *shape"], log_weights: Float[np.ndarray, " s"], info: DrawsInfo
) -> PosteriorMean:
    """The weighted mean over draws [sample, …], and its standard error by how they were made.

    That of independent draws; of weights, which are divided by their sum, to first order (the delta
    method); of chains, by the effective sample size of each value. Raises ValueError for fewer than
    two draws, or resampled ones, whose repetitions are no further draws.
    """
    count = len(values)
    if info.kind == "resampled":
        raise ValueError(
            "resampled draws repeat networks, so nothing is known of the error of their mean: take "
            "that of the weighted draws"
        )
    if count < 2:
        raise ValueError(f"a standard error needs two draws or more, got {count}")
    flat = values.reshape(count, -1).astype(np.float64)
    weights = np.exp(log_weights - np.max(log_weights))
    weights /= weights.sum()
    mean = weights @ flat
    if info.num_chains is None:
        error = np.sqrt((weights**2) @ (flat - mean) ** 2 * (count / (count - 1)))
    else:
        sizes = arviz_view.mean_sizes(flat, info.num_chains)
        # A value that all draws have is known.
        spread = flat.std(axis=0, ddof=1)
        error = np.where(spread > 0, spread / np.sqrt(sizes), 0.0)
    shape = values.shape[1:]
    return PosteriorMean(mean.reshape(shape), error.reshape(shape))
