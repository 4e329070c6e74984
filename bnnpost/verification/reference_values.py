"""What draws are as a reference: function values, and the Gaussians that these are from."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Float

from bnnpost.draws import Draws, tasks
from bnnpost.spaces import engine
from bnnpost.spaces.completions import AS_FUNCTION, jointly
from bnnpost.verification.sets import TEST, TRAIN

if TYPE_CHECKING:
    import xarray as xr

# After "f" and "f_train": the names of the Gaussians that these values were drawn from.
_MEAN, _VARIANCE = "_mean", "_variance"
_POINTS, _INPUTS = {TEST: "point", TRAIN: "train_point"}, {TEST: "x_test", TRAIN: "x_train"}
# Variances below this part of the spread of the means: the values themselves were given.
_GIVEN = 1e-9

Variable = tuple[tuple[str, ...], np.ndarray]
Component = tuple[Float[np.ndarray, "s m k"], Float[np.ndarray, "s m k"]]


def reference_arrays(draws: Draws, x_test: Float[np.ndarray, "m *f"] | None) -> "xr.Dataset":
    """What draws are as a reference: values at the test and training inputs, and the record.

    f [sample, point, output] at x_test [point, feature] (left out where that is None), f_train
    [sample, train_point, output] at x_train; log_weight [sample], in nats; the fields of
    `draws.info` as attributes. Where the readout was collapsed, also f_mean, of the shape of f,
    and f_variance [sample, point], or [sample, point, output] where outputs have noise of their
    own: of the Gaussian that each draw's f is from given its hidden layers (`Draws.mixture`);
    likewise f_train_mean and f_train_variance. Raises ValueError for no draws.
    """
    import xarray as xr

    if not len(draws):
        raise ValueError("expected draws for a reference, got none: let the run go on until it has")
    found, num_train = _evaluated(draws, x_test), draws.posterior.num_points
    variables: dict[str, Variable] = {"log_weight": (("sample",), draws.log_weights)}
    if x_test is not None:
        variables.update(_variables(TEST, found.at(slice(num_train, None)), x_test))
    at_train = found.at(slice(num_train))
    variables.update(_variables(TRAIN, at_train, draws.posterior.x))
    return xr.Dataset(variables, attrs=draws.info.as_attributes())


class _Evaluated(NamedTuple):
    """Values, means [sample, point, output] and variances [sample, point(, output)] or None."""

    values: np.ndarray
    means: np.ndarray | None
    variances: np.ndarray | None

    def at(self, points: slice) -> "_Evaluated":
        """At some of the points."""
        return _Evaluated(*(None if each is None else each[:, points] for each in self))  # type: ignore[arg-type]


def _evaluated(draws: Draws, x_test: np.ndarray | None) -> _Evaluated:
    """At the training inputs and then at x_test, by one program that is compiled once."""
    network, x = draws.posterior.network, draws.posterior.x
    points, way = x[:0], AS_FUNCTION
    if x_test is not None:
        points, way = x_test, jointly(network, x, x_test)
    task = tasks.outputs_and_mixture if draws.space.collapse else tasks.all_outputs
    blocks = engine.evaluate(
        task,
        draws.space,
        draws.key,
        draws.proposal_numbers,
        (points, way),
        len(points),
        given=draws.given,
    )
    if not draws.space.collapse:
        return _Evaluated(np.concatenate([np.asarray(block) for block in blocks]), None, None)
    values, means, variances = (
        np.concatenate(each)
        for each in zip(*blocks, strict=True)  # type: ignore[call-overload]
    )
    shared = variances.shape[1] == 1
    return _Evaluated(values, means, variances[:, 0] if shared else np.moveaxis(variances, 1, 2))


def _variables(name: str, found: _Evaluated, inputs: np.ndarray) -> Iterator[tuple[str, Variable]]:
    """The variables of one set of inputs."""
    dims = ("sample", _POINTS[name], "output")
    yield name, (dims, found.values)
    features = ("feature", *(f"feature_{i}" for i in range(1, inputs.ndim - 1)))
    yield _INPUTS[name], ((_POINTS[name], *features), inputs)
    if found.means is not None and found.variances is not None:
        yield name + _MEAN, (dims, found.means)
        yield name + _VARIANCE, (dims[: found.variances.ndim], found.variances)


def components(data: "xr.Dataset") -> dict[str, Component]:
    """Means and variances [sample, point, output] of the Gaussians, by "f" and "f_train".

    Only of those values that were drawn from a Gaussian: under a likelihood that is not
    Gaussian, values at the training inputs are given before the readout.
    """
    found = {}
    for name in (TEST, TRAIN):
        if name + _MEAN not in data:
            continue
        means, variances = (
            np.asarray(data[name + part], np.float64) for part in (_MEAN, _VARIANCE)
        )
        variances = variances if variances.ndim == 3 else variances[:, :, None]
        if np.all(variances.mean(axis=0) > _GIVEN * means.var(axis=0)):
            found[name] = means, np.broadcast_to(variances, means.shape)
    return found
