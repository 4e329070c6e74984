"""Importance estimates over all proposals: every prior draw counts, with its weight."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Array, Float

from bnnpost.arguments import positive_integer
from bnnpost.numerics.random import require_key
from bnnpost.numerics.weights import WeightSum, normalised
from bnnpost.posterior import Posterior
from bnnpost.spaces import engine
from bnnpost.spaces.completions import Completion, jointly
from bnnpost.spaces.making import make_space
from bnnpost.spaces.space import Observation, Space


@dataclass(frozen=True)
class Estimate:
    """Proposals with their weights, and the Gaussian each predicts at the test inputs.

    log_weights [proposal], in nats; means [proposal, point, output]; covariances [proposal,
    point, point], the same for every output, or [proposal, output, point, point] where outputs
    have noise of their own; controls [proposal, q]: control variates whose mean under the
    prior is exactly zero. The predictive is the mixture of
    these Gaussians with weights ∝ exp(log_weights). log_bound: an upper bound of the log weights,
    in nats, ∞ where none is known. Estimates and their errors are of what was proposed; what was
    not is in `unseen_mass_upper` alone.
    """

    log_weights: Float[np.ndarray, " p"]
    means: Float[np.ndarray, "p m k"]
    covariances: Float[np.ndarray, "p *k m m"]
    controls: Float[np.ndarray, "p q"]
    log_bound: float = math.inf

    @property
    def weights(self) -> Float[np.ndarray, " p"]:
        """Normalised weights, which sum to 1; that of a proposal whose weight is NaN is 0."""
        return normalised(self.log_weights)

    @property
    def log_evidence(self) -> float:
        """log p(y) in nats: the log of the mean weight."""
        return WeightSum().add(self.log_weights).log_mean().value

    @property
    def log_evidence_se(self) -> float:
        """Standard error of `log_evidence`, in nats."""
        return WeightSum().add(self.log_weights).log_mean().standard_error

    @property
    def unseen_mass_upper(self) -> float:
        """The most, at 95 %, of the posterior's mass in a region that no proposal visited.

        By the bound of the weights; 1 where none is known, or proposals are too few for it.
        """
        return WeightSum().add(self.log_weights).unseen_mass_upper(self.log_bound)

    @property
    def effective_sample_size(self) -> float:
        """(Σw)²/Σw²: how many equally weighted draws the proposals are worth."""
        return WeightSum().add(self.log_weights).effective_sample_size()

    def mean(self) -> Float[np.ndarray, "m k"]:
        """Posterior mean of f at the test inputs."""
        return np.tensordot(self.weights, self.means, axes=1)

    def mean_se(self) -> Float[np.ndarray, "m k"]:
        """Standard error of `mean` (delta method for self-normalised weights)."""
        deviations = self.weights[:, None, None] * (self.means - self.mean())
        return np.sqrt(np.sum(deviations**2, axis=0))

    def covariance(self) -> Float[np.ndarray, "k m m"]:
        """Posterior covariance of f at the test inputs, one for each output."""
        centred = self.means - self.mean()
        between = np.einsum("p,pik,pjk->kij", self.weights, centred, centred, optimize=True)
        return between + np.tensordot(self.weights, self.covariances, axes=1)


def estimate(
    key: Array,
    posterior: Posterior,
    x_test: object,
    *,
    num_proposals: int,
    space: str = "auto",
    precision: str = "single",
) -> Estimate:
    """Prior draws with their weights and what each predicts at x_test; nothing is rejected.

    The same proposals that `rejection.sample` with this key and bound="capped" would try.
    Gaussian noise, given its variances, is integrated out with the readout; under other
    likelihoods outputs are drawn, led by the targets where the likelihood has `log_terms`.
    Raises ValueError for a network that does not end in a linear readout.
    """
    require_key(key)
    num_proposals = positive_integer("num_proposals", num_proposals)
    chosen = weighted_space(posterior, space, precision)
    points = posterior.checked_test_points(x_test)
    blocks = list(observations(chosen, key, points, np.arange(num_proposals, dtype=np.uint64)))
    covariances = np.concatenate([block.predictive.covariance for block in blocks])
    return Estimate(
        np.concatenate([block.log_weight for block in blocks]),
        np.concatenate([block.predictive.mean for block in blocks]),
        covariances[:, 0] if covariances.shape[1] == 1 else covariances,
        np.concatenate([block.controls for block in blocks]),
        chosen.log_bound(),
    )


def weighted_space(posterior: Posterior, space: str, precision: str) -> Space:
    """The space for weights without a bound; raises ValueError without a linear readout."""
    chosen = make_space(posterior, space=space, precision=precision, strict=False)
    if chosen.layers[1] is None:
        raise ValueError(
            "estimates over all proposals need a network that ends in a Dense layer with "
            "Gaussian weights, given its scales (prior=Normal(0, 1) there); use "
            "rejection.sample(…) and predict() instead"
        )
    return chosen


def observations(
    space: Space, key: Array, points: Float[np.ndarray, "m *f"], numbers: np.ndarray
) -> Iterator[Observation]:
    """What the proposals with these numbers contribute, in blocks, as numpy arrays."""
    posterior = space.posterior
    extra = (points, jointly(posterior.network, posterior.x, points))
    blocks = engine.evaluate(_observe, space, key, numbers, extra, len(points))
    return blocks  # type: ignore[return-value]


def _observe(space: Space, key: Array, x_test: Array, completion: Completion) -> Observation:
    return space.observe(key, x_test, completion)
