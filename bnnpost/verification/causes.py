"""A guess at why a candidate is wrong, where its errors make a pattern that is known.

An alteration of the posterior is told only where it explains the errors of all values: none is
left that its own error and five percent do not cover, and of their squares less than a tenth.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from bnnpost.verification import alterations
from bnnpost.verification.alterations import Alteration, Fitted
from bnnpost.verification.effects import MEAN, STD, Effect
from bnnpost.verification.jackknife import Rows, deviates, jackknife_errors
from bnnpost.verification.prior_changes import PriorChange

# What is left of a value, in standard deviations or as the log of a ratio, that nobody minds; and
# the root mean square of what is left of all, over that of what there was.
_NEGLIGIBLE, _UNEXPLAINED = 0.05, 0.3
# How often an interval of a parameter is wrong, and one of those of what is left of all values.
_MISSED, _ANY_MISSED = 0.05, 0.01
# A factor is the root of a fan-in where it is this near, in logs; or within its interval.
_NEAR = 0.03
# A mode is missing where less than this part of it is there.
_MISSING = 0.02
# A Gaussian's mean deviation in stds; off it by the first a law may be a Gaussian, by the second
# it is none. The same for the part of draws above the mean.
_MEAN_DEVIATION, _NORMAL, _NOT_NORMAL = math.sqrt(2 / math.pi), 0.015, 0.03
# Correlations that the posterior must have for it to be seen that there are none.
_CORRELATED = 0.3
# A chain that moves by this part of what the others do stands still.
_STUCK = 0.1
_MOST = 2


@dataclass(frozen=True)
class Cause:
    """What the draws look like: "as if" these words. effect: of all values together, if one."""

    words: str
    effect: Effect | None = None

    def __str__(self) -> str:
        return f"as if {self.words}"


@dataclass(frozen=True)
class Background:
    """What is known of the posterior besides draws.

    prior: draws of the prior, if there are any. prior_changes: what columns have under other ones.
    noise_std: of Gaussian noise of known size. fan_ins: of the layers that have weights.
    """

    prior: Callable[[], Rows | None] = lambda: None
    prior_changes: Callable[[], Sequence[PriorChange]] = lambda: ()
    noise_std: float | None = None
    fan_ins: tuple[int, ...] = ()


def causes_of(
    columns: Sequence[str],
    candidate: Rows,
    reference: Rows,
    known: Background,
    chains: Float[np.ndarray, "chain draw column"] | None = None,
) -> tuple[Cause, ...]:
    """At most two, the most telling first; none where no pattern is clear.

    chains: the candidate's draws as chains, where it has several.
    """
    stuck = [] if chains is None else list(_stuck(chains))
    if stuck:
        return tuple(stuck)
    errors = alterations.nothing(candidate, reference).left
    about = _About(columns, candidate, reference, known, float(np.sqrt(np.mean(errors**2))))
    found: list[Cause] = []
    for rule in _RULES:
        if len(found) < _MOST:
            found += rule(about)
    return tuple(found) or tuple(_of_shape(about))


@dataclass(frozen=True)
class _About:
    """What rules look at. size: root mean square of the errors of means and (log) stds."""

    columns: Sequence[str]
    candidate: Rows
    reference: Rows
    known: Background
    size: float


@dataclass(frozen=True)
class _Supported:
    """An alteration that explains everything: its parameters, and half their intervals."""

    parameters: Float[np.ndarray, " k"]
    half: Float[np.ndarray, " k"]
    misfit: float

    def interval(self, place: int = 0) -> tuple[float, float, float]:
        middle, half = float(self.parameters[place]), float(self.half[place])
        return middle, middle - half, middle + half


def _supported(about: _About, alteration: Alteration, law: Rows | None = None) -> _Supported | None:
    """Whether an alteration of the reference, or of another law, explains the candidate."""
    reference = about.reference if law is None else law
    fitted = alteration(about.candidate, reference)
    if fitted is None or _rms(fitted.left) > _UNEXPLAINED * about.size:
        return None

    def both(candidate: Rows, reference: Rows) -> np.ndarray:
        found = alteration(candidate, reference)
        return found.both() if found else np.full_like(fitted.both(), np.nan)

    errors = jackknife_errors(both, about.candidate, reference)
    if not np.all(np.isfinite(errors)):
        return None
    count = len(fitted.parameters)
    if not _covered(fitted, errors[count:]):
        return None
    return _Supported(fitted.parameters, deviates(_MISSED) * errors[:count], _rms(fitted.left))


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(values**2)))


def _covered(fitted: Fitted, errors: np.ndarray) -> bool:
    """Whether what is left of each value is within its error, or negligible."""
    reached = deviates(_ANY_MISSED / len(errors)) * errors
    return bool(np.all(np.abs(fitted.left) <= np.maximum(reached, _NEGLIGIBLE)))


def _told(value: tuple[float, float, float], digits: int = 3) -> str:
    middle, low, high = value
    return f"{middle:.{digits}g} [{low:.{digits}g}, {high:.{digits}g}]"


def _as_factor(found: tuple[float, float, float]) -> tuple[float, float, float]:
    low, middle, high = (math.exp(found[place]) for place in (1, 0, 2))
    return middle, low, high


def _of_prior(about: _About) -> Iterator[Cause]:
    law = about.known.prior()
    if law is not None and _supported(about, alterations.nothing, law):
        yield Cause("the data were ignored: means and stds of all values are those of the prior")


def _of_power(about: _About) -> Iterator[Cause]:
    found = _supported(about, alterations.tempered)
    if found is None:
        return
    power = _as_factor(found.interval())
    counted = f"the data counted {_told(power)} times"
    noise = about.known.noise_std
    if noise is None:
        yield Cause(counted)
        return
    middle, low, high = (noise / math.sqrt(each) for each in (power[0], power[2], power[1]))
    yield Cause(f"the noise std were {_told((middle, low, high))}, not {noise:.3g} ({counted})")


def _of_prior_stds(about: _About) -> Iterator[Cause]:
    """All that explain the errors, the best first: which of them it is cannot be told then."""
    explained: list[tuple[float, str]] = []
    for change in about.known.prior_changes():
        found = _supported(about, alterations.prior_changed(change))
        if found is not None:
            factor = math.exp(found.parameters[0])
            words = f"{change.words} were {factor:.3g} times as large"
            explained.append((found.misfit, words))
    if explained:
        yield Cause(", or ".join(words for _, words in sorted(explained)))


def _of_scale(about: _About) -> Iterator[Cause]:
    """One factor on all values, or on all deviations; where means are about 0 these are alike."""
    times, spread = (
        _supported(about, one) for one in (alterations.multiplied, alterations.stretched)
    )
    found = times or spread
    if found is None:
        return
    log, factor = found.interval(), _as_factor(found.interval())
    effect = Effect(STD, f"all {len(about.columns)} values", *factor, right=1.0)
    by = _fan_in(about, log) if times else ""
    if times and (by or spread is None or times.misfit < spread.misfit):
        yield Cause(f"every function value were multiplied by {_told(factor)}{by}", effect)
    else:
        yield Cause(f"every deviation from the mean were multiplied by {_told(factor)}", effect)


def _fan_in(about: _About, log: tuple[float, float, float]) -> str:
    """What is said where a factor is the root of a layer's fan-in."""
    near = max(_NEAR, log[2] - log[0])
    for fan_in in about.known.fan_ins:
        root = 0.5 * math.log(fan_in)
        if fan_in > 1 and abs(abs(log[0]) - root) <= near:
            if log[0] > 0:
                return (
                    f" = √{fan_in}: weights of a layer of fan-in {fan_in} not divided by its root"
                )
            return (
                f" = 1/√{fan_in}: weights of a layer of fan-in {fan_in} divided by its root twice"
            )
    return ""


def _of_shift(about: _About) -> Iterator[Cause]:
    plain, by_stds = (
        _supported(about, one) for one in (alterations.shifted, alterations.shifted_by_stds)
    )
    if by_stds and (plain is None or by_stds.misfit < plain.misfit):
        effect = Effect(MEAN, f"all {len(about.columns)} values", *by_stds.interval())
        yield Cause(f"every mean were off by {_told(by_stds.interval())} of its std", effect)
    elif plain:
        yield Cause(f"{_told(plain.interval())} were added to every value")


def _of_modes(about: _About) -> Iterator[Cause]:
    """Parts of two modes, in the value whose mean is furthest off that has two."""
    means = np.abs(alterations.nothing(about.candidate, about.reference).left)
    for column in np.argsort(-means[: len(about.columns)])[:3].tolist():
        place = alterations.valley(about.reference.draws[:, column])
        if place is None:
            continue
        found = _supported(about, alterations.modes_along(column, place))
        if found is None:
            continue
        given, right, sign = found.interval(0), found.interval(1), "<"
        if given[0] > right[0]:  # it is the mode above that has too few
            given, right = ((1 - v[0], 1 - v[2], 1 - v[1]) for v in (given, right))
            sign = ">"
        held = f"{100 * right[0]:.3g} % [{100 * right[1]:.3g}, {100 * right[2]:.3g}]"
        where = f"{about.columns[column]} {sign} {place:.2g}"
        if given[0] < _MISSING * right[0]:
            yield Cause(f"one mode were missing: {held} of the posterior has {where}, no draws do")
        else:
            here = f"{100 * given[0]:.3g} % [{100 * given[1]:.3g}, {100 * given[2]:.3g}]"
            yield Cause(f"a mode had another weight: {here} of draws have {where}, not {held}")
        return


_RULES: tuple[Callable[[_About], Iterator[Cause]], ...] = (
    _of_prior,
    _of_power,
    _of_prior_stds,
    _of_scale,
    _of_shift,
    _of_modes,
)


def _of_shape(about: _About) -> Iterator[Cause]:
    """Where means and standard deviations are right: what else is as of another law."""
    errors = jackknife_errors(
        lambda c, r: alterations.nothing(c, r).left, about.candidate, about.reference
    )
    if not _covered(alterations.nothing(about.candidate, about.reference), errors):
        return
    if _is_independent(about):
        yield Cause("every value were drawn by itself: correlations are 0, means and stds right")
    elif _is_normal(about.candidate) and not _is_normal(about.reference, _NOT_NORMAL):
        yield Cause("a Gaussian of the right means and stds were drawn")


def _is_independent(about: _About) -> bool:
    pairs = np.triu_indices(len(about.columns), 1)
    if not len(pairs[0]):
        return False
    held = np.corrcoef(about.reference.draws, rowvar=False)[pairs]

    def correlations(candidate: Rows, reference: Rows) -> np.ndarray:
        return np.corrcoef(candidate.draws, rowvar=False)[pairs]  # type: ignore[no-any-return]

    given = correlations(about.candidate, about.reference)
    errors = jackknife_errors(correlations, about.candidate, about.reference)
    reached = np.maximum(deviates(_ANY_MISSED / len(given)) * errors, _NEGLIGIBLE)
    explained = _rms(given) <= _UNEXPLAINED * _rms(held) and np.max(np.abs(held)) > _CORRELATED
    return bool(explained and np.all(np.abs(given) <= reached))


def _is_normal(rows: Rows, allowed: float = _NORMAL) -> bool:
    """Whether mean deviations and signs of all values are as a Gaussian's (Geary 1935)."""

    def shape(rows: Rows, other: Rows) -> np.ndarray:
        z = (rows.draws - rows.draws.mean(axis=0)) / rows.draws.std(axis=0)
        sizes, signs = np.abs(z).mean(axis=0) - _MEAN_DEVIATION, np.mean(z > 0, axis=0) - 0.5
        return np.concatenate([sizes, signs])

    given = shape(rows, rows)
    errors = jackknife_errors(shape, rows, rows)  # of the first alone
    reached = deviates(_ANY_MISSED / len(given)) * errors
    return bool(np.all(np.abs(given) <= np.maximum(reached, allowed)))


def _stuck(chains: Float[np.ndarray, "chain draw column"]) -> Iterator[Cause]:
    stds = chains.std(axis=1).mean(axis=1) / chains.std(axis=(0, 1)).mean()
    if len(stds) < 2:
        return
    usual = float(np.median(stds))
    still = np.flatnonzero(stds < _STUCK * usual)
    if len(still):
        which = ", ".join(map(str, still[:3].tolist()))
        more = f" and {len(still) - 3} more" if len(still) > 3 else ""
        yield Cause(
            f"chain {which}{more} (counted from 0) of {len(stds)} stood still: values there move "
            f"by {float(np.max(stds[still])) / usual:.2g} of what they do in the others"
        )
