"""The one file that knows ArviZ: draws as an InferenceData (0.x) or DataTree (1.x), diagnostics."""

import functools
import importlib
import math
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from bnnpost.draws.draws_files import Contents

if TYPE_CHECKING:
    import xarray as xr

# Five in the tail that is fitted.
_FEWEST_FOR_A_TAIL = 25
# Independent draws are stored as so many equal pseudo-chains, so that ArviZ's summaries work.
NUM_PSEUDO_CHAINS = 4
# ArviZ asks for as many draws of each chain.
_FEWEST_IN_A_CHAIN = 4

Variable = tuple[tuple[str, ...], np.ndarray]


class DrawsLeftOut(UserWarning):
    """Some draws are not in the ArviZ view, because four equal chains cannot hold them."""


_EQUAL = "all draws are equally weighted"
_QUARTERS = "contiguous quarters of independent draws, in proposal order"
_RESAMPLED = "importance weights, which ArviZ ignores, were made equal by repeating draws"


def arviz_of(
    contents: Contents,
    f_train: Float[np.ndarray, "s n k"],
    x_test: Float[np.ndarray, "m *f"] | None,
    f: Float[np.ndarray, "s m k"] | None,
) -> "xr.DataTree":
    """Draws as chains, or as four equal pseudo-chains; see `Draws.to_arviz`."""
    import xarray as xr

    chains = contents.info.num_chains
    left_out = 0 if chains else num_left_out(len(contents.proposal_numbers))
    _warn_of_left_out(left_out)
    groups = _groups(contents, f_train, x_test, f)
    tree = xr.DataTree.from_dict({f"/{name}": xr.Dataset(group) for name, group in groups.items()})
    tree.attrs = {
        **contents.info.as_attributes(),
        "inference_library": "bnnpost",
        "weights": _EQUAL if contents.info.kind != "resampled" else _RESAMPLED,
        "num_left_out": left_out,
    }
    if not chains:
        tree.attrs["pseudo_chains"] = _QUARTERS
    for child in tree.children.values():
        child.attrs = tree.attrs
    return for_installed_arviz(tree)


def pareto_k(log_weights: Float[np.ndarray, " p"]) -> float:
    """Shape of the generalised Pareto tail of importance weights (Vehtari et al. 2024).

    NaN for fewer than 25 weights that are positive; 0 where all of the tail are equal, as of
    networks that are 0 at the training inputs.
    """
    logs = log_weights[np.isfinite(log_weights)]
    if len(logs) < _FEWEST_FOR_A_TAIL:
        return math.nan
    # As many as the tail is fitted to: ArviZ has an infinity for it, or an error.
    in_tail = min(0.2 * len(logs), 3 * math.sqrt(len(logs)))
    if np.sum(logs == np.max(logs)) >= in_tail:
        return 0.0
    import arviz as az

    with np.errstate(over="ignore"):
        if hasattr(az, "psislw"):
            return float(az.psislw(logs.copy())[1])
        # ArviZ 1.x takes log likelihoods here: the negatives of log weights.
        stats: Any = importlib.import_module("arviz_stats.base").array_stats
        return float(stats.psislw(-logs)[1])


def _warn_of_left_out(count: int) -> None:
    if count:
        warnings.warn(
            f"the last {count} draw(s) are left out of the ArviZ view: four equal chains "
            "need a multiple of four",
            DrawsLeftOut,
            stacklevel=4,
        )


def diagnostics(values: Float[np.ndarray, "s m k"], num_chains: int | None) -> "xr.Dataset":
    """r_hat, ess_bulk, ess_tail [point, output]; see `Draws.diagnostics`.

    num_chains: None for independent draws. R-hat of one chain is that of its halves.
    NaN where ArviZ gives none (too few draws), sizes also where a chain never changes.
    """
    import arviz as az
    import xarray as xr

    chains = in_chains(values, num_chains)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = {
            "r_hat": _each_value(az.rhat, _compared(chains)),
            "ess_bulk": _each_value(functools.partial(az.ess, method="bulk"), chains),
            "ess_tail": _each_value(functools.partial(az.ess, method="tail"), chains),
        }
    # ArviZ takes values that never change for as many independent draws.
    stuck = np.any(np.ptp(chains, axis=1) == 0, axis=0)
    for name in ("ess_bulk", "ess_tail"):
        found[name] = np.where(stuck, np.nan, found[name])
    return xr.Dataset({name: (("point", "output"), array) for name, array in found.items()})


def mean_sizes(values: Float[np.ndarray, "s c"], num_chains: int) -> Float[np.ndarray, " c"]:
    """Effective sample sizes of the means of chains' values; NaN where chains are too short."""
    import arviz as az

    chains = in_chains(values, num_chains)[..., None]
    return _each_value(functools.partial(az.ess, method="mean"), chains)[:, 0]


def _compared(chains: np.ndarray) -> np.ndarray:
    """Chains, two at least: of one its halves."""
    half = chains.shape[1] // 2
    if len(chains) > 1:
        return chains
    return np.concatenate([chains[:, :half], chains[:, half : 2 * half]])


def _each_value(summary: Callable[[Any], Any], chains: np.ndarray) -> Float[np.ndarray, "m k"]:
    """ArviZ's summary of each value; NaN for chains that are too short for one."""
    import xarray as xr

    if chains.shape[1] < _FEWEST_IN_A_CHAIN:
        return np.full(chains.shape[2:], np.nan)
    data = xr.Dataset({"f": (("chain", "draw", "point", "output"), chains)})
    return np.asarray(summary(data)["f"], np.float64)


def _groups(
    contents: Contents, f_train: np.ndarray, x_test: np.ndarray | None, f: np.ndarray | None
) -> dict[str, dict[str, Variable]]:
    posterior, info = contents.space.posterior, contents.info

    def stored(values: np.ndarray, *dims: str) -> Variable:
        return ("chain", "draw", *dims), in_chains(values, info.num_chains)

    functions = {"f_train": stored(f_train, "train_point", "output")}
    if f is not None:
        functions["f"] = stored(f, "point", "output")
    stats = contents.sample_stats or {
        "proposal_number": contents.proposal_numbers.astype(np.int64),
        "log_weight": contents.log_weights,
    }
    features = (*(f"feature_{i}" for i in range(1, posterior.x.ndim - 1)), "feature")
    inputs: dict[str, Variable] = {"x_train": (("train_point", *features), posterior.x)}
    if x_test is not None:
        inputs["x"] = (("point", *features), x_test)
    return {
        "prior" if info.kind == "prior" else "posterior": functions,
        "sample_stats": {name: stored(values) for name, values in stats.items()},
        "observed_data": {"y": (("train_point", "output"), posterior.targets)},
        "constant_data": inputs,
    }


def for_installed_arviz(tree: "xr.DataTree") -> "xr.DataTree":
    import arviz as az
    import xarray as xr

    with warnings.catch_warnings():
        # ArviZ 1.x keeps the name as an alias of DataTree, and warns of it.
        warnings.simplefilter("ignore")
        container: Any = getattr(az, "InferenceData", xr.DataTree)
    return tree if container is xr.DataTree else container.from_datatree(tree)


def num_left_out(num_draws: int) -> int:
    """How many draws at the end do not fit in equal chains."""
    return num_draws % _num_chains(num_draws)


def pseudo_chains(values: np.ndarray) -> np.ndarray:
    """Values [sample, …] as [chain, draw, …]: contiguous quarters, in proposal order.

    The last one to three draws are left out where their number is no multiple of four;
    fewer than four draws make one chain.
    """
    num_chains = _num_chains(len(values))
    length = len(values) // num_chains
    return values[: num_chains * length].reshape(num_chains, length, *values.shape[1:])


def in_chains(values: np.ndarray, num_chains: int | None) -> np.ndarray:
    """Values [sample, …], chain after chain, as [chain, draw, …]; pseudo-chains where None."""
    if num_chains is None:
        return pseudo_chains(values)
    return values.reshape(num_chains, -1, *values.shape[1:])


def _num_chains(num_draws: int) -> int:
    return NUM_PSEUDO_CHAINS if num_draws >= NUM_PSEUDO_CHAINS else 1
