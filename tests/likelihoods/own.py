"""A likelihood that no file of the library knows of, as a user would write it."""

import jax
import jax.numpy as jnp
import numpy as np

from bnnpost.likelihoods import Likelihood


class Cauchy(Likelihood):
    """Cauchy noise of a known scale."""

    scale: float = 0.5

    def log_terms(self, outputs, targets):
        return -jnp.log1p(((targets - outputs) / self.scale) ** 2) - jnp.log(jnp.pi * self.scale)

    def log_bound(self, targets):
        return -targets.size * float(np.log(np.pi * self.scale))

    def sample(self, key, outputs):
        return outputs + self.scale * jax.random.cauchy(key, outputs.shape, outputs.dtype)


class Counted(Likelihood):
    """Two classes by their outputs' difference, each point of a count of its own: two columns."""

    target_kind = "counts"

    def num_outputs(self, num_columns, num_classes):
        return 1

    def log_prob(self, outputs, targets):
        hits, misses = targets[:, :1], targets[:, 1:]
        return jnp.sum(hits * jax.nn.log_sigmoid(outputs) + misses * jax.nn.log_sigmoid(-outputs))

    def log_bound(self, targets):
        return 0.0

    def probabilities(self, outputs):
        return jax.nn.sigmoid(outputs)
