"""Which limit a network has: one Gaussian process, a mixture over its scales, or another law."""

import contextlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from bnnpost.networks.activation import Activation
from bnnpost.networks.layers import Layer, parts_of, with_parts
from bnnpost.networks.linear import Linear
from bnnpost.networks.priors import (
    PER_INPUT,
    EntryMoments,
    Fixed,
    Scale,
    WeightPrior,
    scale_record,
    standard,
)

# Where a function is looked at to see whether it is bounded, and how much it may grow there.
_NEAR, _FAR, _GROWTH = 1e2, 1e8, 2.0


class Place(NamedTuple):
    """A random scale of a network: of which of its linear layers, and which of its two."""

    layer: int
    name: str
    scale: Scale

    def __str__(self) -> str:
        return f"{self.name} of linear layer {self.layer}"


def linear_parts(network: Layer) -> list[Linear]:
    """The linear layers of a network as it lists them; in a Serial, from the inputs on."""
    return parts_of(network, Linear)


def scale_places(network: Layer) -> list[Place]:
    """The random scales that every unit of a layer shares, so that the limit keeps them random.

    A scale for each input unit is one of them in the first layer alone: elsewhere it averages
    out over a growing number of units. One that layers share is the first of them.
    """
    first: dict[str, Place] = {}
    own = []
    for place in _all_places(network):
        if place.scale.shared is None or first.setdefault(place.scale.shared, place) is place:
            own.append(place)
    return own


def _all_places(network: Layer) -> Iterator[Place]:
    for i, layer in enumerate(linear_parts(network)):
        for name, scale in (("w_std", layer.w_std), ("b_std", layer.b_std)):
            if isinstance(scale, Scale) and (scale.per != PER_INPUT or i == 0):
                yield Place(i, name, scale)


def check_shared_scales(network: Layer) -> None:
    """Raise ValueError where scales of one name have different laws."""
    laws: dict[str, Place] = {}
    for place in _all_places(network):
        name = place.scale.shared
        if name is None:
            continue
        first = laws.setdefault(name, place)
        if _told(first.scale) != _told(place.scale):
            raise ValueError(
                f"expected one law for the scale {name!r} that layers share, got {first.scale} "
                f"({first}) and {place.scale} ({place}): give others another name"
            )


def _told(scale: Scale) -> object:
    """All that a scale is, to the last digit; of a law that cannot be written, what is printed."""
    try:
        return scale_record(scale), scale.of_variance
    except (TypeError, ValueError, jax.errors.ConcretizationTypeError):
        return repr(scale)


def with_scales(network: Layer, values: Sequence[Array]) -> Layer:
    """The network with these numbers for `scale_places`, in their order."""
    places = scale_places(network)
    given = {(p.layer, p.name): v for p, v in zip(places, values, strict=True)}
    shared = {p.scale.shared: v for p, v in zip(places, values, strict=True)}
    for place in _all_places(network):
        if place.scale.shared is not None:
            given[place.layer, place.name] = shared[place.scale.shared]
    return _with_numbers(network, given)


def averaged(network: Layer) -> Layer:
    """The network with numbers for the scales of single input units that average out."""
    given = {
        (i, "w_std"): jnp.sqrt(layer.w_std.mean_square())
        for i, layer in enumerate(linear_parts(network))
        if i > 0 and isinstance(layer.w_std, Scale) and layer.w_std.per == PER_INPUT
    }
    return _with_numbers(network, given)


def _with_numbers(network: Layer, given: Mapping[tuple[int, str], Array]) -> Layer:
    """The network with some scales replaced, by linear layer and name."""
    count = itertools.count()

    def replaced(layer: Linear) -> Layer:
        i = next(count)
        w_std, b_std = given.get((i, "w_std")), given.get((i, "b_std"))
        if w_std is None and b_std is None:
            return layer
        return layer.with_scales(
            layer.w_std if w_std is None else w_std, layer.b_std if b_std is None else b_std
        )

    return with_parts(network, Linear, replaced)


def require_one_process(network: Layer) -> None:
    """Raise ValueError, with the reason, unless the limit is one centred Gaussian process."""
    places = scale_places(network)
    if places:
        named = ", ".join(map(str, places))
        raise ValueError(
            f"the limit has no one kernel: it is a mixture of Gaussian processes over the random "
            f"{named}; bnnpost.limit(posterior, key=…) has it, or give numbers for the scales"
        )
    require_processes(network)


def require_processes(network: Layer) -> None:
    """The same, given all scales: what is refused is neither one process nor a mixture.

    Laws that are being traced pass unseen.
    """
    with contextlib.suppress(
        jax.errors.ConcretizationTypeError, jax.errors.TracerArrayConversionError
    ):
        _check(network)


def _check(network: Layer) -> None:
    parts = linear_parts(network)
    for i, layer in enumerate(parts):
        where, readout = f"linear layer {i}", i == len(parts) - 1
        if readout and layer.has_bias and layer.priors.biases is not None:
            raise ValueError(
                f"{where}: a readout bias with a law of its own is added to the limit's Gaussian "
                "process, which makes it another; use readout_bias_prior numpyro's Normal(0, 1)"
            )
        if layer.priors.weights is not None:
            _check_weights(where, layer, first=i == 0, readout=readout)
        if layer.has_bias:
            _no_whole_arrays(where, "biases", layer.priors.biases)
        if isinstance(layer.w_std, Scale) and layer.w_std.per == PER_INPUT and i > 0:
            _finite(where, "E w_std²", layer.w_std.mean_square())
    _check_tails(network)


def _check_weights(where: str, layer: Linear, *, first: bool, readout: bool) -> None:
    prior = standard(layer.priors.weights)
    _no_whole_arrays(where, "weights", prior)
    if first and readout:
        raise ValueError(
            f"{where}: the network's only layer is no sum over a growing number of units: with "
            "weights that are not normal it has no Gaussian limit; add a hidden layer"
        )
    moments = _moments(prior)
    if first:
        return
    _finite(where, "the variance of weights", moments.variance)
    if moments.mean == moments.variance == 0:
        raise ValueError(
            f"{where}: all of its weights are fixed to 0, so that its outputs do not depend on "
            "its inputs; expected weights of a variance above 0"
        )
    if abs(moments.mean) > 1e-9 * np.sqrt(moments.variance):
        raise ValueError(
            f"{where}: weights of mean {moments.mean:.3g} have no limit with w_std/√fan_in, since "
            "√fan_in times their mean grows without limit; expected a law of mean 0"
        )


def _moments(prior: WeightPrior) -> EntryMoments:
    """Of one entry; a Fixed number is its own mean. NotImplementedError if not independent."""
    return EntryMoments(float(prior.values), 0.0) if isinstance(prior, Fixed) else prior.moments()


def _no_whole_arrays(where: str, what: str, prior: WeightPrior | None) -> None:
    if isinstance(prior, Fixed) and np.ndim(prior.values) > 0:
        raise ValueError(
            f"{where}: {what} fixed to a whole array do not say what they are at other widths, so "
            "there is no limit; sampling works, or give a law or one Fixed number"
        )


def _finite(where: str, what: str, value: float) -> None:
    if not np.isfinite(value):
        raise ValueError(
            f"{where}: {what} is {value}, expected it finite: sums of such weights have no "
            "Gaussian limit; sampling works"
        )


def _check_tails(network: Layer) -> None:
    """What follows units that keep a law of their own must be able to average over it."""
    for i, (layer, then) in enumerate(_followed(network)):
        kept = [layer.priors.weights] * (i == 0) + [layer.priors.biases] * layer.has_bias
        laws = [prior for prior in kept if prior is not None]
        if laws and not isinstance(then, Activation | Linear):
            raise ValueError(
                f"linear layer {i}: its units keep a law of their own in the limit, so that an "
                "Activation or a Dense must follow it directly, and no other layer"
            )
        wide_tails = any(not np.isfinite(_moments(prior).variance) for prior in laws)
        if wide_tails and not (isinstance(then, Activation) and _bounded(then)):
            raise ValueError(
                "E φ² is infinite: weights of the first layer, or biases, of infinite variance "
                "have a limit only before a bounded activation such as erf; sampling works"
            )


def _followed(network: Layer) -> list[tuple[Linear, Layer | None]]:
    """The linear layers and what comes right after each, as far as a Serial says that."""
    layers = network.flattened()
    found: list[tuple[Linear, Layer | None]] = []
    for layer, then in zip(layers, (*layers[1:], None), strict=True):
        parts = [layer] if isinstance(layer, Linear) else linear_parts(layer)
        found.extend((part, then if part is layer else None) for part in parts)
    return found


def _bounded(activation: Activation) -> bool:
    near = np.abs(np.asarray(activation(jnp.linspace(-_NEAR, _NEAR, 401))))
    far = np.abs(np.asarray(activation(jnp.array([-_FAR, _FAR]))))
    return bool(np.max(far) <= _GROWTH * np.max(near))
