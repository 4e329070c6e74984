"""All checks of one comparison, corrected for one another."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Shaped

from bnnpost.verification import permutation, pit, repeats, score_moments
from bnnpost.verification.compared import Compared
from bnnpost.verification.report import PIT, Check

# Of the level, the part that each kind of check may spend; where a kind has nothing to check the
# others share its part.
_SHARES = {
    "permutation": 0.5,
    "pit": 0.2,
    "means": 0.1,
    "variances": 0.1,
    "chains": 0.05,
    "evidence": 0.05,
}
# Draws compared by permutation, at most, and how many of the reference's to one of the candidate's.
_MOST_CANDIDATE, _MOST_REFERENCE, _TIMES = 10_000, 20_000, 5
# Of sizes in units of the values, where scores are compared.
_IF_NORMAL = " if its law is normal"


def all_of(
    both: Compared,
    uniforms: Float[np.ndarray, "kept column"],
    level: float,
    rng: np.random.Generator,
) -> Iterator[Check]:
    """Every check that the two sets of draws allow. uniforms: see `Compared.pit`."""
    shares = _shares(both)
    yield from _by_permutation(both, level, shares["permutation"], rng)
    yield _of_pit(both, uniforms, level, shares["pit"])
    yield from _of_moments(both, level, shares, rng)
    if "chains" in shares:
        yield _of_chains(both, shares["chains"])
    if "evidence" in shares:
        yield _of_evidence(both, level, shares["evidence"])


def _shares(both: Compared) -> dict[str, float]:
    shares = dict(_SHARES)
    candidate, reference = both.candidate, both.reference
    if candidate.independent or both.chains.shape[0] == 1:
        del shares["chains"]
    if candidate.log_evidence is None or reference.log_evidence is None:
        del shares["evidence"]
    return {name: share / sum(shares.values()) for name, share in shares.items()}


def _adjusted(p_value: float, share: float) -> float:
    return min(1.0, p_value / share)


def _by_permutation(
    both: Compared, level: float, share: float, rng: np.random.Generator
) -> Iterator[Check]:
    candidate = _evenly(both.kept, _MOST_CANDIDATE)
    most = min(_MOST_REFERENCE, _TIMES * len(candidate))
    reference, copies = (
        _evenly(both.draws, most),
        repeats.copies(_evenly(both.reference.rows, most)),
    )
    effective = len(candidate) / both.kept_time, repeats.worth(copies)
    error = np.sqrt(1 / effective[0] + 1 / effective[1])
    is_heavy = bool(np.any(both.heavy))
    scores = " (of normal scores where tails are heavy)" if is_heavy else ""
    for test in permutation.all_tests(
        candidate,
        reference,
        both.columns,
        level * share,
        rng,
        both.heavy,
        both.reference.distance,
        both.kept_time,
        copies,
    ):
        kind = test.family
        yield Check(
            name=kind.name,
            measure="MMD², its own spread over permutations"
            if kind.groups
            else f"largest difference in standard errors{scores}",
            statistic=test.statistic,
            p_value=test.p_value,
            adjusted=_adjusted(test.corrected, share),
            effective=effective,
            where=test.where,
            smallest=kind.told(test.found * error)
            + (_IF_NORMAL if kind.of_values and is_heavy else ""),
        )


def _evenly(rows: Shaped[np.ndarray, "r *c"], most: int) -> Shaped[np.ndarray, "r *c"]:
    """At most so many rows, evenly spread."""
    if len(rows) <= most:
        return rows
    return rows[np.linspace(0, len(rows) - 1, most).round().astype(int)]


def _of_pit(
    both: Compared, uniforms: Float[np.ndarray, "kept column"], level: float, share: float
) -> Check:
    count, num_reference = both.num_kept, both.num_reference
    sizes = [1 / (1 / count + d.error / num_reference) for d in both.laws]
    allowed = both.reference.distance
    found = [pit.kolmogorov(u, size, allowed) for u, size in zip(uniforms.T, sizes, strict=True)]
    distances, p_values = np.array(found).T
    worst = int(np.argmin(p_values))
    p_value = min(1.0, len(found) * float(p_values[worst]))
    smallest = allowed + pit.found_nine_times_in_ten(level * share / len(found), sizes[worst])
    return Check(
        name=PIT,
        measure="largest distance from uniform",
        statistic=float(distances[worst]),
        p_value=p_value,
        adjusted=_adjusted(p_value, share),
        effective=(count, num_reference / both.laws[worst].error),
        where=both.columns[worst],
        smallest=f"a distance of {smallest:.2g} at one value",
    )


def _of_moments(
    both: Compared, level: float, shares: dict[str, float], rng: np.random.Generator
) -> Iterator[Check]:
    width = len(both.columns)
    times, distance = (both.times[:width], both.times[width:]), both.reference.distance
    found = score_moments.means(both.scores, times[0], level * shares["means"], rng, distance)
    size = found.lost + np.max((found.critical + pit.ONE_IN_TEN) * found.std)
    smallest = f"a mean shift of {size:.2g} posterior std"
    yield _of_largest(both, "means", found, times[0], shares, ("high", "low"), smallest)
    found = score_moments.variances(
        both.scores, times[1], level * shares["variances"], rng, distance
    )
    size = found.lost + np.max((found.critical + pit.ONE_IN_TEN) * found.std)
    smallest = f"a std {100 * size / 2:.2g} % off"
    yield _of_largest(both, "variances", found, times[1], shares, ("wide", "narrow"), smallest)


def _of_largest(
    both: Compared,
    name: str,
    found: score_moments.Largest,
    times: Float[np.ndarray, " column"],
    shares: dict[str, float],
    directions: tuple[str, str],
    smallest: str,
) -> Check:
    direction = directions[0] if found.z[found.place] > 0 else directions[1]
    count = both.chains.shape[0] * both.chains.shape[1]
    return Check(
        name=name,
        measure="largest difference of normal scores in standard errors",
        statistic=abs(float(found.z[found.place])),
        p_value=found.p_value,
        adjusted=_adjusted(found.p_value, shares[name]),
        effective=(count / float(times[found.place]), both.num_reference),
        where=f"{both.columns[found.place]} (too {direction})",
        smallest=f"{smallest}, at any one value{_IF_NORMAL}",
    )


def _of_chains(both: Compared, share: float) -> Check:
    width = len(both.columns)
    statistics, p_values = score_moments.chains_disagree(both.scores.chains, both.times[:width])
    worst = int(np.argmin(p_values))
    p_value = min(1.0, width * float(p_values[worst]))
    count = both.chains.shape[0] * both.chains.shape[1]
    return Check(
        name="chains agree",
        measure="variance between chains over that expected",
        statistic=float(statistics[worst]),
        p_value=p_value,
        adjusted=_adjusted(p_value, share),
        effective=(count / float(both.times[worst]), both.num_reference),
        where=both.columns[worst],
    )


def _of_evidence(both: Compared, level: float, share: float) -> Check:
    from scipy.special import ndtri

    given, held = both.candidate, both.reference
    assert given.log_evidence is not None and held.log_evidence is not None
    error = float(np.hypot(given.log_evidence_se or 0.0, held.log_evidence_se or 0.0))
    z = (given.log_evidence - held.log_evidence) / error
    p_value = score_moments.two_sided(z)
    critical = -float(ndtri(level * share / 2))
    return Check(
        name="log evidence",
        measure="difference in standard errors",
        statistic=abs(z),
        p_value=p_value,
        adjusted=_adjusted(p_value, share),
        effective=(float(both.candidate.num_draws), both.num_reference),
        smallest=f"{(critical + pit.ONE_IN_TEN) * error:.2g} nats",
    )
