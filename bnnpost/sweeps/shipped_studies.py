"""The shipped studies: what each measures and predicts, on the problem of a configuration."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import jax
import numpy as np

from bnnpost.comparison import compare
from bnnpost.numerics.random import key_of_seed
from bnnpost.plots import (
    data_scaling,
    linear_scales,
    prediction_errors,
    shifts,
    training_phases,
)
from bnnpost.samplers import rejection, training
from bnnpost.spaces import limit
from bnnpost.storage import Say
from bnnpost.studies import Rescale, Translate, scaling_over_data, shift, theory_errors
from bnnpost.studies.theory_errors import ERROR_COLUMNS, ERRORS_CAPTION
from bnnpost.summaries.summary import Section, ShownColumn, ShownTable, Summary
from bnnpost.summaries.values import Number, counted
from bnnpost.sweeps.problem import Problem
from bnnpost.theories import deep_linear

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

# Learning rates in 1/λ₀, prior draws and steps of descents.
_RATES, _SEEDS, _STEPS = (1.0, 1.8, 3.0, 4.5, 8.0), 8, 200
# Of scaling over data.
_LEAST_POOL = 80
# Exact draws beside a closed form.
_DRAWS = 1000
# Subsets of each size; factors and standard deviations by which test inputs move; single networks.
_SUBSETS, _FACTORS, _MOVES, _MODELS, _MEMBERS = 16, (2, 4, 8), (1, 2, 4), 300, 50
# Of an ensemble's training: narrow networks need a hundred times as many as wide ones.
_TRAINING_STEPS = 10_000


class Findings(NamedTuple):
    """summary: headline and tables. data: by the name of their files. figure: of them."""

    summary: Summary
    data: "Mapping[str, xr.Dataset]"
    figure: "Figure"


@dataclass(frozen=True)
class Study:
    """summary: what it shows, in one line. config: the configuration shipped for it."""

    summary: str
    config: str
    run: Callable[[Problem, Say], Findings]


def _phases(problem: Problem, say: Say) -> Findings:
    widths, keys = problem.config.widths, _keys(problem, 2)
    posterior = problem.posterior(max(widths))
    say(f"descents at width {max(widths):,}")
    found = training.phases(keys[0], posterior, rates=_RATES, num_seeds=_SEEDS, num_steps=_STEPS)
    say(f"critical rates at widths {_listed(widths)}, by bisection")
    critical = training.critical_rates(
        keys[1], posterior, widths=widths, num_seeds=_SEEDS, num_steps=_STEPS
    )
    columns = (
        ShownColumn("width", "width"),
        ShownColumn("growth", "loss grows from c"),
        ShownColumn("divergence", "diverges from c"),
    )
    rows = tuple(
        {
            "width": counted(width),
            **{c.key: _interval(critical.sel(width=width), c.key) for c in columns[1:]},
        }
        for width in widths
    )
    caption = "Critical learning rates c/λ₀ at each width, with 95 % intervals over prior draws"
    table = ShownTable("widths", caption, columns, rows, printed=len(rows))
    described = found.describe()
    summary = dataclasses.replace(
        described,
        headline=f"At width {max(widths):,}: {_lowered(str(described.headline))}",
        sections=(*described.sections, Section("Critical rates", "critical", (table,), True)),
    )
    data = {"phases": found.runs, "critical_rates": critical}
    return Findings(summary, data, training_phases(found, critical))


def _lowered(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]


def _interval(critical: "xr.Dataset", name: str) -> Number:
    mean, low, high = (float(critical[f"{name}_{end}"]) for end in ("mean", "low", "high"))
    return Number(mean, digits=3, form="places", low=low, high=high)


def _deep_linear(problem: Problem, say: Say) -> Findings:
    import xarray as xr

    widths, found, rows = problem.config.widths, {}, []
    for width, key in zip(widths, _keys(problem, len(widths)), strict=True):
        say(f"width {width:,}: the closed form, and rejection beside it")
        posterior = problem.posterior(width)
        exact = deep_linear(posterior)
        info = rejection.sample(key, posterior, num_samples=_DRAWS).info
        found[width], scale = exact, float(exact.probabilities @ np.exp(exact.scales))
        rows.append((exact.log_evidence, info.log_evidence, info.log_evidence_se, scale))
    limiting = limit(problem.posterior(max(widths))).log_evidence
    names = ("log_evidence", "drawn_log_evidence", "drawn_log_evidence_se", "mean_scale")
    columns = {
        name: ("width", list(values))
        for name, values in zip(names, zip(*rows, strict=True), strict=True)
    }
    data = xr.Dataset(columns, {"width": list(widths)}, {"limit_log_evidence": limiting})
    summary = _of_linear(widths, rows, limiting)
    return Findings(summary, {"deep_linear": data}, linear_scales(found, limiting))


def _of_linear(
    widths: Sequence[int], rows: Sequence[tuple[float, float, float, float]], limiting: float
) -> Summary:
    """Return the evidence in closed form and by draws, at each width and in the limit."""
    columns = (
        ShownColumn("width", "width"),
        ShownColumn("log_evidence", "log evidence, nats"),
        ShownColumn("drawn_log_evidence", f"by {_DRAWS:,} exact draws"),
        ShownColumn("mean_scale", "mean of S"),
    )
    shown: list[dict[str, object]] = [
        {
            "width": counted(width),
            "log_evidence": Number(evidence, digits=6, form="places"),
            "drawn_log_evidence": Number(drawn, error, digits=4, form="places"),
            "mean_scale": Number(scale, digits=4, form="places"),
        }
        for width, (evidence, drawn, error, scale) in zip(widths, rows, strict=True)
    ]
    of_limit = Number(limiting, digits=6, form="places")
    shown.append({"width": "limit", "log_evidence": of_limit})
    worst = max(abs(evidence - drawn) / error for evidence, drawn, error, _ in rows)
    table = ShownTable("widths", "", columns, tuple(shown), printed=len(shown))
    headline = (
        f"The log evidence by {_DRAWS:,} exact draws is at most {worst:.1f} standard errors from "
        "the closed form."
    )
    return _summary(headline, table)


def _summary(headline: str, table: ShownTable) -> Summary:
    """Return a summary of one table; `run_study` says what it is of."""
    section = Section("What was found", "found", (table,), brief=True)
    return Summary(title="", kind="", headline=headline, sections=(section,))


def _proportional(problem: Problem, say: Say) -> Findings:
    import xarray as xr

    widths, found = sorted(problem.config.widths, reverse=True), {}
    rows: list[dict[str, object]] = []
    for width, key in zip(widths, _keys(problem, len(widths)), strict=True):
        ratio = len(problem.x) / width
        say(f"width {width:,}: {ratio:.3g} points a unit")
        posterior = problem.posterior(width)
        measured = compare(
            key, posterior, problem.x_test, num_proposals=problem.config.num_proposals
        )
        found[ratio] = theory_errors(posterior, problem.x_test, measured)
        own = {
            "width": counted(width),
            "ratio": Number(ratio),
            "effective_sample_size": counted(measured.attrs["effective_sample_size"]),
        }
        rows += [{**own, **row} for row in found[ratio].rows()]
    ratios = xr.Variable("ratio", list(found))
    data = xr.concat([one.errors for one in found.values()], dim=ratios)
    data = data.assign_coords(width=("ratio", widths))
    columns = (
        ShownColumn("width", "width"),
        ShownColumn("ratio", "n/N"),
        ShownColumn("effective_sample_size", "draws"),
        *ERROR_COLUMNS,
    )
    caption = f"{ERRORS_CAPTION}; draws: what the proposals are worth; n/N: points a unit"
    table = ShownTable("predictions", caption, columns, tuple(rows), printed=len(rows))
    good = "; ".join(
        f"at width {width:,}: {errors.good()}"
        for width, errors in zip(widths, found.values(), strict=True)
    )
    summary = _summary(f"Predictions within 1 % of mean and variance, {good}.", table)
    return Findings(summary, {"proportional": data}, prediction_errors(found))


def _data_scaling(problem: Problem, say: Say) -> Findings:
    import xarray as xr

    num_train, posterior = len(problem.x), problem.posterior(min(problem.config.widths))
    sizes = _sizes(num_train)
    say(f"{_SUBSETS} subsets of {_listed(sizes)} of {num_train:,} points")
    found = scaling_over_data(
        *(_keys(problem, 1)[0], posterior, problem.x_test, problem.test_targets),
        sizes=sizes,
        num_subsets=_SUBSETS,
    )
    spectrum = xr.Dataset({"eigenvalue": ("rank", found.spectrum.eigenvalues)})
    data = {"losses": found.losses, "spectrum": spectrum}
    return Findings(found.describe(), data, data_scaling(found))


def _sizes(num_train: int) -> list[int]:
    """Powers of two, and half the pool; from 32 on or, of a small pool, less: a tail needs a span.

    Raises ValueError for fewer points than any tail fits in.
    """
    if num_train < _LEAST_POOL:
        raise ValueError(
            f"expected a pool of at least {_LEAST_POOL} training points, of which subsets are "
            f"taken, got {num_train}: raise num_train"
        )
    first, half = min(5, (num_train // 40).bit_length() - 1), num_train // 2
    return [2**k for k in range(first, half.bit_length()) if 2**k < half] + [half]


def _shift(problem: Problem, say: Say) -> Findings:
    x, posterior = problem.x_test, problem.posterior(min(problem.config.widths))
    rows = (x - x.mean(axis=0)).reshape(len(x), -1)
    direction = np.linalg.svd(rows, full_matrices=False)[2][0].reshape(x.shape[1:])
    say(f"scaled, and moved where they vary most, at widths {_listed(problem.config.widths)}")
    found = shift(
        *(_keys(problem, 1)[0], posterior, x, problem.test_targets),
        shifts=[Rescale(_FACTORS), Translate(np.std(rows @ direction.ravel()) * direction, _MOVES)],
        widths=problem.config.widths,
        num_proposals=problem.config.num_proposals,
        num_draws=_MODELS,
        num_members=_MEMBERS,
        num_steps=_TRAINING_STEPS,
    )
    data = {"losses": found.losses, "models": found.models}
    return Findings(found.describe(), data, shifts(found))


def _keys(problem: Problem, count: int) -> jax.Array:
    return jax.random.split(key_of_seed(problem.config.seed), count)


def _listed(numbers: Iterable[int]) -> str:
    return ", ".join(f"{number:,}" for number in numbers)


STUDIES: Mapping[str, Study] = {
    "data-scaling": Study(
        "the limit's loss over the number of points, and what its kernel's spectrum predicts",
        *("study_data_scaling", _data_scaling),
    ),
    "phases": Study(
        "gradient descent by its learning rate: lazy, catapult or divergent",
        *("study_phases", _phases),
    ),
    "deep-linear": Study(
        "exact posteriors of deep linear networks, and exact draws beside them",
        *("study_deep_linear", _deep_linear),
    ),
    "proportional": Study(
        "the limit, the first order and renormalised kernels as width nears the number of points",
        *("study_proportional", _proportional),
    ),
    "shift": Study(
        "losses, calibration and spread as test inputs move away",
        *("study_shift", _shift),
    ),
}
