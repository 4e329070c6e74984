"""How a Gaussian-process posterior answers small random changes of its kernel, to second order.

Let K(t) be a path of kernels with K(0) = K, first derivative D and second derivative E. In the
basis in which the noisy training covariance K + σ²I = L Lᵀ is the identity and test points are
conditioned on the training points, D becomes D̃ = WᵀDW, and with η = L⁻¹y

    log evidence:  g′ = ½ Σ_o (ηᵀD̃η − tr D̃),   g″ = Σ_o (−ηᵀD̃D̃η + ½ tr D̃D̃),   and g′ of E,
    mean:          D̃*η,      −2 D̃*D̃η,      and D̃*η of E,
    covariance:    D̃**,      −2 D̃*D̃*ᵀ,     and D̃** of E,

with D̃ the training block and D̃* the rows of test points. Summed over directions D with
Σ D⊗D = V these are what E_post[h] = h + (1/N) Σ (½h″ + h′g′) is made of.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import scipy.linalg
from jaxtyping import Float

from bnnpost.theories.derivatives import Change, KernelMap


class Step(NamedTuple):
    """A hidden layer's kernel map, and the variance of the weights after it."""

    kernel_map: KernelMap
    weight_var: float


class Basis(NamedTuple):
    """W, from the different inputs to whitened training and conditioned test points; and η."""

    change: Float[np.ndarray, "q n+m"]
    targets: Float[np.ndarray, "n k"]


class Response(NamedTuple):
    """Coefficients of 1/N, all linear in the covariance of the kernel.

    mean [point, output]: of E f. within [point, point]: of the mean, over kernels, of Cov f;
    between [output, point, point]: of the covariance of the mean; outputs [point, output,
    output]: of that between outputs at one point. skew: covariance of mean and variance;
    kurtosis: variance of the variance. log_evidence in nats; log_weight_variance: of log
    evidence given the kernel.
    """

    mean: Float[np.ndarray, "m k"]
    within: Float[np.ndarray, "m m"]
    between: Float[np.ndarray, "k m m"]
    outputs: Float[np.ndarray, "m k k"]
    skew: Float[np.ndarray, "m k"]
    kurtosis: Float[np.ndarray, " m"]
    log_evidence: Float[np.ndarray, ""]
    log_weight_variance: Float[np.ndarray, ""]


def basis(
    kernel: Float[np.ndarray, "n+m n+m"], targets: Float[np.ndarray, "n k"], noise_var: float
) -> Basis:
    """The basis for all points, training points first.

    Raises FloatingPointError if K + σ²I is not positive definite in double precision.
    """
    n = len(targets)
    try:
        factor = scipy.linalg.cholesky(kernel[:n, :n] + noise_var * np.eye(n), lower=True)
    except np.linalg.LinAlgError:
        raise FloatingPointError(
            "K + noise is not positive definite in double precision: expected a larger noise_std"
        ) from None
    change = np.eye(len(kernel))
    change[:n, :n] = scipy.linalg.solve_triangular(factor, np.eye(n), lower=True).T
    change[:n, n:] = -change[:n, :n] @ (change[:n, :n].T @ kernel[:n, n:])
    return Basis(change, change[:n, :n].T @ targets)


def termwise(responses: Sequence[Response], how: Callable[..., np.ndarray]) -> Response:
    """Sums or means (`np.sum`, `np.mean`) of each coefficient."""
    return Response(*(how(terms, axis=0) for terms in zip(*responses, strict=True)))


def changes(directions: Float[np.ndarray, "s q q"], steps: Sequence[Step]) -> Change:
    """First and second derivative of the last kernel along each D.

    Σ first⊗first is this layer's share of V, and ½ Σ second of G₁.
    """
    own, *later = steps
    change = Change(own.weight_var * directions, np.zeros_like(directions))
    for step in later:
        carried = step.kernel_map.carried(change)
        change = Change(step.weight_var * carried.first, step.weight_var * carried.second)
    return change


def to_directions(
    directions: Float[np.ndarray, "s q q"], steps: Sequence[Step], basis: Basis
) -> Response:
    """The response to a covariance Σ D⊗D of φφᵀ at one hidden layer, given as these D.

    steps: from that layer to the last hidden one.
    """
    change = changes(directions, steps)
    turn, eta = basis
    (n, k), second = eta.shape, turn.T @ np.sum(change.second, axis=0) @ turn
    d = turn.T @ change.first @ turn
    train, cross, test = d[:, :n, :n], d[:, n:, :n], d[:, n:, n:]
    fitted = train @ eta
    mean, variance = cross @ eta, np.diagonal(test, axis1=1, axis2=2)
    g = 0.5 * (np.sum(eta * fitted, axis=(1, 2)) - k * np.trace(train, axis1=1, axis2=2))
    bend = -np.sum(fitted**2) + 0.5 * k * np.sum(train**2)
    slope = 0.5 * (np.sum(eta * (second[:n, :n] @ eta)) - k * np.trace(second[:n, :n]))
    return Response(
        mean=0.5 * second[n:, :n] @ eta
        - np.einsum("smn,snk->mk", cross, fitted)
        + np.einsum("smk,s->mk", mean, g),
        within=0.5 * second[n:, n:]
        - np.einsum("smn,sln->ml", cross, cross)
        + np.einsum("sml,s->ml", test, g),
        between=np.einsum("smk,slk->kml", mean, mean),
        outputs=np.einsum("smk,smj->mkj", mean, mean),
        skew=np.einsum("smk,sm->mk", mean, variance),
        kurtosis=np.sum(variance**2, axis=0),
        log_evidence=0.5 * (bend + slope + np.sum(g**2)),
        log_weight_variance=np.sum(g**2),
    )
