"""Losses of Gaussian-process posteriors given random subsets of a pool."""

from typing import NamedTuple

import numpy as np
import scipy.linalg
from jaxtyping import Float, Int

from bnnpost.studies.losses import Losses, Predictive


class Pool(NamedTuple):
    """Points to choose from, and test points: kernels, targets, and the noise of both.

    within [n, n], across [n, m], variance [m]: the prior's covariances of f.
    """

    within: Float[np.ndarray, "n n"]
    across: Float[np.ndarray, "n m"]
    variance: Float[np.ndarray, " m"]
    targets: Float[np.ndarray, "n k"]
    test_targets: Float[np.ndarray, "m k"]
    noise_var: float

    def losses(self, rows: Int[np.ndarray, " d"]) -> Losses:
        """At each test point, of the posterior given these rows of the pool.

        Raises FloatingPointError if the noise is lost in the rounding of the kernel.
        """
        noisy = self.within[np.ix_(rows, rows)] + self.noise_var * np.eye(len(rows))
        try:
            factor = scipy.linalg.cholesky(noisy, lower=True)
        except np.linalg.LinAlgError:
            raise FloatingPointError(
                f"K + noise of {len(rows)} points is not positive definite in double precision: "
                f"noise_std {np.sqrt(self.noise_var):.3g} is lost in the rounding of the kernel; "
                "use a larger noise_std"
            ) from None
        both = np.concatenate([self.across[rows], self.targets[rows]], axis=1)
        whitened = scipy.linalg.solve_triangular(factor, both, lower=True)
        across, targets = np.split(whitened, [self.across.shape[1]], axis=1)
        variance = self.variance - np.sum(across**2, axis=0) + self.noise_var
        return Predictive(across.T @ targets, variance, self.test_targets).losses()
