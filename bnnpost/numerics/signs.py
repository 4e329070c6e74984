"""The expectation of the product of four signs of normal variables.

By Price (1958) the derivative of E s₁s₂s₃s₄ with respect to the correlation ρ_ij is
(2/π)² arcsin(ρ_kl·ij)/√(1 − ρ_ij²), with the partial correlation of the other two (Plackett 1954).
Along the path on which the correlations with the last variable grow from 0, where that sign is
independent of the others and the expectation is 0, three integrals of one variable are left.
"""

import itertools
import math

import numpy as np
from jaxtyping import Float

# Gauss–Legendre in the square root of the distance to the end, where the integrand may have a root:
# two rules, and one for where they differ by more than that, as they do near singular matrices.
_FEWER_NODES, _NUM_NODES, _MOST_NODES = 16, 24, 192
_MOST_APART = 1e-11
# Quadruples done together.
_TOGETHER = 2**13


def expect_four_signs(correlations: Float[np.ndarray, "m 4 4"]) -> Float[np.ndarray, " m"]:
    """E s₁s₂s₃s₄ for each matrix of correlations; NaN where one is singular otherwise than below.

    Where two variables are one, or opposites, the other two are left: ± (2/π) arcsin ρ. Near that
    there are fewer digits. The order of the variables changes the result by about its error.
    """
    starts = range(0, len(correlations), _TOGETHER)
    parts = [_together(correlations[start : start + _TOGETHER]) for start in starts]
    return np.concatenate([np.empty(0), *parts])


def _together(correlations: Float[np.ndarray, "m 4 4"]) -> Float[np.ndarray, " m"]:
    one = np.abs(correlations) >= 1 - 1e-14
    correlations = np.where(one, np.sign(correlations), correlations)
    with np.errstate(all="ignore"):
        found = _by_rule(correlations, _NUM_NODES)
        apart = np.abs(found - _by_rule(correlations, _FEWER_NODES)) > _MOST_APART
        found[apart] = _by_rule(correlations[apart], _MOST_NODES)
    for i, j in itertools.combinations(range(4), 2):
        k, m = (other for other in range(4) if other not in (i, j))
        of_two = correlations[:, i, j] * _arcsine(correlations[:, k, m])
        found = np.where(one[:, i, j], of_two, found)
    return found


def _arcsine(correlation: np.ndarray) -> np.ndarray:
    return 2 / math.pi * np.arcsin(np.clip(correlation, -1, 1))


def _by_rule(correlations: Float[np.ndarray, "m 4 4"], count: int) -> Float[np.ndarray, " m"]:
    rule = np.polynomial.legendre.leggauss(count)
    return np.asarray(sum(_along(correlations, i, rule) for i in range(3)))


def _along(
    correlations: Float[np.ndarray, "m 4 4"], i: int, rule: tuple[np.ndarray, np.ndarray]
) -> Float[np.ndarray, " m"]:
    """What the correlation of variable i with the last adds: an integral over its arcsine."""
    nodes, weights = rule
    distance = (1 - nodes) / 2
    places, shares = 1 - distance**2, weights * distance
    k, m = (j for j in range(3) if j != i)
    with_last = correlations[:, 3, :, None]
    angle = np.arcsin(np.clip(with_last[:, i], -1, 1))
    sine = np.sin(angle * places)
    part = np.where(np.abs(with_last[:, i]) > 1e-12, sine / with_last[:, i], places)
    ik, im, km = (correlations[:, a, b, None] for a, b in ((i, k), (i, m), (k, m)))
    k_last, m_last = part * with_last[:, k], part * with_last[:, m]
    left = 1 - sine**2
    both = km - (ik * im + k_last * m_last - sine * (ik * m_last + im * k_last)) / left
    of_k = 1 - (ik**2 + k_last**2 - 2 * sine * ik * k_last) / left
    of_m = 1 - (im**2 + m_last**2 - 2 * sine * im * m_last) / left
    partial = _arcsine(both / np.sqrt(of_k * of_m))
    return 2 / math.pi * angle[:, 0] * (partial @ shares)
