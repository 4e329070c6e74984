"""What is checked of a reference before it is written: by itself, and by a second route.

The second route draws every weight, where the reference draws each layer's outputs at the data,
and has random numbers of its own.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import jax
import numpy as np
from jaxtyping import Array, Float

from bnnpost.draws import Draws
from bnnpost.networks.layers import num_parameters
from bnnpost.numerics.weights import normalised
from bnnpost.posterior import Posterior
from bnnpost.samplers import importance, rejection
from bnnpost.samplers.plan import LARGEST_PARETO_K
from bnnpost.spaces.network_parts import split_gaussian_readout
from bnnpost.verification import permutation, pit
from bnnpost.verification.reference_values import Component, components
from bnnpost.verification.sets import TEST, TRAIN, columns_of, side_by_side
from bnnpost.verification.unusable import as_rows
from bnnpost.verification.verify import verify
from bnnpost.zoo.reference_files import equal_rows

if TYPE_CHECKING:
    import xarray as xr

# How often each check fails right draws. Of 2,000 permutations every one of seven checks has a
# largest, so that corrected p-values reach down to 7 in 2,000: below that none could ever fail.
_HALVES_LEVEL, _DRAWS_LEVEL, _ESTIMATES_LEVEL = 0.005, 0.01, 0.001
# Of the second route: draws, and normals drawn for estimates, in all and in proposals.
_NUM_DRAWS = 1000
_NUM_NORMALS, _FEWEST_PROPOSALS, _MOST_PROPOSALS = 10**9, 2_000, 100_000
# Networks of so few weights are cheap enough to draw by a strict bound with every weight.
_FEW_WEIGHTS = 2_000


@dataclass(frozen=True)
class Finding:
    """One check: what was found, the limit that it must keep, and what both are of."""

    name: str
    passed: bool
    found: float
    limit: float
    measure: str


class CheckFailed(ValueError):
    """A reference is not what it should be, and was not written."""


def checked(
    key: Array, posterior: Posterior, draws: Draws, data: "xr.Dataset"
) -> tuple[Finding, ...]:
    """Every check of draws, and of the values of them that are to be written.

    Raises CheckFailed at the first that fails.
    """
    found = []
    for check in _each(key, posterior, draws, data):
        if not check.passed:
            raise CheckFailed(
                f"a check that right draws pass 99 times in 100 has failed, {check.name}: "
                f"{check.measure} is {check.found:.3g}, the limit {check.limit:.3g}. Nothing was "
                "written; please report it with what bnnpost info prints"
            )
        found.append(check)
    return tuple(found)


def _each(key: Array, posterior: Posterior, draws: Draws, data: "xr.Dataset") -> Iterator[Finding]:
    """The checks one after another, the quick ones first."""
    read_key, half_key, draws_key, estimate_key = jax.random.split(key, 4)
    yield from _of_values(draws, data)
    yield _of_halves(half_key, data.isel(sample=equal_rows(data, read_key)))
    yield _by_weights(draws_key, posterior, draws, data)
    yield from _by_estimates(estimate_key, posterior, draws, data)


def _of_values(draws: Draws, data: "xr.Dataset") -> Iterator[Finding]:
    rows = np.concatenate([data[name].values.reshape(len(draws), -1) for name in (TEST, TRAIN)], 1)
    wrong = int(np.sum(~np.isfinite(rows)))
    yield Finding("finite", wrong == 0, wrong, 0, "number of values that are NaN or infinite")
    repeats = len(rows) - len(np.unique(as_rows(rows)))
    yield Finding("distinct", repeats == 0, repeats, 0, "number of draws that repeat another")
    if draws.info.kind == "capped":
        k = np.inf if draws.info.pareto_k is None else draws.info.pareto_k
        fine = k <= LARGEST_PARETO_K
        yield Finding("weights", fine, k, LARGEST_PARETO_K, "Pareto k of all proposals' weights")
    known = components(data)
    if known:
        yield _of_mixture(data, known)


def _of_mixture(data: "xr.Dataset", known: Mapping[str, Component]) -> Finding:
    """Each value less its Gaussian's mean, over its std: standard normal, whatever the weights."""
    from scipy.special import ndtr

    deviates = [(data[n].values - mean) / np.sqrt(var) for n, (mean, var) in known.items()]
    uniforms = ndtr(np.concatenate([z.reshape(len(z), -1) for z in deviates], axis=1))
    p_values = [pit.kolmogorov(column, len(column))[1] for column in uniforms.T]
    corrected = min(1.0, len(p_values) * min(p_values))
    return _of_p_value("mixture", corrected, _ESTIMATES_LEVEL)


def _of_halves(key: Array, data: "xr.Dataset") -> Finding:
    """The first half of the draws against the second, by permutation."""
    values = {name: data[name].values for name in (TEST, TRAIN)}
    rows = side_by_side(values, (TEST, TRAIN))
    middle = len(rows) // 2
    rng = np.random.default_rng(np.asarray(jax.random.key_data(key)))
    columns = tuple(columns_of({name: each.shape[1:] for name, each in values.items()}))
    tested = permutation.all_tests(rows[:middle], rows[middle:], columns, _HALVES_LEVEL, rng)
    return _of_p_value("halves", min(test.corrected for test in tested), _HALVES_LEVEL)


def _of_p_value(name: str, p_value: float, level: float) -> Finding:
    return Finding(name, p_value > level, p_value, level, "least p-value, corrected for all")


def _by_weights(key: Array, posterior: Posterior, draws: Draws, data: "xr.Dataset") -> Finding:
    """Other draws of the same posterior, made of all their weights, as a candidate of verify."""
    sample_key, verify_key = jax.random.split(key)
    few = num_parameters(posterior.network, posterior.x.shape[1:]) <= _FEW_WEIGHTS
    bound = draws.info.kind == "exact" and few
    others = rejection.sample(
        sample_key,
        posterior,
        num_samples=_NUM_DRAWS,
        space="weights",
        bound="strict" if bound else "capped",
    )
    report = verify(verify_key, others, data, level=_DRAWS_LEVEL)
    return _of_p_value("weight space", min(report.p_values.values()), _DRAWS_LEVEL)


def _by_estimates(
    key: Array, posterior: Posterior, draws: Draws, data: "xr.Dataset"
) -> Iterator[Finding]:
    """The evidence and the mean of f at the test inputs, from every proposal in weight space."""
    if split_gaussian_readout(posterior.network)[1] is None:
        return  # there are no such estimates; the evidence is one of the checks of `verify`
    size = num_parameters(posterior.network, posterior.x.shape[1:])
    count = min(max(_NUM_NORMALS // size, _FEWEST_PROPOSALS), _MOST_PROPOSALS)
    found = importance.estimate(
        key, posterior, data["x_test"].values, num_proposals=count, space="weights"
    )
    error = np.hypot(found.log_evidence_se, draws.info.log_evidence_se)
    z = abs(found.log_evidence - draws.info.log_evidence) / error
    yield _of_deviates("evidence", np.array([z]))
    mean, mean_se = _mean(draws, data)
    yield _of_deviates("mean", np.abs(found.mean() - mean) / np.hypot(found.mean_se(), mean_se))


def _of_deviates(name: str, z: Float[np.ndarray, "..."]) -> Finding:
    from scipy.stats import norm

    worst, limit = float(np.max(z)), float(norm.isf(_ESTIMATES_LEVEL / 2 / z.size))
    measure = f"largest difference of {z.size}, in standard errors"
    return Finding(name, worst <= limit, worst, limit, measure)


def _mean(
    draws: Draws, data: "xr.Dataset"
) -> tuple[Float[np.ndarray, "m k"], Float[np.ndarray, "m k"]]:
    """The weighted mean of f at the test inputs, and its standard error."""
    weights, values = normalised(draws.log_weights), data[TEST].values
    mean = np.tensordot(weights, values, axes=1)
    deviations = weights[:, None, None] * (values - mean)
    return mean, np.sqrt(np.sum(deviations**2, axis=0))
