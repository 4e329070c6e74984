"""How the posterior predictive loss approaches the limit's: against width, and against depth.

Bahri, Dyer, Kaplan, Lee and Sharma (2021, arXiv 2102.06701): where a loss is limited by the
variance that finite width adds, L_N − L_∞ falls as 1/N. Bahri and Hanin (Les Houches lectures,
2023, arXiv 2309.01592): in deep networks the ratio of depth to width, the effective depth, says
how large such corrections are.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float

from bnnpost.arguments import positive_integer
from bnnpost.comparison.differences import check_num_blocks, with_errors
from bnnpost.comparison.rates import CoefficientFit, RateFit, fit_coefficient, fit_rate
from bnnpost.networks.build import at_width
from bnnpost.networks.limiting import require_one_process
from bnnpost.numerics.random import require_key
from bnnpost.posterior import Posterior
from bnnpost.studies.losses import (
    LOSSES,
    Estimates,
    Losses,
    Predictive,
    limit_predictive,
    measured_losses,
    narrowest,
    predicted,
    require_predictive,
)

if TYPE_CHECKING:
    import xarray as xr

# Units of each layer in the first-order theory; a power of two.
_NUM_UNITS = 2**14


@dataclass(frozen=True)
class Scaling:
    """Losses of a posterior predictive, what they are more than the limit's, and the fits.

    losses: along `width` or `depth`, for each of nll (nats) and squared_error (units of y²), both
    summed over outputs and averaged over test points: the loss itself, *_limit, *_difference
    (finite − limit) and, where the first-order theory covers the network, *_coefficient (of
    1/N, N the width of the narrowest hidden layer) and *_predicted (coefficient/N). Each has
    the same per test point as *_by_point, and what is estimated a standard error *_se: of the
    Monte Carlo over proposals (of the integration over units for coefficients), not over test
    points. effective_sample_size and controls (how many control variates) are those of the
    proposals; attribute without_theory: why there are no coefficients, if so.
    rates: the power law of the size of each difference, in width or in depth; without one
    where the difference changes sign. coefficients: over widths, of 1/N in each difference
    where the next order is fitted beside it, to be compared with theory.
    """

    losses: "xr.Dataset"
    rates: dict[str, RateFit]
    coefficients: dict[str, CoefficientFit]


def scaling(
    key: Array,
    posterior: Posterior,
    x_test: object,
    y_test: object,
    *,
    widths: Iterable[int],
    num_proposals: int = 20_000,
) -> Scaling:
    """Posterior predictive loss at test targets against width, and how fast it nears the limit's.

    x_test [m, feature], y_test [m] or [m, k]. At each width (every hidden layer as wide, see
    `at_width`) the loss is that of the exact mixture of the predictives of all weighted
    proposals; differences from the limit, which has no error, share control variates as in
    `compare` where they exist. Widths have independent proposals.
    Raises NotImplementedError unless noise is Gaussian of known size; ValueError for fewer than
    two different widths, fewer than 200 proposals, targets that do not fit or are not finite,
    and wherever `compare` does; FloatingPointError where weights are NaN.
    """
    numbers = _different("widths", widths)
    _check(key, posterior, num_proposals)
    # Of equally wide layers, whatever the network's own widths.
    limiting = _limiting(key, _at_width(posterior, numbers[0]), x_test, y_test)
    runs = [_Run(width, _at_width(posterior, width), limiting) for width in numbers]
    losses = _losses(key, "width", runs, num_proposals)
    names = list(map(str, losses.data_vars))
    constant = [name for name in names if "_limit" in name or "_coefficient" in name]
    losses = losses.assign({name: losses[name].isel(width=0, drop=True) for name in constant})
    n = np.asarray(numbers, float)
    coefficients = {name: fit_coefficient(n, *_difference(losses, name)) for name in LOSSES}
    return Scaling(losses, _rates(n, losses), coefficients)


def scaling_over_depth(
    key: Array,
    make_posterior: Callable[[int, int], Posterior],
    x_test: object,
    y_test: object,
    *,
    depths: Iterable[int],
    ratio: float,
    num_proposals: int = 20_000,
) -> Scaling:
    """Posterior predictive loss against depth, with the width in proportion to it.

    make_posterior(depth, width) gives the posterior of a network of that many hidden layers, all
    of that width: depth/ratio, rounded (the coordinate `width` has it). Each depth has a limit
    of its own, and what is looked at is the difference from that one. If depth/width alone
    controls it, `rates` in depth have exponent 0. That can only be expected so far as depth
    leaves the limit's posterior as it is: scales at which a kernel keeps its size (w_std √2 for
    ReLU) do not keep its correlations, and the loss's response to a correction moves with
    them. *_predicted says what first order makes of that.
    Arguments and errors otherwise as in `scaling`.
    """
    numbers = _different("depths", depths)
    if not (np.isfinite(ratio) and ratio > 0):
        raise ValueError(f"expected ratio, depth/width, to be positive and finite, got {ratio}")
    widths, runs = [max(1, round(depth / ratio)) for depth in numbers], []
    for depth, width in zip(numbers, widths, strict=True):
        posterior = make_posterior(depth, width)
        _check(key, posterior, num_proposals)
        runs.append(_Run(depth, posterior, _limiting(key, posterior, x_test, y_test)))
    losses = _losses(key, "depth", runs, num_proposals)
    losses = losses.assign_coords(width=("depth", widths))
    return Scaling(losses.assign_attrs(ratio=ratio), _rates(np.asarray(numbers, float), losses), {})


class _Limiting(NamedTuple):
    """What a limit says of the test points; theory is empty, and why says so, where it has none."""

    points: Float[np.ndarray, "m *f"]
    predictive: Predictive
    log_evidence: float
    theory: Estimates
    why: str


class _Run(NamedTuple):
    """A posterior, its limit, and where it stands along the axis."""

    place: int
    posterior: Posterior
    limiting: _Limiting


def _limiting(key: Array, posterior: Posterior, x_test: object, y_test: object) -> _Limiting:
    points = posterior.checked_test_points(x_test)
    targets = posterior.checked_test_targets(y_test, len(points))
    found = limit_predictive(posterior, points, targets, key)
    try:
        theory, why = predicted(posterior, points, found[0], _NUM_UNITS), ""
    except ValueError as error:
        theory, why = {}, str(error)
    return _Limiting(points, *found, theory, why)


def _different(name: str, values: Iterable[int]) -> list[int]:
    numbers = [positive_integer(name.removesuffix("s"), value) for value in values]
    if len(numbers) < 2 or len(set(numbers)) < len(numbers):
        raise ValueError(f"expected {name} to be at least two different numbers, got {numbers}")
    return sorted(numbers)


def _check(key: Array, posterior: Posterior, num_proposals: int) -> None:
    require_key(key)
    require_predictive(posterior)
    check_num_blocks("num_proposals", num_proposals)
    require_one_process(posterior.network)


def _at_width(posterior: Posterior, width: int) -> Posterior:
    network = at_width(posterior.network, width)
    return Posterior(network, posterior.likelihood, posterior.x, posterior.targets)


def _losses(key: Array, dim: str, runs: Sequence[_Run], num_proposals: int) -> "xr.Dataset":
    import xarray as xr

    # The limit's kernel, where it is sampled, has the key itself, the same at every width.
    found = [_one(jax.random.fold_in(key, run.place), run, num_proposals) for run in runs]
    whole = xr.concat(found, dim=dim).assign_coords({dim: [run.place for run in runs]})
    refusals = [run.limiting.why for run in runs if run.limiting.why]
    return whole.assign_attrs(num_proposals=num_proposals, without_theory="; ".join(refusals[:1]))


def _one(key: Array, run: _Run, num_proposals: int) -> "xr.Dataset":
    """Everything at one width or depth."""
    limiting = run.limiting
    own = limiting.predictive.losses()
    differences, attributes = measured_losses(
        key,
        run.posterior,
        limiting.points,
        limiting.predictive,
        limiting.log_evidence,
        num_proposals,
    )
    estimates = {**_whole(own, differences), **differences}
    if limiting.theory:
        estimates |= _predicted(limiting.theory, narrowest(run.posterior))
    exact: dict[str, Any] = {**own.quantities("_limit"), **attributes}
    points = {name: (("point",)[: np.ndim(value)], value) for name, value in exact.items()}
    return with_errors(estimates, {1: ("point",)}).assign(points)


def _whole(limiting: Losses, differences: Estimates) -> Estimates:
    """The losses themselves, whose errors are those of the differences."""
    found = {}
    for name, value in limiting.quantities("").items():
        loss = name.removesuffix("_by_point")
        difference, error = differences[f"{loss}_difference{name.removeprefix(loss)}"]
        found[name] = (value + difference, error)
    return found


def _predicted(coefficients: Estimates, width: int) -> Estimates:
    scaled = {
        name.replace("_coefficient", "_predicted"): (value / width, error / width)
        for name, (value, error) in coefficients.items()
    }
    return {**coefficients, **scaled}


def _difference(losses: "xr.Dataset", name: str) -> tuple[np.ndarray, np.ndarray]:
    value, error = losses[f"{name}_difference"], losses[f"{name}_difference_se"]
    return np.asarray(value), np.asarray(error)


def _rates(places: Float[np.ndarray, " w"], losses: "xr.Dataset") -> dict[str, RateFit]:
    found = {}
    for name in LOSSES:
        values, errors = _difference(losses, name)
        if np.all(values > 0) or np.all(values < 0):
            found[name] = fit_rate(places, values, errors)
    return found
