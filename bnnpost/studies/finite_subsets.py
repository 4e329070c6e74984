"""Losses of the exact finite-width posterior given subsets of a pool, as far as proposals reach."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float, Int

from bnnpost.posterior import Posterior
from bnnpost.studies.losses import LOSSES, limit_predictive, measured_losses

# Proposals of every subset must be worth so many draws for a size to count.
_LEAST_WORTH = 100.0
# Test points at once: control variates, and their cost, grow with the square of their number.
_BLOCK = 20


class FiniteLosses(NamedTuple):
    """Of the network's own posterior: [size, subset, point], NaN where proposals are too few.

    nll, squared_error: the losses; *_difference: what they are more than the limit's; worth: of
    the proposals, in draws [size, subset].
    """

    nll: Float[np.ndarray, "d r m"]
    squared_error: Float[np.ndarray, "d r m"]
    nll_difference: Float[np.ndarray, "d r m"]
    squared_error_difference: Float[np.ndarray, "d r m"]
    worth: Float[np.ndarray, "d r"]


def finite_losses(
    key: Array,
    posterior: Posterior,
    points: Float[np.ndarray, "m *f"],
    targets: Float[np.ndarray, "m k"],
    subsets: Sequence[Sequence[Int[np.ndarray, " d"]]],
    num_proposals: int,
) -> FiniteLosses:
    """Over all weighted proposals, subsets[size][subset] from the smallest size on.

    The first size at which the proposals of some subset are worth too few draws ends it. Errors as
    of `measured_losses`, among them FloatingPointError if no proposal is near even the smallest
    subsets.
    """
    shape = (len(subsets), len(subsets[0]))
    held = np.full((4, *shape, len(points)), np.nan)
    worth = np.full(shape, np.nan)
    for i, rows_of in enumerate(subsets):
        keys = jax.random.split(jax.random.fold_in(key, i), len(rows_of))
        try:
            with np.errstate(invalid="ignore", divide="ignore"):
                parts = [
                    _of_one(own, posterior, points, targets, rows, num_proposals)
                    for own, rows in zip(keys, rows_of, strict=True)
                ]
        except FloatingPointError:  # no proposal of some block is near these data
            if i == 0:
                raise
            break
        worth[i] = [part[1] for part in parts]
        if worth[i].min() < _LEAST_WORTH:
            break
        held[:, i] = np.stack([part[0] for part in parts], axis=1)
    nll, squared_error, *differences = held
    return FiniteLosses(nll, squared_error, differences[0], differences[1], worth)


def _of_one(
    key: Array,
    posterior: Posterior,
    points: Float[np.ndarray, "m *f"],
    targets: Float[np.ndarray, "m k"],
    rows: Int[np.ndarray, " d"],
    num_proposals: int,
) -> tuple[Float[np.ndarray, "4 m"], float]:
    limit_key, proposals = jax.random.split(key)
    given = Posterior(
        posterior.network, posterior.likelihood, posterior.x[rows], posterior.targets[rows]
    )
    parts = []
    for start in range(0, len(points), _BLOCK):
        block = slice(start, start + _BLOCK)
        law, log_evidence = limit_predictive(given, points[block], targets[block], limit_key)
        found, attributes = measured_losses(
            proposals, given, points[block], law, log_evidence, num_proposals
        )
        limiting = law.losses()
        more = [found[f"{name}_difference_by_point"][0] for name in LOSSES]
        losses = [getattr(limiting, name) + d for name, d in zip(LOSSES, more, strict=True)]
        parts.append(np.stack([*losses, *more]))
    return np.concatenate(parts, axis=1), attributes["effective_sample_size"]
