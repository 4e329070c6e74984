"""The shipped studies: what each measures and predicts, on the problem of a configuration."""

from collections.abc import Callable, Iterable, Mapping
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
    """text: tables to read. data: by the name of their files. figure: of them."""

    text: str
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
    lines = [f"{'width':>8}{'loss grows from c':>25}{'diverges from c':>25}"]
    for width in widths:
        cells = [_interval(critical.sel(width=width), name) for name in ("growth", "divergence")]
        lines.append(f"{width:8,}{cells[0]:>25}{cells[1]:>25}")
    text = "\n".join([f"width {max(widths):,}", found.summary(), "", *lines])
    data = {"phases": found.runs, "critical_rates": critical}
    return Findings(text, data, training_phases(found, critical))


def _interval(critical: "xr.Dataset", name: str) -> str:
    mean, low, high = (float(critical[f"{name}_{end}"]) for end in ("mean", "low", "high"))
    return f"{mean:.3f} [{low:.3f}, {high:.3f}]"


def _deep_linear(problem: Problem, say: Say) -> Findings:
    import xarray as xr

    widths, found, rows = problem.config.widths, {}, []
    lines = [f"{'width':>8}{'log evidence':>15}{f'by {_DRAWS:,} exact draws':>26}{'mean of S':>12}"]
    for width, key in zip(widths, _keys(problem, len(widths)), strict=True):
        say(f"width {width:,}: the closed form, and rejection beside it")
        posterior = problem.posterior(width)
        exact = deep_linear(posterior)
        info = rejection.sample(key, posterior, num_samples=_DRAWS).info
        found[width], scale = exact, float(exact.probabilities @ np.exp(exact.scales))
        rows.append((exact.log_evidence, info.log_evidence, info.log_evidence_se, scale))
        drawn = f"{info.log_evidence:.4f} ± {info.log_evidence_se:.4f}"
        lines.append(f"{width:8,}{exact.log_evidence:15.6f}{drawn:>26}{scale:12.4f}")
    limiting = limit(problem.posterior(max(widths))).log_evidence
    lines.append(f"{'limit':>8}{limiting:15.6f}")
    names = ("log_evidence", "drawn_log_evidence", "drawn_log_evidence_se", "mean_scale")
    columns = {
        name: ("width", list(values))
        for name, values in zip(names, zip(*rows, strict=True), strict=True)
    }
    data = xr.Dataset(columns, {"width": list(widths)}, {"limit_log_evidence": limiting})
    return Findings("\n".join(lines), {"deep_linear": data}, linear_scales(found, limiting))


def _proportional(problem: Problem, say: Say) -> Findings:
    import xarray as xr

    widths, found = sorted(problem.config.widths, reverse=True), {}
    lines = []
    for width, key in zip(widths, _keys(problem, len(widths)), strict=True):
        ratio = len(problem.x) / width
        say(f"width {width:,}: {ratio:.3g} points a unit")
        posterior = problem.posterior(width)
        measured = compare(
            key, posterior, problem.x_test, num_proposals=problem.config.num_proposals
        )
        found[ratio] = theory_errors(posterior, problem.x_test, measured)
        worth = measured.attrs["effective_sample_size"]
        good = [name for name, within in found[ratio].within(0.01).items() if within is True]
        lines += [
            f"width {width:,}, n/N {ratio:.3g}; proposals worth {worth:,.0f} draws; within 1 %: "
            f"{', '.join(good) or 'none'}",
            found[ratio].summary(),
            "",
        ]
    ratios = xr.Variable("ratio", list(found))
    data = xr.concat([one.errors for one in found.values()], dim=ratios)
    data = data.assign_coords(width=("ratio", widths))
    return Findings("\n".join(lines[:-1]), {"proportional": data}, prediction_errors(found))


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
    return Findings(found.summary(), data, data_scaling(found))


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
    return Findings(found.summary(), data, shifts(found))


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
