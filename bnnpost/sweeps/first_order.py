"""The first-order theory beside a sweep's measured distances."""

from typing import TYPE_CHECKING

import numpy as np

from bnnpost.sweeps.problem import Problem
from bnnpost.theories import Theory, theory

if TYPE_CHECKING:
    import xarray as xr

# Quasi-random units a randomisation for this many training and test points at most, so that it
# takes a second or two; for more points a sweep leaves the theory out.
_UNITS = {12: 2**15, 24: 2**13}
# The next order in 1/width matters where it is more than this share of the first.
SHARE = 0.1
# Of a posterior std: the width from which the mean is within it is recorded.
TOLERANCE = 0.01


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
    return _dataset(found, distances, fitted_from)


def _dataset(found: Theory, distances: "xr.Dataset", fitted_from: int) -> "xr.Dataset":
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
