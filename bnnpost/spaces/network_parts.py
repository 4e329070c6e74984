"""What a network consists of, as spaces see it: its linear layers, and its readout."""

from bnnpost.networks.layers import Layer, Serial
from bnnpost.networks.linear import Linear, linear_layers


def split_readout(network: Layer) -> tuple[tuple[Layer, ...], Linear | None]:
    """The layers before a final linear layer, and that layer (None if there is none)."""
    layers = network.flattened() if isinstance(network, Serial) else (network,)
    last = layers[-1]
    return (layers[:-1], last) if isinstance(last, Linear) else (layers, None)


def split_gaussian_readout(network: Layer) -> tuple[tuple[Layer, ...], Linear | None]:
    """The same, with None for a readout whose outputs are not Gaussian given scales and biases."""
    hidden, readout = split_readout(network)
    if readout is None or readout.priors.weights is None:
        return hidden, readout
    return (*hidden, readout), None


def num_first_inputs(network: Layer, features: tuple[int, ...]) -> int:
    """How many inputs the first linear layer has."""
    return linear_layers(network, features)[0].fan_in
