"""Classes and counts: targets whose probability, at most 1, is its own bound."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from bnnpost.likelihoods.base import Likelihood, check_one_column_an_output


class Bernoulli(Likelihood):
    """Targets 0 or 1, one for each output: p(1) = logistic(f), or Φ(f) with link="probit".

    Raises ValueError for another link, or for targets other than 0 and 1.
    """

    target_kind = "classes"
    link: str = eqx.field(static=True, default="logit")

    def __check_init__(self) -> None:
        if self.link not in ("logit", "probit"):
            raise ValueError(f"expected link to be 'logit' or 'probit', got {self.link!r}")

    def check(self, targets: np.ndarray, num_outputs: int) -> None:
        check_one_column_an_output(targets, num_outputs)
        if not np.isin(targets, (0, 1)).all():
            raise ValueError(
                f"expected targets 0 or 1, got {np.unique(targets)[:5]}; for more classes than two "
                "use Categorical"
            )

    def log_terms(self, outputs: Array, targets: Array) -> Array:
        signed = (2 * targets - 1) * outputs
        if self.link == "logit":
            return jax.nn.log_sigmoid(signed)
        return jax.scipy.special.log_ndtr(signed)

    def log_bound(self, targets: np.ndarray) -> float:
        return 0.0

    def probabilities(self, outputs: Array) -> Array:
        """p(1) for each output: 1/(1 + e^−f), or Φ(f)."""
        return jax.nn.sigmoid(outputs) if self.link == "logit" else jax.scipy.special.ndtr(outputs)

    def sample(self, key: Array, outputs: Array) -> Array:
        return jax.random.bernoulli(key, self.probabilities(outputs)).astype(outputs.dtype)


class Categorical(Likelihood):
    """Targets are class numbers 0 … k − 1 in one column; p(c) = softmax(f)_c over k outputs.

    Raises ValueError for targets that are no class numbers, or a network of one output.
    """

    target_kind = "classes"

    def num_outputs(self, num_columns: int, num_classes: int) -> int:
        return num_classes

    def check(self, targets: np.ndarray, num_outputs: int) -> None:
        if num_outputs < 2:
            raise ValueError(
                "expected a network with an output for each class, got one output; for two "
                "classes and one output use Bernoulli"
            )
        if targets.shape[1] != 1:
            raise ValueError(
                f"expected one column of class numbers, got {targets.shape[1]}; "
                "of one-hot targets y.argmax(axis=1) gives them"
            )
        if not np.isin(targets, np.arange(num_outputs)).all():
            raise ValueError(
                f"expected class numbers 0 to {num_outputs - 1}, got {np.unique(targets)[:5]}"
            )

    def log_terms(self, outputs: Array, targets: Array) -> Array:
        log_chances = jax.nn.log_softmax(outputs, axis=-1)
        chosen = jnp.arange(outputs.shape[-1]) == targets
        return jnp.sum(jnp.where(chosen, log_chances, 0.0), axis=-1, keepdims=True)

    def mean_slopes(
        self, outputs: np.ndarray, targets: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """E[1 − Σπ²]/(k − 1), and the class's own indicator less E π."""
        num_classes = outputs.shape[-1]
        chances = np.exp(outputs - np.max(outputs, axis=-1, keepdims=True))
        chances = chances / np.sum(chances, axis=-1, keepdims=True)
        curvature = np.mean(1 - np.sum(chances**2, axis=-1), axis=0) / (num_classes - 1)
        return curvature, np.eye(num_classes)[targets[:, 0].astype(int)] - np.mean(chances, axis=0)

    def log_bound(self, targets: np.ndarray) -> float:
        return 0.0

    def probabilities(self, outputs: Array) -> Array:
        """p(c) for each class c: e^f_c / Σ e^f, over the last axis."""
        return jax.nn.softmax(outputs, axis=-1)

    def sample(self, key: Array, outputs: Array) -> Array:
        classes = jax.random.categorical(key, outputs, axis=-1)
        return classes[:, None].astype(outputs.dtype)


class Poisson(Likelihood):
    """Targets are counts, one for each output, with mean exp(f). Raises ValueError for others."""

    target_kind = "counts"

    def check(self, targets: np.ndarray, num_outputs: int) -> None:
        check_one_column_an_output(targets, num_outputs)
        if not (np.all(targets >= 0) and np.all(targets == np.round(targets))):
            wrong = targets[(targets < 0) | (targets != np.round(targets))][:5]
            raise ValueError(f"expected targets to be counts 0, 1, 2, …, got {wrong}")

    def log_terms(self, outputs: Array, targets: Array) -> Array:
        return targets * outputs - jnp.exp(outputs) - jax.scipy.special.gammaln(targets + 1)

    def log_bound(self, targets: np.ndarray) -> float:
        from scipy.special import gammaln, xlogy

        return float(np.sum(xlogy(targets, targets) - targets - gammaln(targets + 1)))

    def sample(self, key: Array, outputs: Array) -> Array:
        return jax.random.poisson(key, jnp.exp(outputs)).astype(outputs.dtype)
