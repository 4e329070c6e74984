"""The scales of hidden layers at which a posterior has its saddle point, and the evidence there.

With u the logs of the scales of the layers below, and X that of the last layer's scale matrix S,
the posterior of (u, X) is exp(−F/2) times a constant and the volume that is left alone by
S → ASAᵀ, with

    F = Σ Nₗ(exp uₗ − uₗ) + N(tr S − log det S) + log det A + yᵀA⁻¹y,    A = I⊗B + S⊗K(u),

B the covariance of noise and bias. Its fluctuations are normal ones in (u, X) (Laplace's method).
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import scipy.linalg
import scipy.optimize
import scipy.special
from jaxtyping import Float

from bnnpost.theories.layer_scales import ScaledKernel

Vector = Float[np.ndarray, " p"]
Matrix = Float[np.ndarray, "a b"]
# Logs of all scales where the search begins, and beyond which it is lost.
_STARTS, _FAR = (0.0, -1.5, 1.5), 30.0
# Gradients of F, relative to the widths, that count as none; and steps of differences.
_FLAT, _STEP = 1e-6, 1e-4


class Saddle(NamedTuple):
    """Logs u of the scales below, the last scale S, and log p(y) in nats."""

    logs: Vector
    last: Float[np.ndarray, "k k"]
    log_evidence: float


class SaddleProblem(NamedTuple):
    """widths: of all hidden layers. kernel: of the logs. added: B. targets [point, output]."""

    widths: Sequence[int]
    kernel: Callable[[Vector], ScaledKernel]
    added: Float[np.ndarray, "n n"]
    targets: Float[np.ndarray, "n k"]

    def parts(self, place: Vector) -> tuple[Vector, Float[np.ndarray, "k k"]]:
        """u and X, of which place holds the upper triangle."""
        below, k = len(self.widths) - 1, self.targets.shape[1]
        log_last = np.zeros((k, k))
        log_last[np.triu_indices(k)] = place[below:]
        return place[:below], log_last + np.triu(log_last, 1).T

    def objective(self, place: Vector) -> tuple[float, Vector]:
        """F and its gradient."""
        logs, log_last = self.parts(place)
        if not np.abs(place).max() < _FAR:
            return math.inf, np.zeros_like(place)
        found = self.kernel(logs)
        factor = scipy.linalg.cholesky(self.added, lower=True)
        values, vectors = np.linalg.eigh(_whitened(factor, found.kernel))
        values = np.maximum(values, 0.0)
        to = scipy.linalg.solve_triangular(factor.T, vectors)  # from eigendirections to points
        log_scales, outputs = np.linalg.eigh(log_last)
        scales = np.exp(log_scales)
        noisy = 1 + values[:, None] * scales  # variance of y: eigendirection × output
        turned = to.T @ self.targets @ outputs
        weighed = turned / noisy
        *below, last = self.widths
        numbers = np.asarray(below, float)
        value = (
            numbers @ (np.exp(logs) - logs)
            + last * np.sum(scales - log_scales)
            + np.sum(np.log(noisy) + turned * weighed)
            + 2 * len(scales) * np.log(np.diagonal(factor)).sum()
        )
        by_last = np.diag(last * (1 - 1 / scales) + (values[:, None] / noisy).sum(axis=0))
        by_last -= weighed.T @ (values[:, None] * weighed)
        by_log = outputs @ (by_last * _divided(log_scales)) @ outputs.T
        by_kernel = np.diag((scales / noisy).sum(axis=1)) - (weighed * scales) @ weighed.T
        slopes = to.T @ found.slopes @ to
        by_below = numbers * (np.exp(logs) - 1) + np.sum(by_kernel * slopes, axis=(1, 2))
        doubled = by_log + by_log.T - np.diag(np.diagonal(by_log))
        return float(value), np.concatenate([by_below, doubled[np.triu_indices(len(scales))]])


def saddle_of(problem: SaddleProblem) -> Saddle:
    """The lowest minimum of F that is found. Raises ValueError if there is none."""
    k = problem.targets.shape[1]
    size = len(problem.widths) - 1 + k * (k + 1) // 2
    found = [_minimum(problem, _start(size, len(problem.widths) - 1, k, s)) for s in _STARTS]
    good = [one for one in found if one is not None]
    if not good:
        raise ValueError(
            f"no saddle point was found from scales {np.exp(_STARTS).round(2).tolist()} at hidden "
            f"widths {list(problem.widths)}: expected noise that is not lost beside the kernel, "
            "and wider layers; bnnpost.theory and bnnpost.compare need none"
        )
    place, bend = min(good, key=lambda one: problem.objective(one[0])[0])
    logs, log_last = problem.parts(place)
    values, vectors = np.linalg.eigh(log_last)
    evidence = _log_evidence(problem, problem.objective(place)[0], bend, values)
    return Saddle(logs, (vectors * np.exp(values)) @ vectors.T, evidence)


def _start(size: int, below: int, k: int, log: float) -> Vector:
    place = np.zeros(size)
    place[:below] = log
    rows, columns = np.triu_indices(k)
    place[below:] = np.where(rows == columns, log, 0.0)
    return place


def _minimum(problem: SaddleProblem, start: Vector) -> tuple[Vector, Matrix] | None:
    """A place and the second derivatives there, or None where the search ends at none."""
    found = scipy.optimize.minimize(problem.objective, start, jac=True, options={"gtol": 1e-9})
    bend = _bend(problem, found.x)
    if not (np.isfinite(bend).all() and np.linalg.eigvalsh(bend)[0] > 0):
        return None
    place = found.x - np.linalg.solve(bend, problem.objective(found.x)[1])
    flat = np.abs(problem.objective(place)[1]).max() < _FLAT * max(problem.widths)
    return (place, bend) if flat else None


def _bend(problem: SaddleProblem, place: Vector) -> Matrix:
    """Second derivatives of F, by central differences of the gradient."""
    steps = _STEP * np.eye(len(place))
    rows = [problem.objective(place + h)[1] - problem.objective(place - h)[1] for h in steps]
    bend = np.stack(rows) / (2 * _STEP)
    return (bend + bend.T) / 2  # type: ignore[no-any-return]


def _log_evidence(problem: SaddleProblem, value: float, bend: Matrix, log_scales: Vector) -> float:
    """Of the normal fluctuations around a minimum, in nats."""
    (n, k), half = problem.targets.shape, [width / 2 for width in problem.widths]
    normaliser = sum(math.lgamma(a) - a * math.log(a) for a in half[:-1])
    normaliser += float(scipy.special.multigammaln(half[-1], k)) - k * half[-1] * math.log(half[-1])
    away = [(a - b) / 2 for i, a in enumerate(log_scales) for b in log_scales[:i]]
    volume = sum(math.log(math.sinh(d) / d) if abs(d) > 1e-6 else 0.0 for d in away)
    spread = len(bend) * math.log(4 * math.pi) - np.linalg.slogdet(bend)[1]
    found = volume - value / 2 + spread / 2 - normaliser - n * k / 2 * math.log(2 * math.pi)
    return float(found)


def _whitened(factor: Matrix, kernel: Matrix) -> Matrix:
    half = scipy.linalg.solve_triangular(factor, kernel, lower=True)
    return scipy.linalg.solve_triangular(factor, half.T, lower=True)  # type: ignore[no-any-return]


def _divided(logs: Vector) -> Matrix:
    """Divided differences of the exponential: its derivative at a symmetric matrix."""
    away = logs[:, None] - logs
    means = np.exp((logs[:, None] + logs) / 2)
    near = np.abs(away) < 1e-6
    return means * np.where(near, 1.0, np.sinh(away / 2) / np.where(near, 1.0, away / 2))  # type: ignore[no-any-return]
