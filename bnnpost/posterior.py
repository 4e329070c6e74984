"""The posterior: a network's prior, a likelihood and data."""

from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from bnnpost.arguments import LARGEST_STD, real_array
from bnnpost.likelihoods import Likelihood
from bnnpost.networks.coordinates import Coordinates
from bnnpost.networks.errors import ShapeError
from bnnpost.networks.layers import Layer, Parameters, require_network
from bnnpost.networks.limiting import check_shared_scales
from bnnpost.networks.prior_density import log_prior
from bnnpost.numerics.given import given_array
from bnnpost.numerics.plain_method import plain_method
from bnnpost.spelling import fields_of


class Flat(NamedTuple):
    """A posterior over a vector of numbers, each on the whole line.

    start [d]: a prior draw. log_density: of such a vector, in nats, up to the log evidence.
    unravel: the parameters that it stands for.
    """

    start: Float[Array, " d"]
    log_density: Callable[[Array], Array]
    unravel: Callable[[Array], Parameters]


class Posterior(eqx.Module):
    """p(functions | data) of a Bayesian neural network, described but not yet computed.

    x: inputs [n, feature], or [n, position, …, channel]; y: targets [n] or [n, k]. Both are kept
    in double precision.
    Raises ValueError for no rows, mismatched lengths, wrong shapes (of inputs that do not fit a
    layer: ShapeError), NaN or infinity, and TypeError for a network or likelihood that is not one.
    """

    network: Layer
    likelihood: Likelihood
    x: Float[np.ndarray, "n *f"]
    targets: Float[np.ndarray, "n k"]

    def __repr__(self) -> str:
        return fields_of(self)

    def __init__(self, network: Layer, likelihood: Likelihood, x: object, y: object):
        self.network = require_network(network)
        check_shared_scales(network)
        if not isinstance(likelihood, Likelihood):
            raise TypeError(
                "expected a likelihood such as bnnpost.likelihoods.Gaussian(noise_std=0.3), got "
                f"{type(likelihood).__name__}"
            )
        self.likelihood = likelihood
        self.x = checked_points("x", x)
        targets = _finite("y", y)
        if targets.ndim not in (1, 2):
            raise ValueError(f"expected y of shape [n] or [n, output], got {targets.shape}")
        if targets.shape[0] != self.x.shape[0]:
            raise ValueError(
                f"x has {self.x.shape[0]} rows and y {targets.shape[0]}: expected one target a row"
            )
        self.targets = targets[:, None] if targets.ndim == 1 else targets
        likelihood.check(self.targets, self.num_outputs)
        network.check_inputs(jnp.asarray(self.x))

    @plain_method
    def log_prior(self, parameters: Parameters) -> Float[Array, ""]:
        """Log prior density in nats of parameters as `network.init` draws them.

        These are W and b before w_std/√fan_in and b_std multiply them (the NTK parametrisation).
        −∞ outside the support of a prior, and where fixed parameters have other values. The
        density of a random scale is that of the standard deviation; what a prior of your own leaves
        out of its log_prob is left out. For jax.jit, jax.grad and jax.vmap; follows JAX's x64 flag.
        Raises ValueError for parameters of another network.
        """
        return log_prior(self.network, self.x.shape[1:], parameters)

    @plain_method
    def log_likelihood(self, parameters: Parameters) -> Float[Array, ""]:
        """log p(targets | parameters) in nats; noise of unknown size is integrated out.

        For jax.jit, jax.grad and jax.vmap; follows JAX's x64 flag. Raises ValueError for
        parameters of another network.
        """
        x = jnp.asarray(self.x, jnp.result_type(float))
        outputs = self.network.apply(parameters, x)
        return self.likelihood.log_prob(outputs, jnp.asarray(self.targets, outputs.dtype))

    @plain_method
    def log_density(self, parameters: Parameters) -> Float[Array, ""]:
        """Log posterior density in nats, up to the log evidence: log_prior + log_likelihood."""
        return self.log_prior(parameters) + self.log_likelihood(parameters)

    def flat(self, key: Array) -> Flat:
        """The posterior over a vector of numbers: start (a prior draw), log_density, unravel.

        Parameters with limits, such as random scales, have coordinates on the whole line, and the
        density the factor that goes with that; fixed parameters have none. Raises TypeError for a
        legacy key.
        """
        coordinates = Coordinates(self.network, self.x.shape[1:])
        start = coordinates.vector(self.network.init(key, self.x.shape[1:]))

        def log_density(vector: Array) -> Array:
            density = self.log_density(coordinates.parameters(vector))
            return density + coordinates.log_slope(vector)

        return Flat(start, log_density, coordinates.parameters)

    @property
    def num_points(self) -> int:
        """Number of training points."""
        return int(self.x.shape[0])

    @property
    def num_outputs(self) -> int:
        """Number of outputs of the network."""
        return num_outputs(self.network, self.x.shape[1:])

    def checked_test_points(self, x_test: object) -> Float[np.ndarray, "m *f"]:
        """Test inputs as a float64 array; raises ValueError if their features do not match x."""
        points = checked_points("x_test", x_test)
        if points.shape[1:] != self.x.shape[1:]:
            raise ValueError(
                f"x_test has rows of shape {points.shape[1:]}, "
                f"the training inputs {self.x.shape[1:]}"
            )
        self.network.check_inputs(jnp.asarray(points))
        return points

    def checked_targets(self, y: object) -> Float[Array, "n k"]:
        """Other targets for the training inputs, of the shape of y; they may be traced.

        Raises ValueError for another shape and, where they are numbers, for what the likelihood
        does not allow.
        """
        targets = given_array("y", y)
        columns = targets[:, None] if targets.ndim == 1 else targets
        if columns.shape != self.targets.shape:
            raise ValueError(
                f"expected y of shape {list(self.targets.shape)}, as the posterior's, got "
                f"{list(targets.shape)}"
            )
        try:
            numbers = np.asarray(columns)
        except jax.errors.TracerArrayConversionError:
            return columns
        self.likelihood.check(_finite("y", numbers), self.num_outputs)
        return columns

    def checked_test_targets(self, y_test: object, num_points: int) -> Float[np.ndarray, "m k"]:
        """Test targets [m] or [m, k] as float64 [m, k]; raises ValueError if they do not fit."""
        targets = _finite("y_test", y_test)
        columns = targets[:, None] if targets.ndim == 1 else targets
        expected = (num_points, self.targets.shape[1])
        if columns.shape != expected:
            raise ValueError(
                f"expected y_test of shape {list(expected)}, a row for each test input and the "
                f"columns of y, got {list(targets.shape)}"
            )
        return columns


def num_outputs(network: Layer, features: tuple[int, ...]) -> int:
    """Number of outputs of a network for inputs of this shape, one input's.

    Raises ShapeError for inputs that do not fit a layer, and outputs that keep positions.
    """
    shape = jax.eval_shape(lambda: _dummy_outputs(network, features)).shape
    if len(shape) != 2:
        raise ShapeError(
            f"expected a network with outputs [point, output], got {['point', *shape[1:]]} for "
            f"inputs of shape {list(features)}: gather positions with Flatten or GlobalAvgPool "
            "before the readout"
        )
    return int(shape[1])


def _dummy_outputs(network: Layer, features: tuple[int, ...]) -> Array:
    parameters = network.init(jax.random.key(0), features)
    return network.apply(parameters, jnp.zeros((1, *features)))


def checked_points(name: str, x: object) -> Float[np.ndarray, "n *f"]:
    """Inputs as a float64 array [point, …, feature] with at least one of each, all finite."""
    points = _finite(name, x)
    if points.ndim < 2 or 0 in points.shape:
        hint = f"; for one feature use {name}[:, None]" if points.ndim == 1 and points.size else ""
        raise ValueError(
            f"expected {name} of shape [point, feature] with at least one of each, "
            f"got {points.shape}{hint}"
        )
    return points


def _finite(name: str, values: object) -> np.ndarray:
    array = real_array(name, values)
    bad = np.argwhere(~np.isfinite(array))
    if len(bad):
        raise ValueError(
            f"{name} holds {len(bad)} value(s) that are NaN or infinite, the first at index "
            f"{tuple(int(i) for i in bad[0])}; remove or impute those rows"
        )
    if np.max(np.abs(array), initial=0.0) > LARGEST_STD:
        raise ValueError(
            f"expected {name} to be at most {LARGEST_STD:g} in size, got "
            f"{np.max(np.abs(array)):g}: change the units"
        )
    return array


def require_posterior(given: object) -> Posterior:
    """Return what was given if it is a posterior; raises TypeError."""
    if not isinstance(given, Posterior):
        raise TypeError(f"expected a bnnpost.Posterior, got {type(given).__name__}")
    return given
