"""The limit space: the posterior of the infinitely wide network, a Gaussian process."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from bnnpost.kernels import nngp
from bnnpost.likelihoods import Gaussian
from bnnpost.numerics import gp
from bnnpost.numerics.linalg import gaussian_log_density, nested_cholesky
from bnnpost.numerics.precision import in_double_precision
from bnnpost.numerics.random import require_key
from bnnpost.posterior import Posterior


class Limit(eqx.Module):
    """Gaussian-process posterior with the NNGP kernel; all in double precision.

    log_evidence: log p(y) in nats, summed over outputs.
    """

    posterior: Posterior
    log_evidence: float

    def mean(self, x: object) -> Float[np.ndarray, "m k"]:
        """Posterior mean of f at inputs x [m, feature]."""
        return np.asarray(self.conditional(x).mean)

    def covariance(self, x: object) -> Float[np.ndarray, "m m"]:
        """Posterior covariance of f at inputs x, the same for each of the independent outputs."""
        return np.asarray(self.conditional(x).covariance)

    @in_double_precision
    def conditional(self, x: object) -> gp.Conditional:
        """Mean and covariance at inputs x, as JAX arrays."""
        points = self.posterior.checked_test_points(x)
        kernel = nngp(self.posterior.network, np.concatenate([self.posterior.x, points]))
        return gp.condition(kernel, jnp.asarray(self.posterior.targets), _noise_var(self.posterior))

    @in_double_precision
    def sample(
        self, key: Array, x: object, num_samples: int = 1000
    ) -> Float[np.ndarray, "sample m k"]:
        """Independent draws of f at inputs x, [sample, point, output]."""
        require_key(key)
        mean, covariance = self.conditional(x)
        normals = jax.random.normal(key, (num_samples, *mean.shape))
        return np.asarray(mean + jnp.einsum("ij,sjk->sik", nested_cholesky(covariance), normals))


@in_double_precision
def limit(posterior: Posterior, *, key: Array | None = None) -> Limit:
    """The posterior as every hidden width goes to infinity (design: NNGP regression).

    Closed form for a Gaussian likelihood (Williams and Rasmussen 1996); `key` is reserved
    for likelihoods whose limit must be sampled. Raises TypeError for another likelihood.
    """
    del key
    noise_var = _noise_var(posterior)
    kernel = nngp(posterior.network, posterior.x)
    noisy = kernel + noise_var * jnp.eye(kernel.shape[0])
    return Limit(posterior, float(gaussian_log_density(jnp.asarray(posterior.targets), noisy)))


def _noise_var(posterior: Posterior) -> Array:
    likelihood = posterior.likelihood
    if not isinstance(likelihood, Gaussian):
        raise TypeError(
            f"the limit in closed form needs a Gaussian likelihood, got {type(likelihood).__name__}"
        )
    return likelihood.noise_var
