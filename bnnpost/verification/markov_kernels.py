"""Transitions of whatever package, as functions of a key and the parameters of one network."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from bnnpost.networks.coordinates import Coordinates
from bnnpost.networks.layers import Parameters
from bnnpost.posterior import Posterior
from bnnpost.verification.parameter_values import parameters_of_sites, sites_of_parameters

Step = Callable[[Array, Any], Any]
# What tracing raises of a step that wants numbers.
_NOT_TRACED = (
    jax.errors.TracerArrayConversionError,
    jax.errors.ConcretizationTypeError,
    jax.errors.TracerIntegerConversionError,
    jax.errors.TracerBoolConversionError,
)
# Networks that are moved by one program.
_AT_ONCE = 64
_EXPECTED = (
    "a step(key, parameters) that returns parameters, a BlackJAX algorithm (init and step), or a "
    "numpyro kernel"
)


class Transition(NamedTuple):
    """step: of what start makes of parameters, to what end makes parameters of."""

    start: Step
    step: Step
    end: Callable[[Any], Parameters]


def transition_of(given: Any, posterior: Posterior, flat: bool) -> Transition:
    """From what a user has. flat: whether it moves vectors of `Posterior.flat`.

    Raises TypeError for something else, ValueError for a numpyro kernel that adapts.
    """
    if isinstance(given, Transition):
        return given
    coordinates = Coordinates(posterior.network, posterior.x.shape[1:])
    there: Callable[[Any], Any] = coordinates.vector if flat else _as_they_are
    back: Callable[[Any], Any] = coordinates.parameters if flat else _as_they_are
    if callable(getattr(given, "sample", None)) and hasattr(given, "postprocess_fn"):
        return _of_numpyro(given, posterior, there, back)
    if callable(getattr(given, "init", None)) and callable(getattr(given, "step", None)):
        return Transition(
            lambda key, one: _begun(given, key, there(one)),
            lambda key, state: given.step(key, state)[0],
            lambda state: back(state.position),
        )
    if not callable(given):
        raise TypeError(f"expected {_EXPECTED}, got {type(given).__name__}")
    return Transition(lambda key, one: there(one), given, back)


def _as_they_are(given: Any) -> Any:
    return given


def _begun(algorithm: Any, key: Array, position: Any) -> Any:
    """A BlackJAX state, of an algorithm that takes a key for it or of one that takes none."""
    try:
        return algorithm.init(position, key)
    except TypeError:
        return algorithm.init(position)


def _of_numpyro(
    kernel: Any, posterior: Posterior, there: Callable[[Any], Any], back: Callable[[Any], Any]
) -> Transition:
    """Of a kernel on a potential_fn, or on `hmc.model` or another model with the same sites."""
    for name in ("_adapt_step_size", "_adapt_mass_matrix"):
        if getattr(kernel, name, False):
            raise ValueError(
                "expected a kernel that adapts nothing, as what adapts leaves nothing invariant: "
                f"give {type(kernel).__name__} a step_size, adapt_step_size=False and "
                "adapt_mass_matrix=False"
            )
    if kernel.model is not None:
        there, back = _constrained(kernel, posterior)
    return Transition(
        lambda key, one: kernel.init(key, 0, there(one), (), {}),
        lambda key, state: kernel.sample(state, (), {}),
        lambda state: back(getattr(state, kernel.sample_field)),
    )


def _constrained(
    kernel: Any, posterior: Posterior
) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """To and from the coordinates that numpyro gives to the sites of a model."""
    from bnnpost.samplers.kernels.numpyro_sampler import from_the_line, to_the_line

    network, features = posterior.network, posterior.x.shape[1:]
    if posterior.likelihood.noise_site is not None:
        raise ValueError(
            "noise of unknown size is a site of the model and no parameter of the network: give a "
            "kernel on potential_fn=lambda parameters: -posterior.log_density(parameters)"
        )

    def there(one: Parameters) -> Any:
        return to_the_line(kernel.model, sites_of_parameters(one, network, features))

    def back(sites: Any) -> Parameters:
        return parameters_of_sites(from_the_line(kernel.model, sites), network, features)

    return there, back


def moved(
    transition: Transition, key: Array, numbers: Array, stacked: Parameters, num_steps: int
) -> Parameters:
    """Each of stacked networks [draw, …] after so many steps, with keys of their own.

    A step that JAX cannot trace is run on one network after the other. Raises ValueError for one
    that returns something else than it was given.
    """

    try:
        return _traced(transition, num_steps, key, numbers, stacked)  # type: ignore[no-any-return]
    except _NOT_TRACED:
        each = [
            _along(
                transition,
                num_steps,
                jax.random.fold_in(key, number),
                jax.tree.map(lambda leaf, i=i: leaf[i], stacked),
                _in_python,
            )
            for i, number in enumerate(numbers)
        ]
        return jax.tree.map(lambda *leaves: np.stack(leaves), *each)  # type: ignore[no-any-return]


@functools.partial(jax.jit, static_argnums=(0, 1))
def _traced(
    transition: Transition, num_steps: int, key: Array, numbers: Array, stacked: Parameters
) -> Parameters:
    def one(item: tuple[Array, Parameters]) -> Parameters:
        number, network = item
        own = jax.random.fold_in(key, number)
        return _along(transition, num_steps, own, network, jax.lax.fori_loop)

    return jax.lax.map(one, (numbers, stacked), batch_size=_AT_ONCE)


def _in_python(start: int, stop: int, step: Callable[[Any, Any], Any], state: Any) -> Any:
    for number in range(start, stop):
        state = step(number, state)
    return state


def _along(
    transition: Transition, num_steps: int, key: Array, one: Parameters, loop: Callable[..., Any]
) -> Parameters:
    start_key, key = jax.random.split(key)
    state = transition.start(start_key, one)
    shapes = _shapes(state)

    def step(number: Any, state: Any) -> Any:
        after = transition.step(jax.random.fold_in(key, number), state)
        if _shapes(after) != shapes:
            raise ValueError(
                f"expected the step to return what it was given, {shapes}; got {_shapes(after)}"
            )
        return jax.tree.map(lambda new, old: jnp.asarray(new, jnp.asarray(old).dtype), after, state)

    return transition.end(loop(0, num_steps, step, state))


def _shapes(tree: Any) -> str:
    return str(jax.tree.map(lambda leaf: list(jnp.shape(leaf)), tree))
