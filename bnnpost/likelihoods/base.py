"""What a likelihood says: the log probability of targets given outputs, and a bound of it."""

import abc

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float

from bnnpost.arguments import shown
from bnnpost.networks.nonlinearities import Scalar, checked_std


class Likelihood(eqx.Module):
    """p(targets | outputs). Subclass it: `log_prob` and `log_bound` are all rejection needs.

    Both are called under double precision, on one network's outputs; the library vmaps.
    Targets arrive as [n, k], also where the posterior's y is [n] (then k = 1).
    """

    @abc.abstractmethod
    def log_prob(self, outputs: Float[Array, "n k"], targets: Array) -> Float[Array, ""]:
        """log p(targets | outputs) in nats, summed over points and outputs."""

    @abc.abstractmethod
    def log_bound(self, targets: np.ndarray) -> float:
        """A number no smaller than `log_prob(outputs, targets)` for any outputs, in nats."""

    def sample(self, key: Array, outputs: Float[Array, "n k"]) -> Float[Array, "n k"]:
        """Draw targets given outputs; needed only for `Draws.predictive`."""
        raise TypeError(
            f"{type(self).__name__} does not say how observations are drawn: "
            "define sample(self, key, outputs) to use predictive()"
        )

    def probabilities(self, outputs: Float[Array, "*b n k"]) -> Float[Array, "*b n k"]:
        """Class probabilities given outputs. Optional: only a likelihood of classes has them."""
        raise TypeError(
            f"{type(self).__name__} has no class probabilities: expected Bernoulli, Categorical or "
            "a likelihood that defines probabilities(self, outputs); for draws of observations "
            'use predictive(key, x_test, kind="observations")'
        )

    def log_terms(
        self, outputs: Float[Array, "*b n k"], targets: Float[Array, "n t"]
    ) -> Float[Array, "*b n c"]:
        """log p split over points, and over outputs where they are independent (c = k, else 1).

        Optional. With it, samplers that use weights (capped rejection, importance estimates)
        draw the outputs guided by the targets instead of from the prior.
        """
        raise NotImplementedError

    @property
    def has_terms(self) -> bool:
        """Whether `log_terms` is defined."""
        return type(self).log_terms is not Likelihood.log_terms

    def check(self, targets: np.ndarray, num_outputs: int) -> None:
        """Raise ValueError if targets [n, k] cannot belong to a network of `num_outputs`."""


def check_noise_std(value: Scalar) -> None:
    """Raise ValueError or TypeError for what is not one standard deviation of the noise."""
    if np.ndim(value) > 0:
        raise ValueError(f"expected one noise_std for all outputs, got {shown(value)}")
    checked_std("noise_std", value)


def check_one_column_an_output(targets: np.ndarray, num_outputs: int) -> None:
    """Raise ValueError unless targets [n, k] have a column for each of the network's outputs."""
    if targets.shape[1] != num_outputs:
        raise ValueError(
            f"the network has {num_outputs} output(s), but y has {targets.shape[1]} column(s); "
            "give the network num_outputs to match"
        )
