"""How a posterior moves as standard deviations of its prior do: by that of the limit.

The posterior of the infinitely wide network is a Gaussian process, whose means and standard
deviations under another prior have a closed form. By what these move those of a finite network
move too, but for a part of it of the order of 1/width.
"""

from collections.abc import Iterator
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from bnnpost.kernels.blocks import self_kernel
from bnnpost.networks.layers import Layer, with_parts
from bnnpost.networks.limiting import linear_parts
from bnnpost.networks.linear import Linear
from bnnpost.numerics.precision import in_double_precision
from bnnpost.posterior import Posterior
from bnnpost.spaces.limit import require_one_gaussian_process

# Logs of the factors of which the limit is computed, from a quarter to four times.
LOG_FACTORS = np.log(4.0) * np.linspace(-1, 1, 25)


class PriorChange(NamedTuple):
    """What the limit's posterior has with some standard deviations of the prior times a factor.

    words: which. means, log_stds [factor, …]: at inputs, for each of LOG_FACTORS.
    """

    words: str
    means: Float[np.ndarray, "factor *value"]
    log_stds: Float[np.ndarray, "factor *value"]


@in_double_precision
def prior_changes(posterior: Posterior, x: Float[np.ndarray, "m f"]) -> list[PriorChange]:
    """Values [m, output] at inputs x, under each standard deviation that the limit depends on.

    None where the limit has no closed form, and for inputs with positions, whose kernels take long.
    """
    if posterior.x.ndim > 2:
        return []
    try:
        require_one_gaussian_process(posterior)
    except ValueError:
        return []
    changes = []
    for words, weights, biases in _groups(len(linear_parts(posterior.network))):
        moments = [
            _limit_moments(posterior, _multiplied(posterior.network, weights, biases, factor), x)
            for factor in np.exp(LOG_FACTORS)
        ]
        means, log_stds = (np.stack(each) for each in zip(*moments, strict=True))
        if np.all(np.isfinite(log_stds)) and np.ptp(log_stds, axis=0).max() > 0:
            changes.append(PriorChange(words, means, log_stds))
    return changes


def _groups(count: int) -> Iterator[tuple[str, range, range]]:
    """Standard deviations that are off together: of the weights and of the biases of which layers.

    count: of linear layers, of which the last one is the readout.
    """
    none, hidden = range(0), range(count - 1)
    yield "w_std of the readout", range(count - 1, count), none
    if hidden:
        yield "w_std of the hidden layers", hidden, none
        yield "w_std of all layers", range(count), none
    yield "b_std of all layers", none, range(count)


def _multiplied(network: Layer, weights: range, biases: range, factor: float) -> Layer:
    numbers = iter(range(len(linear_parts(network))))

    def one(layer: Linear) -> Layer:
        number = next(numbers)
        w_std = layer.w_std * (factor if number in weights else 1.0)
        if layer.b_std is None:
            return layer.with_scales(w_std, None)
        return layer.with_scales(w_std, layer.b_std * (factor if number in biases else 1.0))

    return with_parts(network, Linear, one)


def _limit_moments(
    posterior: Posterior, network: Layer, x: Float[np.ndarray, "m f"]
) -> tuple[Float[np.ndarray, "m k"], Float[np.ndarray, "m k"]]:
    """Means and log standard deviations of the limit's posterior at x (`spaces.limit`)."""
    count = len(posterior.x)
    inputs = jnp.asarray(np.concatenate([posterior.x, x]))
    kernel = np.asarray(self_kernel(network, inputs))
    noise = posterior.likelihood.known_var() * np.eye(count)
    gain = np.linalg.solve(kernel[:count, :count] + noise, kernel[:count, count:]).T
    mean = gain @ posterior.targets
    variance = np.diag(kernel)[count:] - np.sum(gain * kernel[count:, :count], axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return mean, np.broadcast_to(0.5 * np.log(variance)[:, None], mean.shape)
