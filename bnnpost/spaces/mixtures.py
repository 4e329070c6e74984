"""How much each of several fits should be drawn from, and which of them differ. In numpy."""

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import logsumexp

# Fits kept, the largest shares first; and the share below which one is left out.
_MOST_FITS, _LEAST_SHARE = 8, 1e-9
# Steps of expectation maximisation, from equal shares.
_STEPS = 50
# With more points than this, starts are at so many points that a first fit explains least.
_MOST_POINTS, _CHOSEN_POINTS = 16, 8


def starts(residuals: Float[np.ndarray, " n"]) -> Iterator[Bool[np.ndarray, " n"]]:
    """Points to start from trusting: none; one alone, and all but one, by turns.

    residuals: of a first fit that trusts all, in standard deviations; of many points those are
    taken by turns that it explains least.
    """
    count = len(residuals)
    if count == 1:
        return
    yield np.zeros(count, bool)
    turns = range(count)
    if count > _MOST_POINTS:
        turns = np.argsort(-np.abs(residuals), kind="stable")[:_CHOSEN_POINTS].tolist()
    for i in turns:
        alone = np.arange(count) == i
        yield alone
        yield ~alone


def distinct(fits: Float[np.ndarray, "s d"], tolerance: float) -> Int[np.ndarray, " c"]:
    """Numbers of the fits that differ from all before them in some place by the tolerance.

    The first is one of them; others only where all their numbers are finite.
    """
    kept = [0]
    for i, fit in enumerate(fits):
        nearest = np.min(np.max(np.abs(fit - fits[kept]), axis=1))
        if np.isfinite(fit).all() and not nearest <= tolerance:
            kept.append(i)
    return np.asarray(kept, int)


def shares(
    log_targets: Float[np.ndarray, " s"], log_densities: Float[np.ndarray, "c s"]
) -> Float[np.ndarray, " c"]:
    """Shares of the mixture that comes nearest to a target, of draws from all fits alike.

    Expectation maximisation of Σ w log Σ_c s_c q_c with the weights w of the draws (Cappé et
    al. 2008). log_targets: the target at the draws, up to a constant; log_densities: of each fit.
    """
    weights = np.nan_to_num(log_targets - logsumexp(log_densities, axis=0), nan=-np.inf)
    weights = np.exp(weights - logsumexp(weights))
    found = np.full(len(log_densities), 1 / len(log_densities))
    if not np.isfinite(weights).all():
        return found
    for _ in range(_STEPS):
        with np.errstate(divide="ignore"):
            parts = np.log(found)[:, None] + log_densities
        found = np.exp(parts - logsumexp(parts, axis=0)) @ weights
    return found


def largest(found: Float[np.ndarray, " c"]) -> Int[np.ndarray, " d"]:
    """Numbers of the fits that are kept, the largest share first."""
    order = np.argsort(-found, kind="stable")[:_MOST_FITS]
    return order[found[order] >= min(_LEAST_SHARE, found.max())]


def weighed(
    fits: Float[np.ndarray, "c *s"],
    log_targets: Float[np.ndarray, " s"],
    log_densities: Float[np.ndarray, "c s"],
    minor: float,
) -> tuple[Float[np.ndarray, "d *s"], Float[np.ndarray, " d"]]:
    """The fits that are kept, and their shares; arguments as of `shares`."""
    found = shares(log_targets, log_densities)
    kept = largest(found)
    return fits[kept], with_minor_share(found[kept], minor)


def filled(
    columns: Sequence[tuple[Float[np.ndarray, "c *s"], Float[np.ndarray, " c"]]],
) -> tuple[list[Float[np.ndarray, "m *s"]], Float[np.ndarray, "m k"]]:
    """Fits of each column, as many for all with copies of the first, and their log shares."""
    most = max(len(fits) for fits, _ in columns)
    log_shares = np.full((most, len(columns)), -np.inf)
    for place, (_, found) in enumerate(columns):
        log_shares[: len(found), place] = np.log(found)
    copies = [np.repeat(fits[:1], most - len(fits), axis=0) for fits, _ in columns]
    return [
        np.concatenate([fits, more]) for (fits, _), more in zip(columns, copies, strict=True)
    ], log_shares


def with_minor_share(found: Float[np.ndarray, " c"], minor: float) -> Float[np.ndarray, " c"]:
    """The same, none of several without its part of what `minor` ones have together."""
    found = found / found.sum()
    return found if len(found) == 1 else (1 - minor) * found + minor / len(found)
