"""Function values of draws that are given as parameters: weights, biases and scales."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from bnnpost.arguments import real_array
from bnnpost.networks.coordinates import Coordinates
from bnnpost.networks.layers import Affine, Layer, Parameters
from bnnpost.networks.linear import linear_layers
from bnnpost.networks.prior_density import parameter_shapes, shapes_in_words
from bnnpost.networks.priors import Fixed, Scale, standard
from bnnpost.numerics.precision import in_double_precision
from bnnpost.verification.sets import TEST, TRAIN, Values

# The name of parameters among a user's arrays.
PARAMETERS = "parameters"
_VALUES = (TEST, TRAIN, "f_test")
# As `hmc.model` names its sites.
_SITE = re.compile(r"layer\d+\.(weights|biases|[wb]_(std|var))")
_STD, _VARIANCE = "_std", "_var"
# Draws that are evaluated together.
_AT_ONCE = 256


class Functions(NamedTuple):
    """What parameters are turned into values by: a network, and the inputs that there are."""

    network: Layer
    x_test: Float[np.ndarray, "m *f"] | None
    x_train: Float[np.ndarray, "n *f"] | None

    @property
    def features(self) -> tuple[int, ...]:
        """The shape of one input."""
        known = self.x_train if self.x_train is not None else self.x_test
        return () if known is None else known.shape[1:]


def is_parameters(given: object) -> bool:
    """Whether these are parameters as `network.init` gives them, stacked, or a list of draws."""
    if not isinstance(given, tuple | list) or not given:
        return False
    return all(isinstance(one, Affine) or is_parameters(one) for one in given)


def with_values(arrays: Mapping[Any, object], functions: Functions | None) -> dict[Any, object]:
    """The arrays, with function values in the place of parameters where these are among them.

    Parameters are: the array or tree of the name "parameters"; arrays under the names of the
    sites of `hmc.model`; the only array, if its last axis is as long as a vector of
    `Posterior.flat`. Values that are there go before parameters. Raises ValueError for parameters
    of another network, or where none is known.
    """
    if PARAMETERS not in arrays and any(name in arrays for name in _VALUES):
        return dict(arrays)
    sites = {str(n): a for n, a in arrays.items() if _SITE.fullmatch(str(n))}
    given = arrays.get(PARAMETERS, sites or None)
    rest = {n: a for n, a in arrays.items() if n != PARAMETERS and n not in sites}
    if given is None and functions is not None:
        given, rest = _vectors(arrays, functions)
    if given is None:
        return dict(arrays)
    if functions is None:
        raise ValueError(
            "the candidate is given as parameters, and the reference does not say of which "
            "network: give the bnnpost.Draws themselves, or the posterior, as the reference"
        )
    return {**rest, **_evaluated(_stacked_parameters(given, functions), functions)}


def _vectors(arrays: Mapping[Any, Any], functions: Functions) -> tuple[object, dict[Any, object]]:
    """The one array, where it can only be vectors of parameters."""
    if _as_long_as_vectors(arrays, functions) and not either_way(arrays, functions):
        return next(iter(arrays.values())), {}
    return None, {}


def either_way(arrays: Mapping[Any, Any], functions: Functions | None) -> bool:
    """Whether the one array could be vectors of parameters, and function values as well."""
    if functions is None or not _as_long_as_vectors(arrays, functions):
        return False
    points = [len(x) for x in (functions.x_test, functions.x_train) if x is not None]
    return np.shape(next(iter(arrays.values())))[-1] in points


def _as_long_as_vectors(arrays: Mapping[Any, Any], functions: Functions) -> bool:
    if len(arrays) != 1 or PARAMETERS in arrays:
        return False
    shape = np.shape(next(iter(arrays.values())))
    size = Coordinates(functions.network, functions.features).size
    return len(shape) in (2, 3) and shape[-1] == size


def _stacked_parameters(given: Any, functions: Functions) -> Parameters:
    """Parameters [chain, draw, …], from whatever they are in. Raises ValueError for others."""
    network, features = functions.network, functions.features
    if is_parameters(given) and not isinstance(given[0], Affine):
        given = jax.tree.map(lambda *leaves: np.stack(leaves), *map(tuple, given))
    if isinstance(given, Mapping):
        lead = np.shape(next(iter(given.values())))[:2]
        given = parameters_of_sites(given, network, features, lead)
    if not is_parameters(given):
        return _of_vectors(real_array(PARAMETERS, given), functions)
    return _in_chains(tuple(given), network, features)


def _in_chains(given: Parameters, network: Layer, features: tuple[int, ...]) -> Parameters:
    expected = parameter_shapes(network, features)
    found = jax.tree.map(np.shape, given)
    leading = {
        shape[: len(shape) - len(own)]
        for shape, own in zip(_shapes(found), _shapes(expected), strict=False)
    }
    [lead] = leading if len(leading) == 1 else [()]
    stacked = jax.tree.map(lambda own: (*lead, *own), expected, is_leaf=_is_shape)
    if len(lead) not in (1, 2) or found != stacked:
        raise ValueError(
            "expected parameters of this network, with the same draws [draw, …] or [chain, draw, "
            f"…] of each: {shapes_in_words(expected)}; got {shapes_in_words(found)}"
        )
    one_more = (None,) if len(lead) == 1 else ()
    return jax.tree.map(lambda leaf: np.asarray(leaf)[one_more], given)  # type: ignore[no-any-return]


def _is_shape(node: object) -> bool:
    return type(node) is tuple and all(isinstance(size, int) for size in node)


def _shapes(tree: Any) -> list[tuple[int, ...]]:
    return jax.tree.leaves(tree, is_leaf=_is_shape)


@in_double_precision
def _of_vectors(array: np.ndarray, functions: Functions) -> Parameters:
    coordinates = Coordinates(functions.network, functions.features)
    if array.ndim not in (2, 3) or array.shape[-1] != coordinates.size:
        raise ValueError(
            f"expected vectors of parameters [draw, {coordinates.size}] or [chain, draw, "
            f"{coordinates.size}], as Posterior.flat has them, got shape {array.shape}"
        )
    vectors = jnp.asarray(array if array.ndim == 3 else array[None])
    found = jax.vmap(jax.vmap(coordinates.parameters))(vectors)
    return jax.tree.map(np.asarray, found)  # type: ignore[no-any-return]


def parameters_of_sites(
    sites: Mapping[Any, Any], network: Layer, features: tuple[int, ...], lead: tuple[int, ...] = ()
) -> Parameters:
    """Parameters [*lead, …] by the names of `hmc.model`, in which fixed ones are missing.

    Raises ValueError for a site that is missing.
    """
    expected, layers = parameter_shapes(network, features), linear_layers(network, features)
    found = []
    for number, ((layer, *_), shapes) in enumerate(zip(layers, expected, strict=True)):
        laws = {"weights": layer.priors.weights, "biases": layer.priors.biases}
        held: dict[str, Any] = {}
        for name, shape in zip(Affine._fields, shapes, strict=True):
            law, label = standard(laws.get(name)), _label(layer, number, name)
            variance = f"{label.removesuffix(_STD)}{_VARIANCE}"
            if shape is None:
                held[name] = None
            elif label in sites:
                held[name] = sites[label]
            elif variance in sites:
                held[name] = sites[variance] ** 0.5
            elif isinstance(law, Fixed):
                held[name] = np.broadcast_to(np.asarray(law.values, float), (*lead, *shape))
            else:
                raise ValueError(f"expected parameters {label} {list(shape)}, got {sorted(sites)}")
        found.append(Affine(**held))
    return tuple(found)


def _label(layer: Any, number: int, name: str) -> str:
    """Of an array of a layer among the sites; a scale that layers share has one name for all."""
    own, scale = f"layer{number}.{name}", getattr(layer, name, None)
    return scale.label(own) if isinstance(scale, Scale) else own


def sites_of_parameters(
    parameters: Parameters, network: Layer, features: tuple[int, ...]
) -> dict[str, Any]:
    """The inverse: by the names of `hmc.model`."""
    sites = {}
    layers = linear_layers(network, features)
    for number, ((layer, *_), held) in enumerate(zip(layers, parameters, strict=True)):
        fixed = {
            name
            for name, law in (("weights", layer.priors.weights), ("biases", layer.priors.biases))
            if isinstance(law, Fixed)
        }
        for name, array in zip(Affine._fields, held, strict=True):
            scale = {"w_std": layer.w_std, "b_std": layer.b_std}.get(name)
            label = _label(layer, number, name)
            if array is None or name in fixed:
                continue
            if isinstance(scale, Scale) and scale.of_variance:
                label, array = f"{label.removesuffix(_STD)}{_VARIANCE}", array**2
            sites[label] = array
    return sites


@in_double_precision
def _evaluated(parameters: Parameters, functions: Functions) -> dict[str, Values]:
    """Values [chain, draw, point, output] at the inputs that there are."""
    lead = jax.tree.leaves(parameters)[0].shape[:2]
    rows = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), parameters)
    inputs = {TEST: functions.x_test, TRAIN: functions.x_train}
    found = {}
    for name, x in inputs.items():
        if x is not None:
            values = np.asarray(_outputs(functions.network, rows, jnp.asarray(x)))
            found[name] = values.reshape(*lead, *values.shape[1:])
    return found


@jax.jit
def _outputs(network: Layer, parameters: Parameters, x: jax.Array) -> jax.Array:
    return jax.lax.map(lambda one: network.apply(one, x), parameters, batch_size=_AT_ONCE)
