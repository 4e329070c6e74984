"""Results of a sweep as labelled arrays: one data set a width, one tree for the whole run."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import jax
import numpy as np
from jaxtyping import Float

from bnnpost.comparison.distances import GRID
from bnnpost.comparison.point_scores import scores, scores_of_draws
from bnnpost.comparison.rates import fit_rate
from bnnpost.draws import Draws
from bnnpost.draws.arviz_view import pseudo_chains
from bnnpost.numerics.random import key_of_seed
from bnnpost.posterior import Posterior
from bnnpost.samplers.methods import COUPLED
from bnnpost.spaces import limit
from bnnpost.spaces.limit import Limit
from bnnpost.spaces.sampled_limit import SampledLimit
from bnnpost.storage import FORMAT, RESULTS_FORMAT, versions
from bnnpost.sweeps.problem import Problem
from bnnpost.theories import Theory, theory

if TYPE_CHECKING:
    import xarray as xr

# Distances of a sweep and the exponent that theory gives each in width (first order).
THEORY = {
    "tv": -1.0,
    "kl": -2.0,
    "w1": -1.0,
    "w2": -1.0,
    "mean_error": -1.0,
    "variance_error": -1.0,
    "covariance_error": -1.0,
    "log_evidence_error": -1.0,
}
# What /sampling has besides of coupled chains: after which step draws are, and the upper 95 %
# limit of their total variation from the posterior.
OF_COUPLED = ("step", "tv_upper")
# The group with log loss, accuracy or squared error.
SCORES, _SCORED = "scores", "score_"
# Draws of the limit that it is scored with, and what is folded into their key.
_LIMIT_DRAWS, _SCORE = 4000, 0x73636F72
# The group with the theory's coefficients, where there are any.
FIRST_ORDER = "first_order"
# Narrower networks still show the second order; they are plotted and not fitted.
FITTED_FROM = 64
# How far, relative, the next order in 1/width may move the narrowest width fitted.
NEXT_ORDER = 0.1
# Quasi-random units a randomisation for this many training and test points at most, so that it
# takes a second or two; for more points a sweep leaves the theory out.
_UNITS = {12: 2**15, 24: 2**13}
# The next order in 1/width matters where it is more than this share of the first.
SHARE = 0.1
# Of a posterior std: the width from which the mean is within it is recorded.
TOLERANCE = 0.01
# Packages whose versions are not to be mixed without a word.
_TOLD = ("bnnpost", "jax")


def width_results(
    draws: Draws, distances: "xr.Dataset", problem: Problem, key: jax.Array
) -> "xr.Dataset":
    """Draws at the test inputs, their predictive density, and the distances, of one width.

    Weighted draws give the density with their weights; the draws themselves are resampled
    with `key`, since what reads them knows of no weights.
    """
    points, weighted = problem.x_test, draws
    if draws.info.kind == "capped" and len(draws):
        draws = weighted.resample(key)
    variables = {
        "proposal_number": (("sample",), draws.proposal_numbers.astype(np.int64)),
        "f": (("sample", "point", "output"), draws.predict(points)),
    }
    if draws.space.collapse and len(draws):
        variables["density"] = (("point", "output", "grid"), _density(weighted, problem))
    own = point_scores(weighted, problem)
    variables |= {f"{_SCORED}{name}": (("point",), one) for name, one in own.items()}
    return distances.assign(variables).assign_attrs(
        **weighted.info.as_attributes(),
        **problem.data_attribute(),
        config=json.dumps(problem.config.as_dict()),
        versions=json.dumps(versions()),
    )


def _limit(posterior: Posterior, problem: Problem) -> Limit | SampledLimit:
    """The limit, with one key for all widths where its kernel is a Monte Carlo estimate."""
    return limit(posterior, key=key_of_seed(problem.config.seed))


def point_scores(draws: Draws, problem: Problem) -> dict[str, Float[np.ndarray, " m"]]:
    """Scores of the predictions at each test point, by name.

    None under Gaussian noise of known size, whose distances say all, and of no draws.
    """
    if problem.likelihood.known_std is not None or not len(draws):
        return {}
    return scores_of_draws(draws, problem.x_test, problem.test_targets)


def density_grid(
    mean: Float[np.ndarray, "m k"], std: Float[np.ndarray, "m *k"]
) -> Float[np.ndarray, "m k g"]:
    """Values of f at which densities are tabulated: the limit's mean ± 10 of its stds."""
    return mean[:, :, None] + std.reshape(len(mean), -1, 1) * GRID


def _variances(covariance: Float[np.ndarray, "*k m m"]) -> Float[np.ndarray, "m *k"]:
    """Of each point, and output where these differ."""
    return np.diagonal(covariance, axis1=-2, axis2=-1).T


def _density(draws: Draws, problem: Problem) -> Float[np.ndarray, "m k g"]:
    """The predictive density of f: the weighted mean of the Gaussian each draw gives.

    Gaussians narrower than a step of the grid, as of networks of fewer units than points, whose f*
    may have no variance left, are made as wide as one.
    """
    limiting = _limit(draws.posterior, problem)
    std = np.sqrt(_variances(limiting.covariance(problem.x_test)))
    grid = density_grid(limiting.mean(problem.x_test), std)
    mixture = draws.mixture(problem.x_test)
    density, least = np.zeros_like(grid), np.diff(grid).max(axis=2) ** 2
    weights = np.exp(mixture.log_weights - np.max(mixture.log_weights))
    for weight, mean, variance in zip(weights, mixture.means, mixture.variances, strict=True):
        wide = np.maximum(variance.reshape(len(mean), -1), least)
        density += weight * _normal_density(grid, mean, wide)
    return density / weights.sum()


def _normal_density(
    x: Float[np.ndarray, "m k g"],
    mean: Float[np.ndarray, "m k"],
    variance: Float[np.ndarray, "m *k"],
) -> Float[np.ndarray, "m k g"]:
    variances = variance.reshape(len(mean), -1, 1)
    return np.exp(-0.5 * (x - mean[:, :, None]) ** 2 / variances) / np.sqrt(2 * np.pi * variances)


def assemble(problem: Problem, found: Mapping[int, "xr.Dataset"]) -> "xr.DataTree":
    """The whole run as one tree.

    Groups: /distances (by width, with *_se), /rates (by distance), /first_order (by distance,
    where the theory covers the network; see `first_order`), /scores (by width, of predictions,
    but under Gaussian noise of known size), /sampling (by width), /predictive (densities by width,
    and the limit's), /data, and /width_N/posterior and /width_N/sample_stats with the draws as
    four pseudo-chains.
    """
    import xarray as xr

    distances = _by_width(
        found, [n for n in next(iter(found.values())).data_vars if _is_distance(str(n))]
    )
    groups = {
        "/distances": distances,
        "/rates": rates(distances),
        "/sampling": _sampling(found),
        "/predictive": _predictive(problem, found),
        "/data": _data(problem),
    }
    if problem.likelihood.known_std is None:
        groups[f"/{SCORES}"] = _scores(problem, found)
    predicted = first_order(problem, distances, FITTED_FROM)
    if predicted is not None:
        groups[f"/{FIRST_ORDER}"] = predicted
    for width, one in found.items():
        f = pseudo_chains(one["f"].values)
        groups[f"/width_{width}/posterior"] = xr.Dataset(
            {"f": (("chain", "draw", "point", "output"), f)}
        )
        numbers = pseudo_chains(one["proposal_number"].values)
        groups[f"/width_{width}/sample_stats"] = xr.Dataset(
            {"proposal_number": (("chain", "draw"), numbers)}
        )
    tree = xr.DataTree.from_dict(groups)
    tree.attrs = _attributes(problem, found)
    return tree


def _is_distance(name: str) -> bool:
    return name.removesuffix("_se").removesuffix("_by_point") in THEORY


def _by_width(found: Mapping[int, "xr.Dataset"], names: Sequence[object]) -> "xr.Dataset":
    import xarray as xr

    parts = [one[list(names)] for one in found.values()]
    stacked = xr.concat(parts, dim="width", combine_attrs="drop", join="exact")
    return stacked.assign_coords(width=("width", list(found)))


def _sampling(found: Mapping[int, "xr.Dataset"]) -> "xr.Dataset":
    import xarray as xr

    names = (
        "num_samples", "num_proposals", "acceptance_rate", "log_evidence", "log_evidence_se",
        "log_bound", "seconds",
    )  # fmt: skip
    columns = {n: ("width", [float(one.attrs[n]) for one in found.values()]) for n in names}
    if all(one.attrs["kind"] == COUPLED for one in found.values()):
        pairs = [json.loads(one.attrs["coupled"]) for one in found.values()]
        columns |= {n: ("width", [float(one[n]) for one in pairs]) for n in OF_COUPLED}
    return xr.Dataset(columns, coords={"width": ("width", list(found))})


def _predictive(problem: Problem, found: Mapping[int, "xr.Dataset"]) -> "xr.Dataset":
    import xarray as xr

    limiting = _limit(problem.posterior(next(iter(found))), problem)
    mean, covariance = limiting.mean(problem.x_test), limiting.covariance(problem.x_test)
    variance = _variances(covariance)
    grid = density_grid(mean, np.sqrt(variance))
    dims = ("point", "output", "grid")
    variables = {
        "f": (dims, grid),
        "limit_density": (dims, _normal_density(grid, mean, variance)),
        "limit_mean": (("point", "output"), mean),
        "limit_covariance": (("output", "point", "point_2")[3 - covariance.ndim :], covariance),
    }
    empty = np.full(grid.shape, np.nan)
    densities = [one["density"].values if "density" in one else empty for one in found.values()]
    variables["density"] = (("width", *dims), np.stack(densities))
    attributes = {"limit_log_evidence": limiting.log_evidence}
    return xr.Dataset(variables, coords={"width": ("width", list(found))}, attrs=attributes)


def _scores(problem: Problem, found: Mapping[int, "xr.Dataset"]) -> "xr.Dataset":
    """Scores at each width, means over test points and *_by_point; the limit's as attributes."""
    import xarray as xr

    names = [str(n) for n in next(iter(found.values())).data_vars if str(n).startswith(_SCORED)]
    whole = _by_width(found, names).rename(
        {n: n.removeprefix(_SCORED) + "_by_point" for n in names}
    )
    means = {str(n).removesuffix("_by_point"): one.mean("point") for n, one in whole.items()}
    attributes = {}
    if not problem.likelihood.shares_noise:
        limiting = _limit(problem.posterior(next(iter(found))), problem)
        key = jax.random.fold_in(key_of_seed(problem.config.seed), _SCORE)
        f = limiting.sample(key, problem.x_test, _LIMIT_DRAWS)
        own = scores(problem.likelihood, f, np.zeros(len(f)), problem.test_targets)
        attributes = {f"limit_{name}": float(one.mean()) for name, one in own.items()}
    return xr.merge([whole, xr.Dataset(means)]).assign_attrs(attributes)


def _data(problem: Problem) -> "xr.Dataset":
    import xarray as xr

    return xr.Dataset(
        {
            "x_train": (("train_point", "feature"), problem.x),
            "y_train": (("train_point", "output"), problem.targets(problem.y)),
            "x_test": (("point", "feature"), problem.x_test),
            "y_test": (("point", "output"), problem.targets(problem.y_test)),
        },
        attrs=problem.attributes(),
    )


def rates(distances: "xr.Dataset") -> "xr.Dataset":
    """Power laws fitted to each distance from width 64 on (NaN where fewer than two widths are)."""
    import xarray as xr

    fitted = distances.sel(width=distances["width"] >= FITTED_FROM)
    rows = [_rate(fitted, name) for name in THEORY]
    columns = (
        "exponent",
        "exponent_low",
        "exponent_high",
        "coefficient",
        "coefficient_low",
        "coefficient_high",
    )
    variables = {c: (("distance",), [row[i] for row in rows]) for i, c in enumerate(columns)}
    variables["theory"] = (("distance",), list(THEORY.values()))
    attributes = {
        "fitted_from_width": FITTED_FROM,
        "num_fitted": fitted.sizes["width"],
        "level": 0.95,
        "next_order": NEXT_ORDER,
    }
    return xr.Dataset(variables, coords={"distance": list(THEORY)}, attrs=attributes)


def _rate(distances: "xr.Dataset", name: str) -> tuple[float, ...]:
    if not np.all(np.isfinite(distances[name].values)):  # draws alone do not tell the evidence
        return (np.nan,) * 6
    # A distance (the evidence's difference apart) that its bias correction has brought to zero or
    # below is lost in its noise: no rate to speak of.
    if name != "log_evidence_error" and np.any(distances[name].values <= 0):
        return (np.nan,) * 6
    try:
        fit = fit_rate(
            distances["width"].values,
            distances[name].values,
            distances[f"{name}_se"].values,
            next_order=NEXT_ORDER,
        )
    except ValueError:  # too few widths
        return (np.nan,) * 6
    return (fit.exponent, *fit.exponent_interval, fit.coefficient, *fit.coefficient_interval)


def _attributes(problem: Problem, found: Mapping[int, "xr.Dataset"]) -> dict[str, object]:
    first = next(iter(found.values()))
    by_package, device = versions_and_device(found)
    return {
        FORMAT: RESULTS_FORMAT,
        "kind": first.attrs["kind"],
        "config": json.dumps(problem.config.as_dict()),
        "config_digest": problem.config.digest(),
        "versions": json.dumps(by_package),
        "device": device,
        "precision": problem.config.method.precision,
        "seed": problem.config.seed,
    }


def versions_and_device(found: Mapping[int, "xr.Dataset"]) -> tuple[dict[str, str], str]:
    """Versions by package, and the device, as the widths' results record them.

    Where there are several they are joined, "0.9.1 and 0.10.0".
    """
    recorded = _versions(found)
    names = dict.fromkeys(name for one in recorded for name in one)
    by_package = {name: _joined(one.get(name) for one in recorded) for name in names}
    return by_package, _joined(one.attrs["device"] for one in found.values())


def mixed(found: Mapping[int, "xr.Dataset"]) -> str:
    """What to say where widths were made with several versions of jax or bnnpost; else empty."""
    recorded = _versions(found)
    several = [
        f"{name} {_joined(one.get(name) for one in recorded)}"
        for name in _TOLD
        if len({one[name] for one in recorded if name in one}) > 1
    ]
    if not several:
        return ""
    return f"widths were made with several versions, {', '.join(several)}: all are in results.nc"


def _versions(found: Mapping[int, "xr.Dataset"]) -> list[dict[str, str]]:
    return [json.loads(one.attrs["versions"]) for one in found.values()]


def _joined(values: Iterable[object]) -> str:
    return " and ".join(dict.fromkeys(str(value) for value in values if value is not None))


def first_order(problem: Problem, distances: "xr.Dataset", fitted_from: int) -> "xr.Dataset | None":
    """Coefficients of each distance, and from which width on they are enough.

    By distance: coefficient (of 1/N; KL's of 1/N²) and coefficient_se; next_order and
    next_order_se, fitted to what was measured from `fitted_from` on; second_order_below, the
    width under which that is more than 10 % of the first order, and second_order_below_high,
    the upper end of its 95 % interval (NaN where no such width was run). None where the theory
    does not cover the network, or there are many points.
    """
    if problem.likelihood.known_std is None:
        return None
    points = len(problem.x) + len(problem.x_test)
    units = next((units for most, units in _UNITS.items() if points <= most), None)
    if units is None:
        return None
    width = int(distances["width"].values[0])
    try:
        found = theory(problem.posterior(width), problem.x_test, num_units=units)
    except ValueError:  # an activation without the derivatives or the moments
        return None
    return _first_order_dataset(found, distances, fitted_from)


def _first_order_dataset(found: Theory, distances: "xr.Dataset", fitted_from: int) -> "xr.Dataset":
    import xarray as xr

    wide = distances.sel(width=distances["width"] >= fitted_from)
    scalars = {str(name): wide[name].values for name in wide.data_vars if wide[name].ndim == 1}
    names = [name for name in scalars if not name.endswith("_se")]
    following = (
        found.next_order(wide["width"].values, scalars, share=SHARE) if wide.width.size else {}
    )
    columns = ("coefficient", "standard_error", "below", "below_high")
    rows = [[getattr(following.get(name), c, np.nan) for c in columns] for name in names]
    parts = ("next_order", "next_order_se", "second_order_below", "second_order_below_high")
    variables = {part: ("distance", [row[i] for row in rows]) for i, part in enumerate(parts)}
    for end in ("", "_se"):
        values = [float(found.coefficients[name + end]) for name in names]
        variables[f"coefficient{end}"] = ("distance", values)
    attributes = {
        "share": SHARE,
        "fitted_from_width": fitted_from,
        "tolerance": TOLERANCE,
        "mean_within_from_width": found.width_within(TOLERANCE),
        "log_weight_variance": float(found.coefficients["log_weight_variance"]),
    }
    return xr.Dataset(variables, coords={"distance": names}, attrs=attributes)
