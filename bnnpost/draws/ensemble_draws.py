"""The members of a trained ensemble, and the record of how they were trained."""

import dataclasses
import functools
from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from bnnpost.networks.layers import Layer, Parameters, num_parameters
from bnnpost.numerics.precision import in_double_precision, unshared
from bnnpost.posterior import Posterior
from bnnpost.spaces.ensemble_limit import EnsembleLimit, ensemble_limit

# Training has converged where no member's outputs drift by more than this.
LARGEST_DRIFT = 0.01
# Parameters worked on at once, of all members in a block (2^20 doubles are 8 MiB).
_PARAMETERS_AT_ONCE = 2**20


@dataclass(frozen=True)
class EnsembleInfo:
    """How an ensemble was trained.

    num_steps, learning_rate: of full-batch gradient descent; ridge: of the squared distance from
    the initial parameters. initial_loss, final_loss [member]: ½ Σ (f − y)² + ½ ridge ‖θ − θ₀‖²
    before and after. drift [member]: how far outputs at the training inputs moved in the second
    half of the steps, over how far in all.
    """

    num_members: int
    num_steps: int
    learning_rate: float
    ridge: float
    initial_loss: Float[np.ndarray, " member"]
    final_loss: Float[np.ndarray, " member"]
    drift: Float[np.ndarray, " member"]
    precision: str
    seconds: float
    device: str

    @property
    def num_unfinished(self) -> int:
        """Members with a drift above 0.01."""
        return int(np.sum(~(self.drift <= LARGEST_DRIFT)))

    @property
    def converged(self) -> bool:
        """Whether no member's outputs drift by more than 0.01."""
        return self.num_unfinished == 0

    def summary(self) -> str:
        """The training in one line."""
        before, after = np.median(self.initial_loss), np.median(self.final_loss)
        how = "converged" if self.converged else f"{self.num_unfinished} of them NOT converged"
        return (
            f"{self.num_members} members, {self.num_steps} steps at learning rate "
            f"{self.learning_rate:.4g}, ridge {self.ridge:.4g}: median loss {before:.4g} to "
            f"{after:.4g}, {how} (drift at most {np.max(self.drift):.1e})"
        )


class Ensemble:
    """Independently initialised and trained networks; not draws from the posterior.

    key: from which the members were initialised, each by its number. stacked: their parameters,
    each array [member, …]. info: how they were trained.
    """

    def __init__(self, posterior: Posterior, key: Array, stacked: Parameters, info: EnsembleInfo):
        self.posterior, self.key, self.stacked, self.info = posterior, key, stacked, info

    def __len__(self) -> int:
        return self.info.num_members

    def __repr__(self) -> str:
        return f"Ensemble({self.info.summary()})"

    @in_double_precision
    def predict(self, x_test: object) -> Float[np.ndarray, "member point output"]:
        """Each member's outputs at inputs x_test [point, feature], without noise.

        Raises ValueError for inputs that do not match the training inputs.
        """
        network, points = self.posterior.network, self.posterior.checked_test_points(x_test)
        size = members_at_once(network, points.shape[1:])
        blocks = [
            jax.tree.map(lambda array, i=i: array[i : i + size], self.stacked)
            for i in range(0, len(self), size)
        ]
        return np.concatenate([np.asarray(_outputs(network, block, points)) for block in blocks])

    def training_outputs(self) -> Float[np.ndarray, "member n output"]:
        """Each member's outputs at the training inputs."""
        return self.predict(self.posterior.x)

    def parameters(self, i: int) -> Parameters:
        """Weights and biases of member i, before w_std/√fan_in and b_std multiply them.

        `network.apply(parameters, x)` gives that network's outputs.
        """
        return jax.tree.map(lambda array: array[i], self.stacked)  # type: ignore[no-any-return]

    def function(self, i: int) -> Callable[[object], Float[np.ndarray, "point output"]]:
        """Member i as a function of inputs [point, feature]."""
        alone = jax.tree.map(lambda array: array[i][None], self.stacked)
        info = dataclasses.replace(self.info, num_members=1)
        single = Ensemble(self.posterior, self.key, alone, info)
        return lambda x: single.predict(x)[0]

    def initial(self) -> Parameters:
        """The parameters with which training began, each array [member, …]: prior draws."""
        with jax.enable_x64(self.info.precision == "double"):
            numbers = jnp.arange(len(self), dtype=jnp.uint32)
            shape = self.posterior.x.shape[1:]
            drawn = _initialised(unshared(self.posterior.network), self.key, numbers, shape)
            return jax.tree.map(np.asarray, drawn)  # type: ignore[no-any-return]

    def limit(self, *, key: Array | None = None) -> EnsembleLimit:
        """The law of infinitely wide members after the same training, step by step.

        key: where `ntk` needs one. Raises as `ensemble_limit` does.
        """
        return ensemble_limit(
            self.posterior,
            num_steps=self.info.num_steps,
            learning_rate=self.info.learning_rate,
            ridge=self.info.ridge,
            key=key,
        )


def initialised(network: Layer, key: Array, number: Array, shape: tuple[int, ...]) -> Parameters:
    """The parameters with which member `number` begins; shape: of one input."""
    return network.init(jax.random.fold_in(key, number), shape)


def members_at_once(network: Layer, shape: tuple[int, ...]) -> int:
    """How many members are worked on together, for inputs of this shape."""
    return max(1, _PARAMETERS_AT_ONCE // num_parameters(network, shape))


@jax.jit
def _outputs(network: Layer, stacked: Parameters, x: Array) -> Array:
    return jax.vmap(lambda parameters: network.apply(parameters, x))(stacked)


@functools.partial(jax.jit, static_argnames="shape")
def _initialised(network: Layer, key: Array, numbers: Array, shape: tuple[int, ...]) -> Parameters:
    return jax.vmap(lambda number: initialised(network, key, number, shape))(numbers)
