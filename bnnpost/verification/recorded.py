"""Independent draws as labelled arrays: function values, their Gaussians, and the record."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from bnnpost.draws import Draws
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


def recorded(draws: Draws, x_test: Float[np.ndarray, "m *f"] | None) -> "xr.Dataset":
    """What draws are as a reference: values at the test and training inputs, and the record.

    f [sample, point, output] at x_test [point, feature] (left out where that is None), f_train
    [sample, train_point, output] at x_train; log_weight [sample], in nats; the fields of
    `draws.info` as attributes. Where the readout was collapsed, also f_mean, of the shape of f,
    and f_variance [sample, point], or [sample, point, output] where outputs have noise of their
    own: of the Gaussian that each draw's f is from given its hidden layers (`Draws.mixture`);
    likewise f_train_mean and f_train_variance.
    """
    import xarray as xr

    variables: dict[str, Variable] = {"log_weight": (("sample",), draws.log_weights)}
    for name, inputs in ((TEST, x_test), (TRAIN, draws.posterior.x)):
        if inputs is not None:
            variables.update(_at(name, draws, inputs))
    return xr.Dataset(variables, attrs=draws.info.as_attributes())


def _at(name: str, draws: Draws, inputs: np.ndarray) -> Iterator[tuple[str, Variable]]:
    """The variables of one set of inputs."""
    dims = ("sample", _POINTS[name], "output")
    values = draws.predict(inputs) if name == TEST else draws.training_outputs()
    yield name, (dims, values)
    features = ("feature", *(f"feature_{i}" for i in range(1, inputs.ndim - 1)))
    yield _INPUTS[name], ((_POINTS[name], *features), inputs)
    if draws.space.collapse:
        means, variances, _ = draws.mixture(inputs)
        yield name + _MEAN, (dims, means)
        yield name + _VARIANCE, (dims[: variances.ndim], variances)


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
