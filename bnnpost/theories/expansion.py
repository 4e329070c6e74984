"""First-order theory of a finite network's posterior: what the limit misses at order 1/width."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from bnnpost.arguments import positive_integer
from bnnpost.comparison.differences import Estimates, Quantities, jackknifed, with_errors
from bnnpost.kernels import self_kernel
from bnnpost.numerics.precision import in_double_precision
from bnnpost.numerics.random import require_key
from bnnpost.posterior import Posterior, require_posterior
from bnnpost.spaces import limit
from bnnpost.spaces.limit import Limit, MeanAndCovariance
from bnnpost.theories.hidden_layers import hidden_layers, limit_steps, responses
from bnnpost.theories.response import Response, basis, termwise
from bnnpost.theories.result import Theory, quantities

_DIMS = {2: ("point", "output"), 3: ("output", "point", "point_2")}


def theory(
    posterior: Posterior,
    x_test: object,
    *,
    num_units: int = 2**15,
    key: Array | None = None,
) -> Theory:
    """How the posterior of a multilayer perceptron differs from its limit at order 1/N.

    For Gaussian noise of known size, Dense layers with normal weights and biases, and
    elementwise activations with a closed form or with four derivatives. Given its last
    kernel K̂ a network of any width is a Gaussian process, and K̂ has mean K∞ + G₁/N and
    covariance V/N to first order, so that with g the log evidence as a function of the kernel

        E_post[h] = h + (1/N)(∇h·G₁ + ½ V:∇²h + V:(∇h⊗∇g)) + O(1/N²)

    and log evidence changes by (1/N)(∇g·G₁ + ½ V:(∇²g + ∇g⊗∇g)). For the law of f at a test
    input h is its density. V grows from layer to layer by the covariance of one unit's kernel
    and is carried, as is G₁, through first and second derivatives of the kernel maps.

    N is the width of the narrowest hidden layer, to which the others keep their ratio.
    x_test [m, feature]. The expectations over single units are taken over 16 randomisations of
    num_units (a power of two) quasi-random ones at each layer; from their scatter come the
    standard errors. key: of the randomisations, by default always the same.
    Raises ValueError for networks that are not such multilayer perceptrons, or have no hidden
    layer, and activations without the derivatives or a fourth moment; NotImplementedError for
    another likelihood; FloatingPointError if the noise is lost in rounding.
    """
    found = first_order_responses(posterior, x_test, num_units, key)
    variance = np.maximum(np.diagonal(found.limit.covariance), 0.0)
    widths = tuple(layer.width for layer in hidden_layers(posterior.network)[1])
    estimates = found.estimates(lambda response: quantities(response, variance))
    coefficients = with_errors(estimates, _DIMS).assign_attrs(num_units=num_units)
    return Theory(min(widths), widths, found.limit.mean, variance, coefficients)


class FirstOrder(NamedTuple):
    """The limit at the test points, and the coefficients of 1/N from each randomisation."""

    limit: MeanAndCovariance
    responses: list[Response]

    def estimates(self, of: Callable[[Response], Quantities]) -> Estimates:
        """Each quantity, corrected for bias, and its standard error, from the randomisations."""
        found = self.responses
        without = [[*found[:i], *found[i + 1 :]] for i in range(len(found))]
        return jackknifed([of(termwise(some, np.mean)) for some in (found, *without)])


def first_order_responses(
    posterior: Posterior, x_test: object, num_units: int, key: Array | None
) -> FirstOrder:
    """What `theory` is made of; it documents arguments and errors."""
    require_posterior(posterior)
    if posterior.likelihood.known_std is None:
        raise NotImplementedError(
            "the first-order theory needs the evidence as a function of the kernel, which has a "
            "closed form under likelihoods.Gaussian(noise_std=…) alone, got "
            f"{type(posterior.likelihood).__name__}; bnnpost.compare measures the difference"
        )
    if positive_integer("num_units", num_units) & (num_units - 1):
        raise ValueError(f"expected num_units to be a power of two, got {num_units}")
    key = None if key is None else require_key(key)
    hidden_layers(posterior.network)  # refuses other networks before the limit does
    points = posterior.checked_test_points(x_test)
    limiting = limit(posterior)
    assert isinstance(limiting, Limit)
    responses = _responses(posterior, points, num_units, _seed(key))
    return FirstOrder(limiting.conditional(points), responses)


def _seed(key: Array | None) -> np.random.SeedSequence:
    words = [0] if key is None else np.asarray(jax.random.key_data(key)).ravel().tolist()
    return np.random.SeedSequence(words)


@in_double_precision
def _responses(
    posterior: Posterior, points: np.ndarray, num_units: int, seed: np.random.SeedSequence
) -> list[Response]:
    """The coefficients from each randomisation.

    Points that occur more than once have one unit: kernels are those of the different ones.
    """
    first, hidden = hidden_layers(posterior.network)
    every = np.concatenate([posterior.x, points])
    different, place = np.unique(every, axis=0, return_inverse=True)
    place = place.ravel()
    kernels, steps = zip(
        *limit_steps(np.asarray(self_kernel(first, jnp.asarray(different))), hidden), strict=True
    )
    last = hidden[-1].weight_var * steps[-1].kernel_map.value + hidden[-1].bias_var
    noise_var = posterior.likelihood.known_var()
    found = basis(last[np.ix_(place, place)], posterior.targets, noise_var)
    change = np.zeros((len(different), len(every)))
    np.add.at(change, place, found.change)
    return responses(kernels, steps, hidden, found._replace(change=change), seed, num_units)
