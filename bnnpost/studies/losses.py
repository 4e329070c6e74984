"""Losses of the posterior predictive at test targets: a network's, its limit's, and their theory.

At each test point x*, with targets y* [output], the mixture over all proposals has density

    p(y* | x*, D) = Σ_i w_i Π_o N(y*_o; m_io, v_i + σ²) / Σ_i w_i,

m_i, v_i the mean and variance of f* given the hidden layers of proposal i. The negative log
of it and the squared error of Σ w m / Σ w are the losses. Both are smooth functions of posterior
expectations, so that differences from the limit have errors of constant relative size where
control variates exist (see `moments`).
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from bnnpost.comparison.differences import Quantities, jackknife
from bnnpost.comparison.moments import Functionals, sums_over_proposals
from bnnpost.posterior import Posterior, require_posterior
from bnnpost.samplers.importance import weighted_space
from bnnpost.spaces import limit
from bnnpost.spaces.limit import Limit
from bnnpost.spaces.space import Observation
from bnnpost.theories.expansion import first_order_responses
from bnnpost.theories.hidden_layers import hidden_layers
from bnnpost.theories.response import Response

LOSSES = ("nll", "squared_error")
Estimates = dict[str, tuple[np.ndarray, np.ndarray]]


class Losses(NamedTuple):
    """At each test point: negative log density (nats) and squared error, summed over outputs."""

    nll: Float[np.ndarray, " m"]
    squared_error: Float[np.ndarray, " m"]

    def quantities(self, ending: str) -> Quantities:
        """Means over test points, and each point's, named with this ending."""
        own = {f"{name}{ending}": values for name, values in self._asdict().items()}
        means = {name: np.asarray(values.mean()) for name, values in own.items()}
        return {**means, **{f"{name}_by_point": values for name, values in own.items()}}


class Predictive(NamedTuple):
    """A Gaussian law of y* at each test point: mean, variance (noise included), and y* itself."""

    mean: Float[Array | np.ndarray, "m k"]
    variance: Float[Array | np.ndarray, " m"]
    targets: Float[Array | np.ndarray, "m k"]

    @property
    def distance(self) -> Float[Array | np.ndarray, " m"]:
        """Σ_o (y*_o − mean_o)² / variance."""
        return ((self.targets - self.mean) ** 2).sum(axis=1) / self.variance

    def losses(self) -> Losses:
        """Its own."""
        mean, variance, targets = map(np.asarray, self)
        log_det = mean.shape[1] * np.log(2 * np.pi * variance)
        return Losses(
            0.5 * (np.asarray(self.distance) + log_det), np.sum((targets - mean) ** 2, axis=1)
        )

    def difference(self, mean: Float[np.ndarray, "m k"], ratio: Float[np.ndarray, " m"]) -> Losses:
        """What a network's losses are more than these, from its mean and its density over ours."""
        if not np.all(ratio > 0):
            raise FloatingPointError(
                "the estimated predictive density is not positive at a test target: expected more "
                "proposals"
            )
        shift, residual = mean - np.asarray(self.mean), np.asarray(self.targets - self.mean)
        return Losses(-np.log(ratio), np.sum((shift - 2 * residual) * shift, axis=1))

    def first_order(self, response: Response) -> Losses:
        """Coefficients of 1/N of the difference.

        With r = y* − mean, S = variance, q = Σ r²/S over k outputs and h the density: derivatives
        of h by the mean and variance of f, over h, times what theory says of their means,
        variances and covariance over kernels. A variance's derivative is half the sum of second
        derivatives by the means, so that each is a Hermite polynomial of r/√S. The squared error
        changes by −2 Σ r · (coefficient of the mean).
        """
        k = self.mean.shape[1]
        std = np.sqrt(np.asarray(self.variance))
        z = np.asarray(self.targets - self.mean) / std[:, None]
        q = np.sum(z**2, axis=1)
        within = np.diagonal(response.within)
        both = np.einsum("mk,mj,mkj->m", z, z, response.outputs)
        both = both - np.trace(response.outputs, axis1=1, axis2=2)
        relative = (
            np.sum(z * response.mean, axis=1) / std
            + 0.5 * ((q - k) * within + both) / std**2
            + 0.5 * (q - k - 2) * np.sum(z * response.skew, axis=1) / std**3
            + ((q - k) ** 2 - 4 * q + 2 * k) * response.kurtosis / (8 * std**4)
        )
        return Losses(-relative, -2 * np.sum(z * response.mean, axis=1) * std)


class Scored(Functionals):
    """1, f, and at each test point the density of its targets over the limit's density there.

    noise_var: of y given f.
    """

    limit: Predictive
    noise_var: float

    def __call__(self, proposal: Observation) -> Float[Array, " f"]:
        mean, covariance = proposal.predictive.mean, proposal.predictive.covariance[0]
        own = Predictive(mean, jnp.diagonal(covariance) + self.noise_var, self.limit.targets)
        log_var_ratio = jnp.log(own.variance / self.limit.variance)
        exponent = own.distance - self.limit.distance + mean.shape[1] * log_var_ratio
        return jnp.concatenate([jnp.ones(1), mean.ravel(), jnp.exp(-0.5 * exponent)])


def require_predictive(posterior: Posterior) -> None:
    """Raise TypeError for what is no posterior, NotImplementedError without a predictive density.

    Given the hidden layers it has a closed form under Gaussian noise of known size alone.
    """
    require_posterior(posterior)
    if posterior.likelihood.known_std is None:
        raise NotImplementedError(
            "the predictive density of a target has a closed form given the hidden layers under "
            "likelihoods.Gaussian(noise_std=…) alone, got "
            f"{type(posterior.likelihood).__name__}; bnnpost.compare measures distances of f"
        )


def limit_predictive(
    posterior: Posterior,
    points: Float[np.ndarray, "m *f"],
    targets: Float[np.ndarray, "m k"],
    key: Array,
) -> tuple[Predictive, float]:
    """The limit's law of the test targets, and its log evidence in nats."""
    limiting = limit(posterior, key=key)
    assert isinstance(limiting, Limit)
    mean, covariance = limiting.conditional(points)
    variance = np.diagonal(covariance) + posterior.likelihood.known_var()
    return Predictive(mean, variance, targets), limiting.log_evidence


def measured_losses(
    key: Array,
    posterior: Posterior,
    points: Float[np.ndarray, "m *f"],
    limiting: Predictive,
    log_reference: float,
    num_proposals: int,
) -> tuple[Estimates, dict[str, float]]:
    """Differences of the losses, finite − limit, over all proposals, with standard errors."""
    asked = Scored(limiting, posterior.likelihood.known_var())
    chosen = weighted_space(posterior, "auto", "single")
    sums, attributes = sums_over_proposals(key, chosen, points, num_proposals, log_reference, asked)
    num_means = limiting.mean.size
    replicates = []
    for row in sums.replicates():
        mean, ratio = np.split(row[1:], [num_means])
        found = limiting.difference(mean.reshape(limiting.mean.shape), ratio)
        replicates.append(found.quantities("_difference"))
    whole, *without = replicates
    estimates = {
        name: jackknife(value, np.stack([one[name] for one in without]))
        for name, value in whole.items()
    }
    return estimates, attributes


def predicted(
    posterior: Posterior,
    points: Float[np.ndarray, "m *f"],
    limiting: Predictive,
    num_units: int,
) -> Estimates:
    """First-order coefficients of the differences; N is the narrowest hidden layer's width.

    Raises ValueError for networks that `theory` does not cover.
    """
    found = first_order_responses(posterior, points, num_units, None)
    return found.estimates(lambda r: limiting.first_order(r).quantities("_coefficient"))


def narrowest(posterior: Posterior) -> int:
    """N of the first-order theory: the width of the narrowest hidden layer."""
    return min(layer.width for layer in hidden_layers(posterior.network)[1])
