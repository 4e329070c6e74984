"""How wrong a candidate is by each check that failed, where the check gives a probability."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from jaxtyping import Float

from bnnpost.verification.autocorrelation import autocorrelation_times
from bnnpost.verification.compared import Compared
from bnnpost.verification.effect_sizes import (
    effects_of,
    held_moments,
    reach_of,
    sized,
)
from bnnpost.verification.effects import (
    BETWEEN,
    CORRELATION,
    MEAN,
    NATS,
    SHARE,
    STD,
    TAIL,
    TOLD,
    Effect,
    worst,
)
from bnnpost.verification.report import PIT, Check

# Quantiles of the posterior below which draws are counted, and shares outside the middle.
_BELOW = np.arange(1, 20) / 20
_OUTSIDE = (0.1, 0.05, 0.01)
# Draws of each side, for how well they can be told apart: half of them to find a rule.
_MOST_TOLD = 2_000
# Directions in which the posterior varies less than this part of its largest variance are rounding.
_SMALLEST_VARIANCE = 1e-9


def with_effects(both: Compared, found: Sequence[Check], level: float) -> tuple[Check, ...]:
    """The checks, each that failed with how far the candidate is off by it."""
    return tuple(
        dataclasses.replace(check, effect=_OF[check.name](both))
        if check.adjusted <= level and check.name in _OF
        else check
        for check in found
    )


def _mean(both: Compared) -> Effect | None:
    return worst(effects_of(both), MEAN)


def _std(both: Compared) -> Effect | None:
    return worst(effects_of(both), STD)


def _below(both: Compared) -> Effect | None:
    names = [f"below the posterior's {100 * share:.0f} % quantile" for share in _BELOW]
    inside = (both.scores.uniforms[..., None] <= _BELOW).swapaxes(-1, -2)
    return max(_shares(both, SHARE, names, _BELOW, inside), key=_sureness)


def _tails(both: Compared) -> Effect | None:
    middle = np.abs(both.scores.uniforms - 0.5)
    shares = np.array(_OUTSIDE)
    names = [f"outside the posterior's central {100 * (1 - share):g} %" for share in _OUTSIDE]
    outside = (middle[..., None] > 0.5 * (1 - shares)).swapaxes(-1, -2)
    return max(_shares(both, TAIL, names, shares, outside), key=_sureness)


def _sureness(effect: Effect) -> float:
    """How far off, in widths of the interval."""
    return abs(effect.size - effect.right) / max(effect.high - effect.low, 1e-12)


def _shares(
    both: Compared,
    kind: str,
    names: Sequence[str],
    expected: Float[np.ndarray, " region"],
    inside: Float[np.ndarray, "chain draw region column"],
) -> Iterator[Effect]:
    """The part of draws in each region: of all values, if they may be alike, else of the worst.

    The worst of many is worse by chance.
    """
    width, count = len(both.columns), inside.shape[0] * inside.shape[1]
    reach = reach_of((width + 1) * len(names))
    times = both.times[:width]
    # The reference's error counts as that of a share of so many draws.
    worth = 1 / (times / count + [law.error / both.num_reference for law in both.laws])
    for place, (name, right) in enumerate(zip(names, expected.tolist(), strict=True)):
        each = inside[:, :, place].astype(float)
        found = [
            Effect(kind, f"{where} {name}", *_wilson(share, size, reach), right=right)
            for where, share, size in zip(
                both.columns, each.mean(axis=(0, 1)).tolist(), worth.tolist(), strict=True
            )
        ]
        whole = each.mean(axis=2)
        share = float(whole.mean())
        # Means of several vary as much as they depend on each other.
        ratio = float(whole.var()) / max(share * (1 - share), 1e-12)
        ends = _wilson(share, float(worth.min()) / max(ratio, 1 / width), reach)
        alike = width > 1 and all(one.low <= share <= one.high for one in found)
        if alike:
            yield Effect(kind, f"all values {name}", *ends, right=right)
        else:
            yield max(found, key=_sureness)


def _wilson(share: float, count: float, reach: float) -> tuple[float, float, float]:
    """A share of so many draws, and its interval (Wilson 1927)."""
    middle = (share + reach**2 / (2 * count)) / (1 + reach**2 / count)
    half = np.sqrt(share * (1 - share) / count + reach**2 / (4 * count**2))
    half = reach * float(half) / (1 + reach**2 / count)
    return share, max(middle - half, 0.0), min(middle + half, 1.0)


def _correlation(both: Compared) -> Effect | None:
    """Of the two values whose correlation is furthest off, by Fisher's transform."""
    values = [both.scores.draws, both.scores.chains.reshape(-1, len(both.columns))]
    if not np.any(both.heavy):
        values = [both.draws, both.chains.reshape(-1, len(both.columns))]
    held, given = (np.corrcoef(rows, rowvar=False) for rows in values)
    rows, columns = np.triu_indices(len(both.columns), 1)
    time = float(both.times.max())
    # Of values that are not normal the error is larger: that of their products.
    error = np.hypot(
        _product_error(values[0], rows, columns) * both.copies.mean() ** 0.5,
        time**0.5 * _product_error(values[1], rows, columns),
    )
    z = np.arctanh(np.clip(given[rows, columns], -1 + 1e-12, 1 - 1e-12))
    reached = reach_of(len(rows)) * error
    low, high = np.tanh(z - reached), np.tanh(z + reached)
    effects = [
        Effect(
            CORRELATION,
            f"{both.columns[i]} and {both.columns[j]}",
            *(float(given[i, j]), float(low[n]), float(high[n])),
            right=float(held[i, j]),
        )
        for n, (i, j) in enumerate(zip(rows, columns, strict=True))
    ]
    return worst(effects)


def _product_error(
    values: Float[np.ndarray, "draw column"], rows: np.ndarray, columns: np.ndarray
) -> Float[np.ndarray, " pair"]:
    """Standard errors of the transformed correlations: those of their influence functions."""
    z = (values - values.mean(axis=0)) / values.std(axis=0)
    found = np.empty(len(rows))
    for n, (i, j) in enumerate(zip(rows, columns, strict=True)):
        product = z[:, i] * z[:, j]
        rho = product.mean()
        influence = product - 0.5 * rho * (z[:, i] ** 2 + z[:, j] ** 2)
        found[n] = influence.std() / max(1 - rho**2, 1e-12) / len(z) ** 0.5
    return found


def _along_directions(both: Compared) -> Effect | None:
    """Mean and standard deviation along principal directions of the posterior."""
    if np.any(both.heavy):
        chains, draws = both.scores.chains, both.scores.draws
    else:
        chains, draws = both.chains, both.draws
    centre, std = draws.mean(axis=0), draws.std(axis=0)
    z = (draws - centre) / std
    values, vectors = np.linalg.eigh(z.T @ z / len(z))
    vectors = vectors[:, values > _SMALLEST_VARIANCE * values[-1]]
    along, held = ((chains - centre) / std) @ vectors, z @ vectors
    moving = np.concatenate([along, (along - along.mean(axis=(0, 1))) ** 2], axis=2)
    independent = both.candidate.independent
    times = np.ones(moving.shape[2]) if independent else autocorrelation_times(moving)
    width = vectors.shape[1]
    names = [f"principal direction {width - i} of the posterior" for i in range(width)]
    return worst(sized(names, along, times, held_moments(held, held**2, both.copies)))


def _told_apart(both: Compared) -> Effect | None:
    """By the kernel's own witness, found on half of the draws, in the other half."""
    held, given = (
        (rows - both.draws.mean(axis=0)) / both.draws.std(axis=0)
        for rows in (_evenly(both.draws), _evenly(both.kept))
    )
    train, test = slice(0, None, 2), slice(1, None, 2)
    distances = _squares(held[train], held[train])
    width = float(np.median(distances[distances > 0]))
    scores = [
        _kernel(rows[test], given[train], width).mean(axis=1)
        - _kernel(rows[test], held[train], width).mean(axis=1)
        for rows in (held, given)
    ]
    order = np.searchsorted(np.sort(scores[0]), scores[1]) / len(scores[0])
    own = np.searchsorted(np.sort(scores[1]), scores[0]) / len(scores[1])
    size = float(order.mean())
    error = float(np.hypot(order.std() / len(order) ** 0.5, own.std() / len(own) ** 0.5))
    reached = reach_of(1) * error
    low, high = max(size - reached, 0.0), min(size + reached, 1.0)
    return Effect(TOLD, "draws", size, low, high, right=0.5)


def _evenly(rows: np.ndarray) -> np.ndarray:
    places = np.linspace(0, len(rows) - 1, min(len(rows), _MOST_TOLD)).round().astype(int)
    return rows[places]


def _kernel(a: np.ndarray, b: np.ndarray, width: float) -> np.ndarray:
    return np.exp(-_squares(a, b) / width)  # type: ignore[no-any-return]


def _squares(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Squared distances of rows."""
    squares = np.sum(a**2, axis=1)[:, None] + np.sum(b**2, axis=1) - 2 * a @ b.T
    return np.maximum(squares, 0.0)  # type: ignore[no-any-return]


def _between_chains(both: Compared) -> Effect | None:
    """The spread of chains' means beyond that which their draws explain, in posterior stds."""
    from scipy.special import chdtri

    chains = both.scores.chains
    num_chains, length, width = chains.shape
    between = chains.mean(axis=1).var(axis=0, ddof=1)
    within = chains.var(axis=1).mean(axis=0) * both.times[:width] / length
    tail = 0.5 * (1 - 0.95) / width
    ends = [(num_chains - 1) / chdtri(num_chains - 1, p) for p in (tail, 1 - tail)]
    size, low, high = (
        np.sqrt(np.maximum(factor * between - within, 0.0)) for factor in (1.0, *ends)
    )
    return worst(
        [
            Effect(BETWEEN, name, float(size[i]), float(low[i]), float(high[i]))
            for i, name in enumerate(both.columns)
        ]
    )


def _evidence(both: Compared) -> Effect | None:
    given, held = both.candidate, both.reference
    assert given.log_evidence is not None and held.log_evidence is not None
    error = float(np.hypot(given.log_evidence_se or 0.0, held.log_evidence_se or 0.0))
    size, reached = given.log_evidence - held.log_evidence, reach_of(1) * error
    return Effect(NATS, "log evidence", size, size - reached, size + reached)


_OF: dict[str, Callable[[Compared], Effect | None]] = {
    "location": _mean,
    "means": _mean,
    "spread": _std,
    "variances": _std,
    "distribution": _below,
    PIT: _below,
    "tails": _tails,
    "pairs": _correlation,
    "projections": _along_directions,
    "joint law": _told_apart,
    "chains agree": _between_chains,
    "log evidence": _evidence,
}
