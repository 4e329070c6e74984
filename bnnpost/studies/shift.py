"""How a posterior predicts as test inputs move away from the data, beside its limit.

Andreassen, Bahri, Neyshabur and Roelofs (2021, arXiv 2106.15831) follow trained networks under a
shift; here the questions are asked of posteriors: losses, calibration and epistemic variance of
the exact finite-width posterior, of its limit and of an ensemble, over widths.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float

from bnnpost.arguments import positive_integer, whole_number
from bnnpost.comparison.differences import Estimates, check_num_blocks, with_errors
from bnnpost.networks.build import at_width
from bnnpost.networks.limiting import require_one_process
from bnnpost.numerics.random import require_key
from bnnpost.posterior import Posterior
from bnnpost.samplers import ensemble, rejection
from bnnpost.spelling import rounded
from bnnpost.studies.losses import Predictive, limit_predictive, require_predictive
from bnnpost.studies.shift_lines import on_scale
from bnnpost.studies.shift_losses import (
    LEVELS,
    are_classes,
    judged,
    of_members,
    of_the_limit,
    of_the_posterior,
)
from bnnpost.studies.shift_models import Models, all_lines
from bnnpost.studies.shift_text import shift_label, shift_table
from bnnpost.studies.shifted_inputs import MovedInputs, Shifts, Targets, places
from bnnpost.summaries import Described
from bnnpost.summaries.summary import Section, Summary

if TYPE_CHECKING:
    import xarray as xr

# What the lines need: fewer models make none.
_LEAST_MODELS = 10


@dataclass(frozen=True)
class Shift(Described):
    """Losses, calibration and spread along shift and width, and the lines of single models.

    losses: along `shift` (coordinates family and strength; the first, family "none", is the test
    set as it is) and `width`. For the exact posterior nll (nats) and squared_error (units of y²),
    both summed over outputs and averaged over test points, epistemic_var (the variance of f
    without noise, units of y², averaged over points and outputs), coverage (along `level`: the
    share of targets inside the central predictive interval of that level), accuracy where targets
    are classes; *_limit [shift]; *_ensemble, of the ensemble's members as a mixture with the
    likelihood's noise; *_difference (finite − limit). What is estimated has a standard error
    *_se, of the Monte Carlo over proposals (over members), not over test points.
    models: squared_error and accuracy of each draw of the posterior alone (draw_*) and each member
    (member_*), along shift and width.
    lines: for each of squared_error (logarithm) and accuracy (probit), along `models`, `shift`,
    `width`: the least-squares line of models after a shift on the same before: slope, intercept,
    correlation, scatter (std around it); residual, with residual_se, of each `predictor`
    (posterior, limit, ensemble) above it. Along shift alone, from three widths on, slope and
    correlation *_over_widths of the exact posteriors.
    """

    losses: "xr.Dataset"
    models: "xr.Dataset"
    lines: "dict[str, xr.Dataset]"

    def describe(self) -> Summary:
        """Return losses and calibration as data, to be printed, made a page or JSON."""
        table = shift_table(self.losses, self.lines)
        at = self.losses.sel(width=self.losses["width"].values[-1])
        worst = int(np.argmax(at["squared_error"].values))
        family, strength = str(at["family"].values[worst]), float(at["strength"].values[worst])
        width, error = int(at["width"]), float(at["squared_error"].values[worst])
        name = "the test set as it is" if family == "none" else shift_label(family, strength)
        return Summary(
            title="Losses as test inputs move",
            kind="Shift",
            headline=(
                f"The squared error at width {width:,} is largest at {name}: {rounded(error, 4)}."
            ),
            sections=(Section("Losses and calibration", "by-shift", (table,), brief=True),),
        )

    def scaled(self, measure: str, values: object, shift: int) -> Float[np.ndarray, "*s"]:
        """Values of a measure at one place along shift, on the scale of the lines."""
        found = np.asarray(values, float)
        count = self.losses["num_points"].values[shift]
        return on_scale(measure, found, np.zeros_like(found), count).value


def shift(
    key: Array,
    posterior: Posterior,
    x_test: object,
    y_test: Targets,
    *,
    shifts: Shifts,
    widths: Iterable[int],
    num_proposals: int = 20_000,
    num_draws: int = 0,
    num_members: int = 0,
    num_steps: int | None = None,
) -> Shift:
    """Predictive loss, calibration and epistemic variance as test inputs move, over widths.

    x_test [m, feature]. y_test: [m] or [m, k], of which each stays with its row however far this
    moves; or a function of inputs that gives targets [m] or [m, k] at the moved ones, so that what
    made the targets stays as it was (a covariate shift). shifts: `studies.Translate`, `Rescale`,
    `Rotate`, in a sequence or by name in a mapping, which may also hold other data sets (x, y).
    Each width (every hidden layer as wide, see `at_width`) has the exact mixture over all weighted
    proposals, the same ones at every shift; differences from the limit share control variates as
    in `compare`. num_draws: exact draws by `rejection.sample`, each a model, for lines before and
    after a shift; num_members: of an ensemble, and num_steps of its training (see
    `ensemble.sample`); none of either by default.

    Raises NotImplementedError unless noise is Gaussian of known size; ValueError for no shifts or
    widths, strengths that are not finite, fewer than 200 proposals, from 1 to 9 models, inputs or
    targets that do not fit or are not finite, and wherever `compare` does; TypeError for a legacy
    key; FloatingPointError where weights are NaN.
    """
    numbers = _check(key, posterior, widths, num_proposals, num_draws, num_members)
    found = places(posterior, x_test, y_test, shifts)
    counts = _Counts(num_proposals, num_draws, num_members, num_steps)
    midpoint = _midpoint([posterior.targets, *(place.targets for place in found)])
    setting = _Setting(found, counts, midpoint)
    # No width is 0: of the units that the limit's kernel samples, if it does.
    limit_key = jax.random.fold_in(key, 0)
    limits = _limits(limit_key, _with_width(posterior, numbers[0]), setting)
    parts = [
        _at_width(jax.random.fold_in(key, n), _with_width(posterior, n), setting, limits)
        for n in numbers
    ]
    losses = _joined([part[0] for part in parts], numbers, found)
    losses = losses.assign(_limit_losses(setting, limits))
    losses = losses.assign_attrs(num_proposals=num_proposals, num_draws=num_draws)
    models = Models.joined([part[1] for part in parts], numbers)
    lines = all_lines(jax.random.fold_in(limit_key, 1), losses, models)
    return Shift(losses, models.dataset(found), lines)


class _Counts(NamedTuple):
    proposals: int
    draws: int
    members: int
    steps: int | None


class _Setting(NamedTuple):
    """Where predictors are asked, and by how much; midpoint: of classes, else None."""

    places: list[MovedInputs]
    counts: _Counts
    midpoint: float | None


class _Limiting(NamedTuple):
    """What the limit says of the targets at one place."""

    predictive: Predictive
    log_evidence: float
    noise_var: float

    def estimates(self) -> Estimates:
        found = of_the_limit(self.predictive, self.noise_var)
        return {name: (value, np.zeros_like(value)) for name, value in found.items()}


def _check(
    key: Array,
    posterior: Posterior,
    widths: Iterable[int],
    num_proposals: int,
    num_draws: int,
    num_members: int,
) -> list[int]:
    """The widths, ascending."""
    require_key(key)
    require_predictive(posterior)
    check_num_blocks("num_proposals", num_proposals)
    for name, value in (("num_draws", num_draws), ("num_members", num_members)):
        if not (whole_number(name, value) == 0 or value >= _LEAST_MODELS):
            raise ValueError(
                f"expected {name} to be 0 (for none) or at least {_LEAST_MODELS}, got {value}"
            )
    require_one_process(posterior.network)
    numbers = [positive_integer("width", value) for value in widths]
    if not numbers or len(set(numbers)) < len(numbers):
        raise ValueError(f"expected widths to be different numbers, one or more, got {numbers}")
    return sorted(numbers)


def _with_width(posterior: Posterior, width: int) -> Posterior:
    network = at_width(posterior.network, width)
    return Posterior(network, posterior.likelihood, posterior.x, posterior.targets)


def _midpoint(targets: list[Float[np.ndarray, "n k"]]) -> float | None:
    """Between two classes, where all targets are of the same ones; else None."""
    together = np.concatenate(targets)
    return float(np.mean(np.unique(together))) if are_classes(together) else None


def _limits(key: Array, posterior: Posterior, setting: _Setting) -> list[_Limiting]:
    noise_var = posterior.likelihood.known_var()
    found = [limit_predictive(posterior, p.points, p.targets, key) for p in setting.places]
    return [_Limiting(*one, noise_var) for one in found]


def _limit_losses(setting: _Setting, limits: list[_Limiting]) -> dict[str, Any]:
    """The limit's, which have no errors, along shift."""
    found = [
        judged(one.estimates(), place.targets, setting.midpoint)
        for one, place in zip(limits, setting.places, strict=True)
    ]
    told = {name: np.stack([one[name][0] for one in found]) for name in found[0]}
    return {
        f"{name}_limit": (("shift", "level")[: values.ndim], values)
        for name, values in told.items()
    }


def _at_width(
    key: Array, posterior: Posterior, setting: _Setting, limits: list[_Limiting]
) -> tuple["xr.Dataset", Models]:
    """Losses along shift, and those of single models."""
    import xarray as xr

    proposals, drawn, trained = jax.random.split(key, 3)
    counts, found = setting.counts, []
    members = _members(trained, posterior, setting)
    for i, (place, limiting) in enumerate(zip(setting.places, limits, strict=True)):
        law, log_evidence, noise_var = limiting
        own, differences, attributes = of_the_posterior(
            proposals, posterior, place.points, law, log_evidence, counts.proposals
        )
        told = judged(own, place.targets, setting.midpoint)
        told |= {f"{name}_difference": one for name, one in differences.items()}
        if members:
            mixed = of_members(members[i], place.targets, noise_var)
            ensemble_told = judged(mixed, place.targets, setting.midpoint)
            told |= {f"{name}_ensemble": one for name, one in ensemble_told.items()}
        found.append(with_errors(told, {1: ("level",)}).assign(attributes))
    models = Models.of(
        {"draw": _draws(drawn, posterior, setting), "member": members},
        [place.targets for place in setting.places],
        setting.midpoint,
    )
    return xr.concat(found, dim="shift"), models


def _draws(key: Array, posterior: Posterior, setting: _Setting) -> list[np.ndarray]:
    """Values of exact draws, the same networks at every shift; an empty list for no draws."""
    if not setting.counts.draws:
        return []
    draws = rejection.sample(key, posterior, num_samples=setting.counts.draws)
    return _by_place(draws.predict(_all_points(setting)), setting)


def _members(key: Array, posterior: Posterior, setting: _Setting) -> list[np.ndarray]:
    counts = setting.counts
    if not counts.members:
        return []
    trained = ensemble.sample(key, posterior, num_members=counts.members, num_steps=counts.steps)
    return _by_place(trained.predict(_all_points(setting)), setting)


def _all_points(setting: _Setting) -> Float[np.ndarray, "p *f"]:
    return np.concatenate([place.points for place in setting.places])


def _by_place(outputs: Float[np.ndarray, "s p k"], setting: _Setting) -> list[np.ndarray]:
    ends = np.cumsum([len(place.points) for place in setting.places])
    return np.split(outputs, ends[:-1], axis=1)


def _joined(found: "list[xr.Dataset]", widths: list[int], where: list[MovedInputs]) -> "xr.Dataset":
    import xarray as xr

    return xr.concat(found, dim="width").assign_coords(
        width=widths,
        level=list(LEVELS),
        family=("shift", [place.family for place in where]),
        strength=("shift", [place.strength for place in where]),
        num_points=("shift", [len(place.points) for place in where]),
    )
