"""What is asked of a predictor where the test inputs are: losses, spread, and how calibrated.

At a test point the predictive law of y* is a mixture of Gaussians: of the exact posterior one
component a proposal, with its weight, of an ensemble one a member, N(f*, σ²), all alike, of the
limit a single one. With F its distribution function, y* lies in the central interval of level
p where |F(y*) − ½| ≤ p/2; the epistemic variance is that of f*, without the noise.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.special
from jaxtyping import Array, Float

from bnnpost.comparison.differences import Estimates, Quantities, jackknife, jackknifed
from bnnpost.comparison.moments import Functionals, sums_over_proposals
from bnnpost.posterior import Posterior
from bnnpost.samplers.importance import weighted_space
from bnnpost.spaces.space import Observation
from bnnpost.studies.losses import Predictive, Scored

# Of central predictive intervals.
LEVELS = (0.5, 0.9)
# What is asked of every predictor, and its difference from the limit's.
MEASURES = ("nll", "squared_error", "epistemic_var")
# An error below this is rounding: an estimate is then on the side where it is.
_ROUNDING = 1e-12


class Outlook(Functionals):
    """What `Scored` asks, then E f² and the predictive's distribution function at the targets."""

    scored: Scored

    def __call__(self, proposal: Observation) -> Float[Array, " f"]:
        """1, f, the ratio of densities, f² and F(y*), given the hidden layers of a proposal."""
        mean = proposal.predictive.mean
        own_var = jnp.diagonal(proposal.predictive.covariance[0])[:, None]
        std = jnp.sqrt(own_var + self.scored.noise_var)
        pit = jax.scipy.special.ndtr((self.scored.limit.targets - mean) / std)
        return jnp.concatenate([self.scored(proposal), (own_var + mean**2).ravel(), pit.ravel()])

    def differences(self, expectations: Float[np.ndarray, " q"]) -> Quantities:
        """Finite − limit of the measures; of the network itself mean and pit [point, output]."""
        limit = self.scored.limit
        m, k = limit.mean.shape
        _, mean, ratio, second, pit = np.split(expectations, np.cumsum([1, m * k, m, m * k]))
        mean = mean.reshape(m, k)
        losses = limit.difference(mean, ratio)
        variance = second.reshape(m, k) - mean**2
        limit_var = np.asarray(limit.variance)[:, None] - self.scored.noise_var
        return {
            "nll": losses.nll.mean(),
            "squared_error": losses.squared_error.mean(),
            "epistemic_var": np.mean(variance - limit_var),
            "pit": pit.reshape(m, k),
            "mean": mean,
        }


def of_the_limit(law: Predictive, noise_var: float) -> Quantities:
    """Measures, mean and pit of a Gaussian law of y*, noise included."""
    mean, variance, targets = map(np.asarray, law)
    losses = law.losses()
    return {
        "nll": losses.nll.mean(),
        "squared_error": losses.squared_error.mean(),
        "epistemic_var": np.mean(variance - noise_var),
        "pit": scipy.special.ndtr((targets - mean) / np.sqrt(variance)[:, None]),
        "mean": mean,
    }


class Finite(NamedTuple):
    """A network's own measures, finite − limit of them, and what to know of the proposals."""

    own: Estimates
    differences: Estimates
    attributes: dict[str, float]


def of_the_posterior(
    key: Array,
    posterior: Posterior,
    points: Float[np.ndarray, "m *f"],
    law: Predictive,
    log_reference: float,
    num_proposals: int,
) -> Finite:
    """Over all weighted proposals, with jackknife errors; law: the limit's of the targets.

    With one key the proposals are the same wherever the test points are.
    """
    noise_var = posterior.likelihood.known_var()
    asked = Outlook(Scored(law, noise_var))
    chosen = weighted_space(posterior, "auto", "single")
    sums, attributes = sums_over_proposals(key, chosen, points, num_proposals, log_reference, asked)
    found = jackknifed([asked.differences(row) for row in sums.replicates()])
    limiting = of_the_limit(law, noise_var)
    differences = {name: found[name] for name in MEASURES}
    own = {
        name: (limiting[name] + value if name in MEASURES else value, error)
        for name, (value, error) in found.items()
    }
    return Finite(own, differences, attributes)


def of_members(
    outputs: Float[np.ndarray, "s m k"], targets: Float[np.ndarray, "m k"], noise_var: float
) -> Estimates:
    """Of the mixture of so many members, as it is; errors: a jackknife over members."""
    parts = _Parts.of(outputs, targets, noise_var)
    whole = parts.quantities(targets)
    chosen = ~np.eye(len(outputs), dtype=bool)
    without = [parts.some(one).quantities(targets) for one in chosen]
    errors = {name: jackknife(whole[name], np.stack([w[name] for w in without])) for name in whole}
    return {name: (whole[name], error) for name, (_, error) in errors.items()}


class _Parts(NamedTuple):
    """What each member says at each test point: f, log density of the targets and F(y*)."""

    outputs: Float[np.ndarray, "s m k"]
    log_density: Float[np.ndarray, "s m"]
    pit: Float[np.ndarray, "s m k"]

    @classmethod
    def of(cls, outputs: np.ndarray, targets: np.ndarray, noise_var: float) -> "_Parts":
        z = (targets - outputs) / np.sqrt(noise_var)
        log_density = -0.5 * np.sum(z**2 + np.log(2 * np.pi * noise_var), axis=2)
        return cls(outputs, log_density, scipy.special.ndtr(z))

    def some(self, chosen: np.ndarray) -> "_Parts":
        return _Parts(*(part[chosen] for part in self))

    def quantities(self, targets: np.ndarray) -> Quantities:
        mean = self.outputs.mean(axis=0)
        log_mean = scipy.special.logsumexp(self.log_density, axis=0) - np.log(len(self.outputs))
        return {
            "nll": -log_mean.mean(),
            "squared_error": np.mean(np.sum((targets - mean) ** 2, axis=1)),
            "epistemic_var": self.outputs.var(axis=0).mean(),
            "pit": self.pit.mean(axis=0),
            "mean": mean,
        }


def are_classes(targets: Float[np.ndarray, "n k"]) -> bool:
    """Whether targets are classes: two numbers in one column, or one of each row's higher."""
    values = np.unique(targets)
    if len(values) != 2:
        return False
    return targets.shape[1] == 1 or bool(np.all(np.sum(targets == values[1], axis=1) == 1))


def margins(
    outputs: Float[np.ndarray, "*s m k"], targets: Float[np.ndarray, "m k"], midpoint: float
) -> Float[np.ndarray, "*s m"]:
    """By how much outputs are on the side of the right class: right where positive.

    midpoint: between two classes in one column. Of several columns the highest is the class.
    """
    if targets.shape[1] == 1:
        return (outputs - midpoint)[..., 0] * np.sign(targets[:, 0] - midpoint)
    right = np.eye(targets.shape[1], dtype=bool)[np.argmax(targets, axis=1)]
    own = np.sum(np.where(right, outputs, 0.0), axis=-1)
    return own - np.max(np.where(right, -np.inf, outputs), axis=-1)


def judged(
    found: Estimates, targets: Float[np.ndarray, "m k"], midpoint: float | None
) -> Estimates:
    """The measures, coverage [level] and, of classes (midpoint: see `margins`), accuracy.

    Errors of shares are those of points that the Monte Carlo error may take across an edge, one
    point independently of another.
    """
    pit, error = found["pit"]
    shares = [_share(level / 2 - np.abs(pit - 0.5), error) for level in LEVELS]
    values, errors = np.array(shares).T
    told: Estimates = {name: found[name] for name in MEASURES}
    told["coverage"] = (values, errors)
    if midpoint is not None:
        mean, own = found["mean"]
        told["accuracy"] = _share(margins(mean, targets, midpoint), np.max(own, axis=1))
    return told


def _share(
    inside: Float[np.ndarray, "*s"], error: Float[np.ndarray, "*s"]
) -> tuple[np.ndarray, np.ndarray]:
    """The share of numbers above 0, and its standard error where they have errors."""
    above = scipy.special.ndtr(inside / np.maximum(error, _ROUNDING))
    own = np.sqrt(np.sum(above * (1 - above))) / inside.size
    return np.asarray(np.mean(inside > 0)), np.asarray(own)
