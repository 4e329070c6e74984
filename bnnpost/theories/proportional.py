"""The posterior where width and number of points grow together: kernels with renormalised scales.

Given its readout weights v, a network of one hidden layer is a sum of N independent units, and
where that sum is close to normal f ~ N(0, |v|²/N · K): the width acts through one number, the scale
s = |v|²/N. Under the prior N·s is χ² of N degrees of freedom, of density exp(−N(s − log s)/2) in
log s, so that the posterior's scale is where

    F = Σ N (s − log s) + log det A + yᵀA⁻¹y,    A = noise + bias + s·K,

is least (Pacelli, Ariosto, Pastore, Ginelli, Gherardi and Rotondo 2023, Nature Machine Intelligence
5, arXiv 2209.04882; for linear networks Li and Sompolinsky 2021, PRX 11). With k outputs the scale
of the last layer is a k×k matrix, of a Wishart law (Baglioni, Giambagli, Vezzani, Burioni, Rotondo
and Pacelli 2024, arXiv 2412.15911). Each hidden layer below has a number s of its own, which
multiplies the kernel that it hands on. In linear networks of one output this is exact as widths
and points grow; otherwise an approximation, whose neglected terms are of first order too.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
import scipy.linalg
from jaxtyping import Float

from bnnpost.kernels import self_kernel
from bnnpost.numerics.precision import in_double_precision
from bnnpost.posterior import Posterior, require_posterior
from bnnpost.theories.hidden_layers import Hidden, hidden_layers
from bnnpost.theories.layer_scales import ScaledKernel, scaled_kernel
from bnnpost.theories.scale_saddle import Saddle, SaddleProblem, Vector, saddle_of


@dataclass(frozen=True)
class Proportional:
    """The posterior with renormalised scales, at the test inputs that were given.

    scales: of each hidden layer but the last, 1 in the limit of infinite width; last_scale: of the
    last hidden layer, [output, output], the identity there. mean [point, output] and variance
    [point, output], of f. log_evidence: log p(y) in nats, with the fluctuations of the scales
    around the saddle point.
    """

    scales: tuple[float, ...]
    last_scale: Float[np.ndarray, "k k"]
    mean: Float[np.ndarray, "m k"]
    variance: Float[np.ndarray, "m k"]
    log_evidence: float


def proportional(posterior: Posterior, x_test: object) -> Proportional:
    """What the proportional limit, n/N fixed, says of a posterior at its own widths.

    For multilayer perceptrons as `theory` takes them (Dense layers of normal weights, an
    elementwise activation between two) under Gaussian noise of known size, with any number of
    outputs, no more than the last hidden layer has units. No random numbers. x_test [m, feature].

    Raises ValueError for other networks, and where no saddle point is found: the scales then have
    no finite optimum, as without noise; NotImplementedError for another likelihood.
    """
    require_posterior(posterior)
    if posterior.likelihood.known_std is None:
        raise NotImplementedError(
            "the proportional limit needs the evidence as a function of the kernel, which has a "
            "closed form under likelihoods.Gaussian(noise_std=…) alone, got "
            f"{type(posterior.likelihood).__name__}; bnnpost.compare measures the difference"
        )
    points = posterior.checked_test_points(x_test)
    hidden = hidden_layers(posterior.network)[1]
    if hidden[-1].width < posterior.num_outputs:
        raise ValueError(
            f"expected a last hidden layer of at least {posterior.num_outputs} units, as many as "
            f"there are outputs, got {hidden[-1].width}: their scale is then a singular matrix"
        )
    return _found(posterior, hidden, points)


@in_double_precision
def _found(
    posterior: Posterior, hidden: Sequence[Hidden], points: Float[np.ndarray, "m *f"]
) -> Proportional:
    n, bias, widths = posterior.num_points, hidden[-1].bias_var, [one.width for one in hidden]
    added = posterior.likelihood.known_var() * np.eye(n) + bias
    kernel = _kernels(posterior, hidden, posterior.x)
    saddle = saddle_of(SaddleProblem(widths, kernel, added, posterior.targets))
    every = _kernels(posterior, hidden, np.concatenate([posterior.x, points]))(saddle.logs).kernel
    mean, variance = _conditional(saddle, every, bias, added, posterior.targets)
    scales = tuple(np.exp(saddle.logs).tolist())
    return Proportional(scales, saddle.last, mean, variance, saddle.log_evidence)


def _kernels(
    posterior: Posterior, hidden: Sequence[Hidden], x: Float[np.ndarray, "q *f"]
) -> Callable[[Vector], ScaledKernel]:
    """The readout's kernel at inputs x, as a function of the logs of the scales.

    Derivatives are those at different points; one that occurs more than once is put in place.
    """
    first = hidden_layers(posterior.network)[0]
    different, place = np.unique(x, axis=0, return_inverse=True)
    start, where = (
        np.asarray(self_kernel(first, jnp.asarray(different))),
        np.ix_(*[place.ravel()] * 2),
    )

    @functools.lru_cache(maxsize=1)  # of one hidden layer there is one kernel
    def scaled(*logs: float) -> ScaledKernel:
        found = scaled_kernel(start, hidden, np.array(logs))
        return ScaledKernel(found.kernel[where], found.slopes[:, where[0], where[1]])

    return lambda logs: scaled(*logs.tolist())


def _conditional(
    saddle: Saddle,
    kernel: Float[np.ndarray, "q q"],
    bias: float,
    added: Float[np.ndarray, "n n"],
    targets: Float[np.ndarray, "n k"],
) -> tuple[Float[np.ndarray, "m k"], Float[np.ndarray, "m k"]]:
    """Mean and variance of f at the points after the first n: a process for each direction of S."""
    n = len(targets)
    scales, outputs = np.linalg.eigh(saddle.last)
    mean, variance = [], []
    for scale, direction in zip(scales, outputs.T, strict=True):
        factor = scipy.linalg.cho_factor(added + scale * kernel[:n, :n], lower=True)
        cross = scale * kernel[:n, n:] + bias
        mean.append(cross.T @ scipy.linalg.cho_solve(factor, targets @ direction))
        explained = np.sum(cross * scipy.linalg.cho_solve(factor, cross), axis=0)
        variance.append(scale * np.diagonal(kernel)[n:] + bias - explained)
    return np.stack(mean, 1) @ outputs.T, np.stack(variance, 1) @ (outputs**2).T
