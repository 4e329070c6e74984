"""Coordinates without limits for the parameters of a network.

They are those parameters that are random, one after the other, each mapped to the whole line where
its law has limits (scales, and priors such as a half-normal): what gradient samplers move freely.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from bnnpost.networks.layers import Affine, Layer, Parameters
from bnnpost.networks.linear import LinearShape, linear_layers
from bnnpost.networks.prior_density import Features, require_parameters
from bnnpost.networks.priors import Fixed, IndependentEntries, Scale, WeightPrior, standard

Onto = Callable[[Array], Array]


class Coordinate(NamedTuple):
    """Of one array: its value at as many numbers on the whole line, the inverse, the log slope."""

    shape: tuple[int, ...]
    value: Onto
    inverse: Onto
    log_slope: Onto
    shared: str | None = None

    @property
    def size(self) -> int:
        """How many numbers."""
        return math.prod(self.shape)


class Same(NamedTuple):
    """In the place of an array that is the one of this name."""

    shared: str


class Coordinates:
    """Of a network for inputs of this shape, one input's; parameters that are fixed have none."""

    def __init__(self, network: Layer, features: Features):
        self._network, self._features = network, features
        held, names = [], set[str]()
        for one in linear_layers(network, features):
            held.append(_of_layer(one, names))
        self._leaves, self._structure = jax.tree.flatten(tuple(held), is_leaf=_is_leaf)

    @property
    def size(self) -> int:
        """How many numbers a vector of them has."""
        return sum(one.size for one in self._leaves if isinstance(one, Coordinate))

    def parameters(self, vector: Float[Array, " d"]) -> Parameters:
        """What `network.init` draws, of a vector; fixed parameters have their values.

        Raises ValueError for a vector of another size.
        """
        parts = self._parts(vector)
        arrays, shared = [], dict[str, Array]()
        for one in self._leaves:
            if isinstance(one, Same):
                arrays.append(shared[one.shared])
                continue
            arrays.append(one.value(next(parts)[1]) if isinstance(one, Coordinate) else one)
            if isinstance(one, Coordinate) and one.shared is not None:
                shared[one.shared] = arrays[-1]
        return jax.tree.unflatten(self._structure, arrays)  # type: ignore[no-any-return]

    def vector(self, parameters: Parameters) -> Float[Array, " d"]:
        """The inverse. Raises ValueError for parameters of another network."""
        require_parameters(self._network, self._features, parameters)
        arrays = jax.tree.leaves(parameters)
        parts = [
            one.inverse(jnp.asarray(array)).ravel()
            for one, array in zip(self._leaves, arrays, strict=True)
            if isinstance(one, Coordinate)
        ]
        return jnp.concatenate(parts)

    def log_slope(self, vector: Float[Array, " d"]) -> Float[Array, ""]:
        """log |det| of the derivative of the parameters by the vector."""
        total = jnp.zeros((), jnp.result_type(float))
        for one, part in self._parts(vector):
            total += jnp.sum(one.log_slope(part))
        return total

    def _parts(self, vector: Array) -> Iterator[tuple[Coordinate, Array]]:
        vector, start = jnp.asarray(vector), 0
        if vector.shape != (self.size,):
            raise ValueError(
                f"expected a vector of {self.size:,} numbers, one for each random parameter, got "
                f"shape {vector.shape}; of several at once map over them (jax.vmap)"
            )
        for one in self._leaves:
            if isinstance(one, Coordinate):
                yield one, vector[start : start + one.size].reshape(one.shape)
                start += one.size


def _is_leaf(node: object) -> bool:
    return isinstance(node, Coordinate | Same)


def _of_layer(shape: LinearShape, names: set[str]) -> Any:
    """A `Coordinate` in the place of each array that is drawn; fixed arrays are as they are.

    names: of the scales that layers share, of those before.
    """
    layer, fan_in = shape.layer, shape.fan_in
    priors, biases = layer.priors, None
    if layer.has_bias:
        biases = _of_prior(standard(priors.biases), (layer.width,))
    weights = _of_prior(standard(priors.weights), (fan_in, layer.width))
    w_std, b_std = (
        _shared(scale, size, names) for scale, size in ((layer.w_std, fan_in), (layer.b_std, 1))
    )
    return Affine(weights, biases, w_std, b_std)


def _shared(scale: Any, fan_in: int, names: set[str]) -> Any:
    if not isinstance(scale, Scale) or scale.shared is None:
        return _of_scale(scale, fan_in)
    if scale.shared in names:
        return Same(scale.shared)
    names.add(scale.shared)
    return _of_scale(scale, fan_in)._replace(shared=scale.shared)


def _of_prior(prior: WeightPrior, shape: tuple[int, ...]) -> Any:
    if isinstance(prior, Fixed):
        return prior.sample(jax.random.key(0), shape, jnp.result_type(float))
    if isinstance(prior, IndependentEntries):
        return _of_support(prior.law, shape)
    return _as_it_is(shape)


def _of_scale(scale: Any, fan_in: int) -> Any:
    if not isinstance(scale, Scale):
        return None
    found = _of_support(scale.law, scale.shape(fan_in))
    if not scale.of_variance:
        return found
    return Coordinate(
        found.shape,
        lambda u: jnp.sqrt(found.value(u)),
        lambda std: found.inverse(std**2),
        # Of √T it is T′ / (2 √T).
        lambda u: found.log_slope(u) - jnp.log(2 * jnp.sqrt(found.value(u))),
    )


def _as_it_is(shape: tuple[int, ...]) -> Coordinate:
    return Coordinate(shape, lambda u: u, lambda value: value, jnp.zeros_like)


def _of_support(law: Any, shape: tuple[int, ...]) -> Coordinate:
    # numpyro takes its time to be imported; here a law of it is at hand.
    from numpyro.distributions import biject_to, constraints

    if law.support is constraints.real:
        return _as_it_is(shape)
    onto = biject_to(law.support)
    return Coordinate(shape, onto, onto.inv, lambda u: onto.log_abs_det_jacobian(u, onto(u)))
