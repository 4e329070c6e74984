"""ArviZ's view of any sampler's draws, whatever they are in."""

from typing import TYPE_CHECKING

from bnnpost.draws.arviz_view import for_installed_arviz
from bnnpost.posterior import Posterior, require_posterior
from bnnpost.verification.candidates import candidate_of
from bnnpost.verification.sets import TEST, TRAIN

if TYPE_CHECKING:
    import xarray as xr


def to_arviz(
    candidate: object, posterior: Posterior, x_test: object | None = None
) -> "xr.DataTree":
    """Draws of any sampler as ArviZ takes them: chains of function values.

    candidate: function values or parameters, in all that `bnnpost.verify` takes; x_test [point,
    feature]: test inputs. Groups posterior with f_train and, with test inputs, f, each [chain,
    draw, point, output] (those that the candidate has values of); observed_data with y;
    constant_data with x_train and x_test. An InferenceData on ArviZ 0.x. Raises ValueError as
    `bnnpost.verify` for a candidate that does not fit, TypeError for no posterior.
    """
    import xarray as xr

    require_posterior(posterior)
    points = None if x_test is None else posterior.checked_test_points(x_test)
    found = candidate_of(
        candidate,
        num_test=None if points is None else len(points),
        num_train=posterior.num_points,
        num_outputs=posterior.num_outputs,
        x_test=points,
        x_train=posterior.x,
        network=posterior.network,
        may_repeat=True,
    )
    places = {TEST: "point", TRAIN: "train_point"}
    values = {
        name: (("chain", "draw", places[name], "output"), array)
        for name, array in found.values.items()
    }
    features = tuple(f"feature_{number}" for number in range(posterior.x.ndim - 1))
    inputs = {"x_train": (("train_point", *features), posterior.x)}
    if points is not None:
        inputs["x_test"] = (("point", *features), points)
    groups = {
        "posterior": xr.Dataset(values, attrs={"inference_library": "bnnpost"}),
        "observed_data": xr.Dataset({"y": (("train_point", "target"), posterior.targets)}),
        "constant_data": xr.Dataset(inputs),
    }
    return for_installed_arviz(
        xr.DataTree.from_dict({f"/{name}": group for name, group in groups.items()})
    )
