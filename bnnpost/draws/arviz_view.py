"""The one file that knows ArviZ: draws as an InferenceData (0.x) or DataTree (1.x)."""

import dataclasses
import json
import warnings
from typing import TYPE_CHECKING

import numpy as np

from bnnpost.draws.chains import num_left_out, pseudo_chains

if TYPE_CHECKING:
    import xarray as xr

    from bnnpost.draws.draws import Draws


Variable = tuple[tuple[str, ...], np.ndarray]


class DrawsLeftOut(UserWarning):
    """Some draws are not in the ArviZ view, because four equal chains cannot hold them."""


def to_arviz(draws: "Draws", x_test: object | None = None) -> "xr.DataTree":
    """Function values as four equal pseudo-chains: contiguous quarters, in proposal order.

    Groups: posterior (or prior) with f_train and, where x_test is given, f, each [chain,
    draw, point, output]; sample_stats with proposal_number and log_weight; observed_data;
    constant_data. Independent draws have no chains: the quarters are there so that ArviZ's
    summaries work, and R-hat near 1 is no proof of independence. Where the number of draws
    is no multiple of four, the last one to three are left out, with a DrawsLeftOut warning
    and the attribute num_left_out. Fewer than four draws make one chain.
    """
    import xarray as xr

    left_out = num_left_out(len(draws))
    _warn_of_left_out(left_out)
    groups = _groups(draws, x_test)
    tree = xr.DataTree.from_dict({f"/{name}": xr.Dataset(group) for name, group in groups.items()})
    attributes = _attributes(draws, left_out)
    tree.attrs = attributes
    for child in tree.children.values():
        child.attrs = attributes
    return _for_installed_arviz(tree)


def _warn_of_left_out(count: int) -> None:
    if count:
        warnings.warn(
            f"the last {count} draw(s) are left out of the ArviZ view: four equal chains "
            "need a multiple of four",
            DrawsLeftOut,
            stacklevel=4,
        )


def _groups(draws: "Draws", x_test: object | None) -> dict[str, dict[str, Variable]]:
    values_dims = ("chain", "draw", "point", "output")
    main: dict[str, Variable] = {
        "f_train": (
            ("chain", "draw", "train_point", "output"),
            pseudo_chains(draws.training_outputs()),
        )
    }
    constant: dict[str, Variable] = {"x_train": (("train_point", "feature"), draws.posterior.x)}
    if x_test is not None:
        main["f"] = (values_dims, pseudo_chains(draws.predict(x_test)))
        constant["x"] = (("point", "feature"), draws.posterior.checked_test_points(x_test))
    return {
        "prior" if draws.info.kind == "prior" else "posterior": main,
        "sample_stats": {
            "proposal_number": (
                ("chain", "draw"),
                pseudo_chains(draws.proposal_numbers.astype(np.int64)),
            ),
            "log_weight": (("chain", "draw"), pseudo_chains(draws.log_weights)),
        },
        "observed_data": {"y": (("train_point", "output"), draws.posterior.targets)},
        "constant_data": constant,
    }


def _attributes(draws: "Draws", left_out: int) -> dict[str, object]:
    """Attributes that netCDF takes: numbers and strings, anything else as JSON."""
    info = {
        name: json.dumps(value) if isinstance(value, bool) else value
        for name, value in dataclasses.asdict(draws.info).items()
    }
    return {
        **info,
        "inference_library": "bnnpost",
        "pseudo_chains": "contiguous quarters of independent draws, in proposal order",
        "num_left_out": left_out,
    }


def _for_installed_arviz(tree: "xr.DataTree") -> "xr.DataTree":
    import arviz as az

    return az.InferenceData.from_datatree(tree) if hasattr(az, "InferenceData") else tree
