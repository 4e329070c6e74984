"""Teachers: networks drawn from the prior that make targets, so that the truth is known.

Parameters drawn from the prior and targets drawn given them are a draw from the joint law of
both. So the teacher is, given its targets, one exact draw from the posterior, whatever the size
of network and data: what a right sampler returns cannot be told from it. The same holds given data
that were seen, of a teacher drawn from the posterior given these (`verification.around`).
"""

from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from bnnpost.likelihoods import Likelihood
from bnnpost.networks.layers import Layer, Parameters, num_parameters
from bnnpost.numerics.precision import in_double_precision
from bnnpost.numerics.random import require_key
from bnnpost.posterior import Posterior
from bnnpost.samplers import prior
from bnnpost.verification.around import SeenNetworks

# Folded into the key of a dataset: what makes it, what the sampler gets, what breaks ties.
_TEACHER, _SAMPLER, _TIES = 0, 1, 2
# Above so many parameters, 256 MiB of them, a teacher is drawn in function space.
MOST_PARAMETERS = 2**25


@dataclass(frozen=True)
class Teacher:
    """A network drawn from the prior, and the posterior given the targets that it made.

    Or one drawn from the posterior, and the posterior given the data seen and then its targets.
    posterior: the one asked for, with the teacher's targets. f_train [n, k], f_test [m, k]: its
    function values at the inputs of that posterior and at x_test. parameters: its weights and
    biases, or None where functions were drawn instead (of a wide network, or one of the
    posterior's). noise_std: what noise of unknown size was drawn, or
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
    key: Array,
    posterior: Posterior,
    *,
    number: int = 0,
    x_test: object | None = None,
    around: object | None = None,
) -> Teacher:
    """The teacher of this number: parameters from the prior, targets from the likelihood.

    With the key that `bnnpost.calibrate` was given, dataset `number` of that call. The network
    is the one that `network.init` and `network.apply` give in double precision, which share no
    code with the samplers of functions; where it has more than 2²⁵ parameters it is drawn as
    `prior.sample` does. Targets of the posterior play no part. around: draws of the posterior, one
    of which teaches instead; the data seen then come first.

    Raises TypeError for a legacy key, or for a likelihood that does not say how observations
    are drawn; ValueError where the targets drawn are not ones that the posterior accepts, and for
    draws that cannot teach.
    """
    require_key(key)
    check_can_simulate(posterior.likelihood)
    points = None if x_test is None else posterior.checked_test_points(x_test)
    seen = None if around is None else SeenNetworks.of(key, around, posterior, points, number + 1)
    return Teachers(posterior, points, seen).draw(key, number)


class Teachers:
    """Teachers of one posterior; what they share is looked up once.

    points: [m, feature]. seen: networks that teach instead of those of the prior.
    """

    def __init__(
        self, posterior: Posterior, points: np.ndarray | None, seen: SeenNetworks | None = None
    ):
        self._posterior, self._points, self._seen = posterior, points, seen
        self._none = np.zeros((0, posterior.num_outputs))
        features = posterior.x.shape[1:]
        self._in_functions = num_parameters(posterior.network, features) > MOST_PARAMETERS

    def draw(self, key: Array, number: int) -> Teacher:
        """See `draw`."""
        own = jax.random.fold_in(key, number)
        teacher_key, sampler_key, ties_key = (
            jax.random.fold_in(own, purpose) for purpose in (_TEACHER, _SAMPLER, _TIES)
        )
        network_key, observation_key = jax.random.split(teacher_key)
        if self._seen is not None:
            train, test, noise_std = self._seen.network(number)
            taught = self._taught(observation_key, train, noise_std, number)[0]
            both = _together(self._posterior, taught)
            train = np.concatenate([train, train])
            return Teacher(both, train, test, None, noise_std, sampler_key, ties_key)
        parameters, train, test = self._network(network_key)
        taught, noise_std = self._taught(observation_key, train, None, number)
        return Teacher(taught, train, test, parameters, noise_std, sampler_key, ties_key)

    def _taught(
        self, key: Array, outputs: np.ndarray, noise_std: float | None, number: int
    ) -> tuple[Posterior, float | None]:
        """The posterior given targets drawn for these outputs, and the noise's std."""
        targets, noise_std = _observed(key, self._posterior.likelihood, outputs, noise_std)
        return _with_targets(self._posterior, targets, outputs.shape, number), noise_std

    @in_double_precision
    def _network(self, key: Array) -> tuple[Parameters | None, np.ndarray, np.ndarray]:
        """Parameters, and outputs at training and at test inputs."""
        posterior, points = self._posterior, self._points
        test = self._none if points is None else None
        if self._in_functions:
            drawn = prior.sample(key, posterior, num_samples=1)
            test = drawn.predict(points)[0] if test is None else test
            return None, drawn.training_outputs()[0], test
        parameters = _init(posterior.network, key, posterior.x.shape[1:])
        # One after the other, so that not a bit of the targets depends on the test inputs.
        train = _outputs(posterior.network, parameters, posterior.x)
        if test is None:
            test = _outputs(posterior.network, parameters, points)
        return jax.tree.map(np.asarray, parameters), train, test


def _with_targets(
    posterior: Posterior, targets: np.ndarray, shape: tuple[int, int], number: int
) -> Posterior:
    """The posterior given other targets [n, t]; raises ValueError for what it does not accept."""
    kind = type(posterior.likelihood).__name__
    try:
        if targets.ndim != 2 or len(targets) != shape[0]:
            raise ValueError(f"expected shape ({shape[0]}, …), got {targets.shape}")
        if not np.isfinite(targets).all():
            raise ValueError("some are NaN or infinite")
        posterior.likelihood.check(targets, shape[1])
    except ValueError as error:
        raise ValueError(
            f"targets that {kind} draws given a network (number {number}) are not ones that a "
            f"posterior accepts: {error}"
        ) from error
    return eqx.tree_at(lambda node: node.targets, posterior, targets)  # type: ignore[no-any-return]


def _together(seen: Posterior, taught: Posterior) -> Posterior:
    """The posterior given the data seen and then the new targets, at the same inputs."""
    return eqx.tree_at(  # type: ignore[no-any-return]
        lambda node: (node.x, node.targets),
        seen,
        (np.concatenate([seen.x, taught.x]), np.concatenate([seen.targets, taught.targets])),
    )


def check_can_simulate(likelihood: Likelihood) -> None:
    """Raise TypeError unless the likelihood says how observations are drawn."""
    if not likelihood.can_sample:
        raise TypeError(
            f"{type(likelihood).__name__} does not say how observations are drawn, and without "
            "that no dataset can be simulated: define sample(self, key, outputs) -> targets"
        )


def _outputs(network: Layer, parameters: Parameters, x: object) -> Float[np.ndarray, "n k"]:
    return np.asarray(_apply(network, parameters, x), np.float64)


# The network is an argument, so that every dataset of a posterior runs the same program.
_init = jax.jit(lambda network, key, features: network.init(key, features), static_argnums=2)
_apply = jax.jit(lambda network, parameters, x: network.apply(parameters, x))


@in_double_precision
def _observed(
    key: Array,
    likelihood: Likelihood,
    outputs: Float[np.ndarray, "n k"],
    noise_std: float | None,
) -> tuple[np.ndarray, float | None]:
    """Targets given outputs, and the noise's std where it is known or was drawn with them."""
    if noise_std is not None:
        noise = np.asarray(jax.random.normal(key, outputs.shape, jnp.float64))
        return outputs + noise_std * noise, noise_std
    targets, noise_std = likelihood.sample_with_noise(key, jnp.asarray(outputs))
    return np.asarray(targets, np.float64), noise_std
