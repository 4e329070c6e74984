"""What every Gaussian law of functions has: a mean, a covariance, and draws."""

import abc
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from bnnpost.numerics.linalg import nested_factor, pivot_order
from bnnpost.numerics.precision import in_double_precision
from bnnpost.numerics.random import require_key
from bnnpost.posterior import Posterior
from bnnpost.storage import require_free

# Matrices of all points at once: the prior's kernel, what the data explain of it, and what is left.
_COPIES = 3
# Inputs of which a mean is found at once.
_AT_ONCE = 1024


class MeanAndCovariance(NamedTuple):
    """A Gaussian over function values: the same covariance for every output."""

    mean: Float[np.ndarray, "m k"]
    covariance: Float[np.ndarray, "m m"]


def require_room(num_points: int) -> None:
    """Raise ValueError where covariances of so many points do not fit in the free memory."""
    require_free(
        _COPIES * num_points**2 * np.dtype(np.float64).itemsize,
        f"a covariance of {num_points:,} points",
        "give fewer inputs at a time; means and variances are the same in blocks",
    )


class GaussianLaw(eqx.Module):
    """A Gaussian law of functions with independent outputs of one covariance."""

    posterior: eqx.AbstractVar[Posterior]

    @abc.abstractmethod
    def conditional(self, x: object) -> MeanAndCovariance:
        """Mean and covariance of f at inputs x [m, feature]."""

    def mean(self, x: object) -> Float[np.ndarray, "m k"]:
        """Mean of f at inputs x [m, feature], of any number: no covariance of all is formed."""
        points = self.posterior.checked_test_points(x)
        starts = range(0, max(len(points), 1), _AT_ONCE)
        parts = [self.conditional(points[start : start + _AT_ONCE]).mean for start in starts]
        return np.concatenate(parts)

    def covariance(self, x: object) -> Float[np.ndarray, "m m"]:
        """Covariance of f at inputs x, the same for each of the independent outputs."""
        return self.conditional(x).covariance

    @in_double_precision
    def sample(
        self, key: Array, x: object, num_samples: int = 1000
    ) -> Float[np.ndarray, "sample m k"]:
        """Independent draws of f at inputs x, [sample, point, output]."""
        require_key(key)
        mean, covariance = self.conditional(x)
        normals = np.asarray(jax.random.normal(key, (num_samples, *mean.shape)))
        order = pivot_order(covariance, len(covariance))
        factor = np.asarray(_square_root(jnp.asarray(covariance), jnp.asarray(order)))
        return mean + np.einsum("ij,sjk->sik", factor, normals)


@jax.jit
def _square_root(covariance: Array, order: Array) -> Array:
    return nested_factor(covariance, order).matrix
