"""Layer normalisation over the channels (Ba et al. 2016)."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from bnnpost.networks.covariance import Covariance
from bnnpost.networks.errors import LayerError
from bnnpost.networks.layers import Map
from bnnpost.networks.nonlinearities import Scalar, cast, concrete, named
from bnnpost.networks.units import through_map


class LayerNorm(Map):
    """(x − mean)/√(variance + eps) over the channels of each input and position; no gain or shift.

    K_ij → K_ij/√((K_ii + eps)(K_jj + eps)), and the tangent by the same factor, where channels
    have zero mean in the limit: after a linear layer. Anywhere else the kernel map raises
    LayerError. Raises ValueError for a negative eps.
    """

    eps: Scalar = eqx.field(converter=named("eps"), default=1e-12)

    def __check_init__(self) -> None:
        number = concrete(self.eps)
        if number is not None and not (np.ndim(number) == 0 and 0 <= number < np.inf):
            raise ValueError(f"expected eps to be a number of at least 0, got {self.eps}")

    def __call__(self, x: Array) -> Array:
        centred = x - jnp.mean(x, axis=-1, keepdims=True)
        variance = jnp.mean(centred**2, axis=-1, keepdims=True)
        return centred * self._scale(variance)

    def _scale(self, variances: Array) -> Array:
        """1/√(variance + eps); 0 where both are 0."""
        total = variances + cast(self.eps, variances)
        return jnp.where(total > 0, jax.lax.rsqrt(jnp.where(total > 0, total, 1.0)), 0.0)

    def covariance(self, k: Covariance) -> Covariance:
        if k.units == "inputs":
            return through_map(self, k)
        if k.units != "gaussian":
            raise LayerError(
                "layer normalisation has a closed form in the limit where channels have zero mean, "
                "that is right after a linear layer; here it follows an activation: put a Dense "
                "between them, or normalise before the activation"
            )
        return k.scaled(self._scale(k.variances1), self._scale(k.variances2))
