"""The kernel Stein discrepancy of draws, and its wild bootstrap.

Of a density p, known up to a constant, and the Stein operator of Langevin diffusions (Liu, Lee and
Jordan 2016; Chwialkowski, Strathmann and Gretton 2016): with s = ∇ log p and a kernel k,

    u(a, b) = s(a)ᵀs(b) k + s(a)ᵀ∇_b k + s(b)ᵀ∇_a k + tr ∇_a∇_b k

has expectation 0 over a ~ p, for every b. The kernel is k = (1 + |a − b|²)^(−1/2), whose
discrepancy controls convergence to distantly dissipative p (Gorham and Mackey 2017). Its scale is
that of standard normals, not the draws' median distance, so that nothing is fitted to them.
"""

import numpy as np
from jaxtyping import Float

# Sets of signs that are multiplied at once.
_ROWS = 256


def stein_products(
    points: Float[np.ndarray, "n d"], scores: Float[np.ndarray, "n d"]
) -> Float[np.ndarray, "n n"]:
    """u of every two of the points; 0 of a point and itself."""
    inner = points @ points.T
    norms = np.diagonal(inner)
    squares = np.maximum(norms[:, None] + norms - 2 * inner, 0.0)
    kernel = 1 / np.sqrt(1 + squares)
    # Derivatives of k by |a − b|²; ∇_a k = 2 k′ (a − b) = −∇_b k.
    first, second = -0.5 * kernel**3, 0.75 * kernel**5
    # s(a)ᵀ(a − b), [a, b].
    along = np.sum(scores * points, axis=1)[:, None] - scores @ points.T
    products = kernel * (scores @ scores.T) - 2 * first * (along + along.T)
    products -= 2 * points.shape[1] * first + 4 * squares * second
    np.fill_diagonal(products, 0.0)
    return products  # type: ignore[no-any-return]


def mean_product(products: Float[np.ndarray, "n n"]) -> float:
    """The squared discrepancy, without bias (a U-statistic, which may be negative)."""
    return float(products.sum() / (len(products) * (len(products) - 1)))


def wild_bootstrap(
    products: Float[np.ndarray, "n n"], count: int, rng: np.random.Generator
) -> float:
    """The p-value: how often sums with random signs, ε_a ε_b u(a, b), are as large as the sum.

    count: of sets of signs. Of independent draws, whose number is large: then a sum with signs
    has the law of the sum itself if the draws are from p.
    """
    found, at_least = products.sum(), 0
    for start in range(0, count, _ROWS):
        size = min(_ROWS, count - start)
        signs = rng.choice(np.array([-1.0, 1.0]), size=(size, len(products)))
        sums = np.sum((signs @ products) * signs, axis=1)
        at_least += int(np.count_nonzero(sums >= found))
    return (1 + at_least) / (1 + count)
