"""log p(y | S) of Gaussian processes with covariance S K + S₀, as a function of log S."""

import math
from typing import NamedTuple

import numpy as np
import scipy.linalg
from jaxtyping import Float

Vector = Float[np.ndarray, " n"]


class Spectrum(NamedTuple):
    """The training points in coordinates in which y has the covariance S·diag(values) + I.

    targets: y there. log_root: log determinant of the map. factor, vectors: the map itself.
    """

    values: Vector
    targets: Vector
    log_root: float
    factor: Float[np.ndarray, "n n"]
    vectors: Float[np.ndarray, "n n"]

    def whiten(self, columns: Float[np.ndarray, "n m"]) -> Float[np.ndarray, "n m"]:
        """Columns over training points in these coordinates."""
        solved = scipy.linalg.solve_triangular(self.factor, columns, lower=True)
        return self.vectors.T @ solved  # type: ignore[no-any-return]

    def log_density(self, logs: Vector) -> Vector:
        """log p(y | S), in nats."""
        return self._constant - 0.5 * (
            np.log1p(self._scaled(logs)).sum(axis=-1)
            + np.sum(self.targets**2 / (1 + self._scaled(logs)), axis=-1)
        )

    def above(self, low: Vector, high: Vector) -> Vector:
        """What log p(y | S) does not exceed for log S between low and high."""
        return self._constant - 0.5 * (
            np.log1p(self._scaled(low)).sum(axis=-1)
            + np.sum(self.targets**2 / (1 + self._scaled(high)), axis=-1)
        )

    def slope(self, log: float) -> float:
        """Derivative of log p(y | S) in log S."""
        scaled = self._scaled(np.array(log))
        share = scaled / (1 + scaled)
        return float(0.5 * np.sum(self.targets**2 * share / (1 + scaled) - share))

    @property
    def roughness(self) -> float:
        """A bound of its second derivative in log S."""
        return float(np.sum(0.125 + 0.25 * self.targets**2))

    @property
    def _constant(self) -> float:
        return -self.log_root - 0.5 * len(self.values) * math.log(2 * math.pi)

    def _scaled(self, logs: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore", invalid="ignore"):
            found = np.exp(np.asarray(logs)[..., None]) * self.values
        return np.where(self.values > 0, found, 0.0)


def spectrum_of(
    kernel: Float[np.ndarray, "n n"], added: float, noise_variance: float, targets: Vector
) -> Spectrum:
    """For K = kernel and S₀ = added 11ᵀ + noise_variance I.

    Raises FloatingPointError if the noise is lost in the rounding of the kernel.
    """
    noise = np.full_like(kernel, added)
    noise[np.diag_indices(len(noise))] += noise_variance
    factor = scipy.linalg.cholesky(noise, lower=True)
    half = scipy.linalg.solve_triangular(factor, kernel, lower=True)
    whitened = scipy.linalg.solve_triangular(factor, half.T, lower=True)
    values, vectors = scipy.linalg.eigh(0.5 * (whitened + whitened.T))
    if not np.max(values, initial=0.0) * np.finfo(float).eps < 1:
        raise FloatingPointError(
            f"the noise variance {noise_variance:.3g} is lost in the rounding "
            "of the kernel: take more noise, or smaller inputs"
        )
    values = np.maximum(values, 0.0)
    white = scipy.linalg.solve_triangular(factor, targets, lower=True)
    log_root = float(np.log(np.diag(factor)).sum())
    return Spectrum(values, vectors.T @ white, log_root, factor, vectors)
