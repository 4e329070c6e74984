"""The spectrum of a kernel on data, its tail, and the learning curve that follows from it.

With λ_i the eigenvalues of the kernel over the law of inputs, D points under a ridge (the noise's
variance) σ² resolve what is above a level κ, and the squared error of the posterior mean is

    D = Σ λ_i/(λ_i + κ) + σ²/κ,    E = D/(D − Σ λ_i²/(λ_i + κ)²) · (Σ κ² v_i²/(λ_i + κ)² + noise),

v_i the coefficients of the target (Sollich 1999; Bordelon, Canatar and Pehlevan 2020, arXiv
2002.02561; Simon et al. 2021, arXiv 2110.03922). A pool of n points does not have the λ_i, which
its own eigenvalues estimate badly from a few tenths of n on, and needs none: κ of n points under a
ridge δ is 1/tr (K + δ)⁻¹, so that the pool under the ridge with

    n − D = (δ − σ²) tr (K + δ)⁻¹

is where D points are under σ². Both sums are read off there, and the target's from the residuals
(generalised cross-validation). If λ_i falls as i^−(1+α), then κ as D^−(1+α), and E as D^−α for
targets as rough as the kernel (Bahri et al. 2021, arXiv 2102.06701).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

# Of the largest eigenvalue: what is below is rounding.
_ROUNDING = 1e-14
# What the place of a tail's last eigenvalue must be over that of its first.
_LEAST_SPAN = 2.5


class KernelSpectrum(NamedTuple):
    """A Gram matrix K [n, n] in its own basis.

    eigenvalues: those of K/n, descending. power: squares of the targets' coefficients, summed
    over outputs (units of y²).
    """

    eigenvalues: Float[np.ndarray, " n"]
    power: Float[np.ndarray, " n"]

    def exponent(self, first: int, last: int) -> tuple[float, float]:
        """α and c of λ_i ≈ c i^−(1+α) for i from first to last, every octave of i alike.

        Raises ValueError for a tail whose last place is less than 2.5 times its first, one that the
        spectrum does not reach, or one that ends in rounding.
        """
        _check_window(self.eigenvalues, first, last)
        rank = np.arange(first, last + 1)
        logs = np.log(self.eigenvalues[first - 1 : last])
        slope, constant = np.polyfit(np.log(rank), logs, 1, w=1 / np.sqrt(rank))
        return float(-slope - 1), float(np.exp(constant))

    def learning_curve(self, sizes: Sequence[int], noise_var: float) -> Float[np.ndarray, " size"]:
        """The squared error expected of the posterior mean given that many points of the pool.

        At points that it has not seen, with what noise the targets have, summed over outputs. Of no
        more points than the pool has.
        """
        return np.array([self._error(size, noise_var) for size in sizes])

    def _error(self, size: int, noise_var: float) -> float:
        n = len(self.eigenvalues)
        ridge = self._ridge(size, noise_var)
        inverse = 1 / (n * self.eigenvalues + ridge)
        kappa = 1 / inverse.sum()
        # Σ λ²/(λ+κ)² is that of λ/(λ+κ), and κ times its derivative by κ.
        taken = (n * self.eigenvalues * inverse).sum()
        slope = -(n * self.eigenvalues * inverse**2).sum() / (kappa**2 * (inverse**2).sum())
        squares = taken + kappa * slope
        training = ridge**2 * (inverse**2 @ self.power) / n
        of_pool = (n * kappa / ridge) ** 2 * training
        return float(size / (size - squares) * (n - squares) / n * of_pool)

    def _ridge(self, size: int, noise_var: float) -> float:
        """δ under which the pool is where so many points are under the noise."""
        from scipy.optimize import brentq

        n = len(self.eigenvalues)

        def excess(log_ridge: float) -> float:
            ridge = np.exp(log_ridge)
            trace = np.sum(1 / (n * self.eigenvalues + ridge))
            return float((ridge - noise_var) * trace - (n - size))

        low = high = float(np.log(noise_var))
        while excess(high) < 0:
            high += 4.0
        return float(np.exp(brentq(excess, low, high, xtol=1e-12))) if high > low else noise_var


def kernel_spectrum(
    kernel: Float[np.ndarray, "n n"], targets: Float[np.ndarray, "n k"]
) -> KernelSpectrum:
    """The spectrum of a Gram matrix with the targets' coefficients in it."""
    values, vectors = np.linalg.eigh(kernel)
    power = np.sum((vectors.T @ targets) ** 2, axis=1)
    return KernelSpectrum(np.maximum(values[::-1], 0.0) / len(kernel), power[::-1])


def _check_window(eigenvalues: np.ndarray, first: int, last: int) -> None:
    if not 1 <= first <= last / _LEAST_SPAN:
        raise ValueError(
            f"expected a tail from eigenvalue 1 or later, to at least {_LEAST_SPAN} times as far, "
            f"got {first} to {last}: sizes further apart, or tail=(first, last)"
        )
    if last > len(eigenvalues):
        raise ValueError(
            f"the spectrum is too short: expected a tail that ends at or before eigenvalue "
            f"{len(eigenvalues)}, got {last}; give more points, or tail=(first, last)"
        )
    floor = _ROUNDING * len(eigenvalues) * eigenvalues[0]
    if eigenvalues[last - 1] <= floor:
        reached = int(np.sum(eigenvalues > floor))
        raise ValueError(
            f"the spectrum is too short: {reached} eigenvalues are more than rounding, and the "
            f"tail was to end at {last}; give more points, smaller sizes or "
            "tail=(first, last)"
        )
