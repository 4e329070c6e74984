"""Teachers: networks drawn from the prior that make targets, so that the truth is known.

Parameters drawn from the prior and targets drawn given them are a draw from the joint law of
both. So the teacher is, given its targets, one exact draw from the posterior, whatever the size
of network and data: what a right sampler returns cannot be told from it.
"""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from bnnpost.likelihoods import GaussianUnknownNoise, Likelihood
from bnnpost.networks.layers import Layer, Parameters
from bnnpost.numerics.precision import in_double_precision
from bnnpost.numerics.random import require_key
from bnnpost.posterior import Posterior
from bnnpost.samplers import prior

# Folded into the key of a dataset: what makes it, what the sampler gets, what breaks ties.
_TEACHER, _SAMPLER, _TIES = 0, 1, 2
# Above so many parameters, 256 MiB of them, a teacher is drawn in function space.
MOST_PARAMETERS = 2**25


@dataclass(frozen=True)
class Teacher:
    """A network drawn from the prior, and the posterior given the targets that it made.

    posterior: the one asked for, with the teacher's targets. f_train [n, k], f_test [m, k]: its
    function values. parameters: its weights and biases, or None where the network is so wide
    that its functions were drawn instead. noise_std: what noise of unknown size was drawn, or
    None. sampler_key: the key that `bnnpost.calibrate` gives the sampler with this posterior.
    ties_key: the key of what else is random about ranks.
    """

    posterior: Posterior
    f_train: Float[np.ndarray, "n k"]
    f_test: Float[np.ndarray, "m k"]
    parameters: Parameters | None
    noise_std: float | None
    sampler_key: Array
    ties_key: Array


def draw(
    key: Array, posterior: Posterior, *, number: int = 0, x_test: object | None = None
) -> Teacher:
    """The teacher of this number: parameters from the prior, targets from the likelihood.

    With the key that `bnnpost.calibrate` was given, dataset `number` of that call. The network
    is the one that `network.init` and `network.apply` give in double precision, which share no
    code with the samplers of functions; where it has more than 2²⁵ parameters it is drawn as
    `prior.sample` does. Targets of the posterior play no part.

    Raises TypeError for a legacy key, or for a likelihood that does not say how observations
    are drawn; ValueError where the targets drawn are not ones that the posterior accepts.
    """
    require_key(key)
    check_can_simulate(posterior.likelihood)
    points = None if x_test is None else posterior.checked_test_points(x_test)
    own = jax.random.fold_in(key, number)
    teacher_key, sampler_key, ties_key = (
        jax.random.fold_in(own, purpose) for purpose in (_TEACHER, _SAMPLER, _TIES)
    )
    parameters, outputs, observation_key = _network(teacher_key, posterior, points)
    train = outputs[: posterior.num_points]
    targets, noise_std = _observed(observation_key, posterior.likelihood, train)
    try:
        taught = Posterior(posterior.network, posterior.likelihood, posterior.x, targets)
    except ValueError as error:
        raise ValueError(
            f"targets that {type(posterior.likelihood).__name__} draws given a network of the "
            f"prior (number {number}) are not ones that it accepts: {error}"
        ) from error
    test = outputs[posterior.num_points :]
    return Teacher(taught, train, test, parameters, noise_std, sampler_key, ties_key)


def check_can_simulate(likelihood: Likelihood) -> None:
    """Raise TypeError unless the likelihood says how observations are drawn."""
    known = isinstance(likelihood, GaussianUnknownNoise)
    if not known and type(likelihood).sample is Likelihood.sample:
        raise TypeError(
            f"{type(likelihood).__name__} does not say how observations are drawn, and without "
            "that no dataset can be simulated: define sample(self, key, outputs) -> targets"
        )


@in_double_precision
def _network(
    key: Array, posterior: Posterior, points: np.ndarray | None
) -> tuple[Parameters | None, np.ndarray, Array]:
    """Parameters, outputs [n + m, k] at training and test inputs, and a key for the targets."""
    network_key, observation_key = jax.random.split(key)
    inputs = posterior.x if points is None else np.concatenate([posterior.x, points])
    if num_parameters(posterior.network, posterior.x.shape[-1]) > MOST_PARAMETERS:
        drawn = prior.sample(network_key, posterior, num_samples=1)
        parts = [drawn.training_outputs()[0]]
        parts += [] if points is None else [drawn.predict(points)[0]]
        return None, np.concatenate(parts), observation_key
    parameters = _init(posterior.network, network_key, posterior.x.shape[-1])
    outputs = np.asarray(_apply(posterior.network, parameters, inputs), np.float64)
    return jax.tree.map(np.asarray, parameters), outputs, observation_key


def num_parameters(network: Layer, num_inputs: int) -> int:
    """Weights, biases and scales of a network for inputs of `num_inputs` features."""
    shapes = jax.eval_shape(lambda: network.init(jax.random.key(0), num_inputs))
    return sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(shapes))


def _init_network(network: Layer, key: Array, num_inputs: int) -> Parameters:
    return network.init(key, num_inputs)


def _apply_network(network: Layer, parameters: Parameters, x: Array) -> Array:
    return network.apply(parameters, x)


# The network is an argument, so that every dataset of a posterior runs the same program.
_init = jax.jit(_init_network, static_argnums=2)
_apply = jax.jit(_apply_network)


@in_double_precision
def _observed(
    key: Array, likelihood: Likelihood, outputs: Float[np.ndarray, "n k"]
) -> tuple[np.ndarray, float | None]:
    """Targets given outputs, and the noise's std where it was drawn with them."""
    if not isinstance(likelihood, GaussianUnknownNoise):
        return np.asarray(likelihood.sample(key, jnp.asarray(outputs))), None
    size_key, noise_key = jax.random.split(key)
    law: Any = likelihood.noise_var if likelihood.noise_std is None else likelihood.noise_std
    drawn = float(law.sample(size_key))
    noise_std = drawn if likelihood.noise_var is None else drawn**0.5
    noise = np.asarray(jax.random.normal(noise_key, outputs.shape, jnp.float64))
    return outputs + noise_std * noise, noise_std
