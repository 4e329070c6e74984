"""Attempts: an auxiliary vector, its coins, the units, and the weight that is left."""

import dataclasses
import math
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from bnnpost.numerics.linalg import schur
from bnnpost.spaces.auxiliary import coins
from bnnpost.spaces.auxiliary.coins import Tilt
from bnnpost.spaces.auxiliary.fourth_moments import FourthMoments
from bnnpost.spaces.auxiliary.partition import Region, shells
from bnnpost.spaces.auxiliary.shells import Shells, Vector
from bnnpost.spaces.auxiliary.unit_draws import Arrays, Draw, energies, kept_units

# Folded into the key of an attempt: for t, for the coins, and for the units.
_VECTOR, _COINS, _UNITS = 0, 1, 2
# Folded into the keys of coins and of units: for units, a second lot, and what decides on them.
_FIRST, _SECOND, _DECISIONS = 0, 1, 2


# The largest x_v with which a unit is tried for, and one with which that takes no time.
_MOST_NATS, _EASY_NATS = 12.0, 3.0
# Where the most by which a bound of e^X exceeds it is looked for.
_NUM_SHORT = 10_001
# A bound as good as 0, of targets that are 0.
_LEAST_NATS = 1e-9

# Units from the prior, by a key.
UnitsOf: TypeAlias = Callable[[Array], Draw]


class Attempt(NamedTuple):
    """Whether an attempt has come to units; NaN in the place of 0 nats where that is not known."""

    log_kept: Float[Array, ""]
    proposal: Vector


class Auxiliary(eqx.Module):
    """The bounds of auxiliary rejection for some data, and a width.

    targets: y; noise: its covariance, without what biases add; bound: a; mean_energy: E X_v.
    log_constant: the log weight of an attempt that comes to a draw with r = 0, in nats;
    log_constant_se: its standard error, since (E e^{X_v})^N is in it, which is estimated. Draws
    depend on neither.
    """

    targets: Float[np.ndarray, "n k"]
    noise: Float[np.ndarray, "n n"]
    bound: np.float64
    tilt: Tilt
    shells: Shells
    mean_energy: np.float64
    log_constant: np.float64
    log_constant_se: np.float64 = np.float64(0.0)

    def with_rest(self, rest: float, standard_error: float) -> "Auxiliary":
        """The same with all of (E e^{X_v})^N in the constant; rest: E e^{X_v} − 1 − E X_v."""
        width, first = self.tilt.width, 1 + self.mean_energy
        return dataclasses.replace(
            self,
            log_constant=self.log_constant + width * np.log1p(rest / first),
            log_constant_se=np.float64(width * standard_error / (first + rest)),
        )

    def attempt(self, key: Array, units: UnitsOf) -> Attempt:
        """A t, and whether it is kept."""
        proposal = self._proposal(key)
        coin_key = jax.random.fold_in(key, _COINS)
        first, second = (units(jax.random.fold_in(coin_key, i)) for i in (_FIRST, _SECOND))
        decisions = jax.random.fold_in(coin_key, _DECISIONS)
        fate = coins.survives(decisions, first, second, self.tilt, proposal)
        log_kept = jnp.where(fate.none, jnp.where(fate.unsure, jnp.nan, 0.0), -jnp.inf)
        return Attempt(log_kept, proposal)

    def _proposal(self, key: Array) -> Vector:
        return self.shells.propose(jax.random.fold_in(key, _VECTOR))

    def layer(self, key: Array, units: UnitsOf, wanted: Array | bool = True) -> Arrays:
        """The arrays of the hidden layer that an attempt comes to; any, where it is not wanted."""
        proposal = self._proposal(key)
        unit_key = jax.random.fold_in(key, _UNITS)
        decisions = jax.random.fold_in(unit_key, _DECISIONS)

        def keep(number: Array, features: Array) -> Array:
            on_v = self.tilt.energies(features) - self.tilt.largest
            on_t = energies(features, proposal.t, self.tilt.width)
            return coins.accepted(jax.random.fold_in(decisions, number), on_v - on_t)

        draw = units(jax.random.fold_in(unit_key, _FIRST))
        return kept_units(draw, keep, self.tilt.width, wanted)

    def log_weight(self, kernel: Float[Array, "n n"], largest: Array) -> Float[Array, ""]:
        """Of an attempt that has come to units with this K̂ (b_std² and all), in nats.

        log_constant − r, r = ½ (v − A⁻¹y)ᵀ A (v − A⁻¹y) ≥ 0, A the noise and K̂. largest: |φ| of
        the units; where it is beyond a, the weight is beyond its bound too, so that this is told.
        """
        targets, vector = jnp.asarray(self.targets), jnp.asarray(self.tilt.vector)
        matrix = kernel + jnp.asarray(self.noise)
        none = jnp.zeros((targets.shape[1], targets.shape[1]))
        bordered = jnp.block([[matrix, targets], [targets.T, none]])
        solved = -jnp.trace(schur(bordered, len(matrix)).complement)
        rest = 0.5 * (solved + jnp.sum(vector * (matrix @ vector))) - jnp.sum(vector * targets)
        beyond = jnp.maximum(jnp.log(largest / self.bound), 0.0)
        return self.log_constant - rest + jnp.where(beyond > 0, 1 + rest + beyond, 0.0)

    def log_cost(self, log_evidence: float) -> float:
        """About how many numbers a draw takes, its log, where the log evidence is this.

        Attempts take n² each, and a draw's units, and those of its coins, n or a few each.
        """
        tilt, num_train = self.tilt, len(self.targets)
        size = self.shells.typical_size()
        units = 1 + size * (1 + size + float(tilt.gap / tilt.mean))
        log_units = float(tilt.largest) + math.log(2 * num_train * tilt.width * units)
        log_attempts = max(float(self.log_constant) - log_evidence, 0.0) + math.log(num_train**2)
        return float(np.logaddexp(log_units, log_attempts))


def auxiliary(
    targets: Float[np.ndarray, "n k"],
    noise_variances: Float[np.ndarray, " n"],
    bias_variance: float,
    kernel: Float[np.ndarray, "n n"],
    bound: float,
    width: int,
    fourth: FourthMoments | None = None,
) -> Auxiliary:
    """Auxiliary rejection for these targets, with about its constant.

    kernel: K, of the readout's weights alone; bound: a, w_std times that of the activation;
    fourth: of units, if they are known, with which fewer attempts fail.
    """
    noise = np.diag(noise_variances)
    shared = noise + bias_variance
    vector = np.linalg.solve(shared + kernel, targets)
    lengths = np.sum(np.abs(vector), axis=0)
    scale = bound**2 / (2 * width)
    largest = max(scale * float(np.sum(lengths**2)), _LEAST_NATS)
    if largest > _MOST_NATS:
        raise ValueError(
            f"auxiliary rejection would keep a unit with probability e^-{largest:.3g} at width "
            f"{width}: take a width of {math.ceil(width * largest / _EASY_NATS):,} or more, fewer "
            "points or more noise"
        )
    mean_energy = float(np.sum(vector * (kernel @ vector))) / (2 * width)
    tilt = _tilt(vector, largest, mean_energy, width, fourth)
    mean = float(tilt.mean)
    found = shells(Region(shared, kernel / mean, scale, width, mean, targets.shape[1], fourth))
    quadratic = float(np.sum(vector * (0.5 * shared @ vector - targets)))
    constant = (
        quadratic
        - 0.5 * targets.size * math.log(2 * math.pi)
        + found.log_mass()
        + width * math.log1p(mean_energy)
    )
    return Auxiliary(
        targets,
        noise,
        np.float64(bound),
        tilt,
        found,
        np.float64(mean_energy),
        np.float64(constant),
    )


def _tilt(
    vector: Float[np.ndarray, "n k"],
    largest: float,
    mean_energy: float,
    width: int,
    fourth: FourthMoments | None,
) -> Tilt:
    """By e^X ≤ 1 + cX, a chord, or ≤ 1 + X + dX², where the mean of X² is known."""
    slope = math.expm1(largest) / largest
    linear, square, mean_square = slope, 0.0, 0.0
    if fourth is not None:
        linear, square = 1.0, (slope - 1) / largest
        mean_square = float(fourth.of(vector)) / (2 * width) ** 2
    short = np.linspace(0.0, largest, _NUM_SHORT)
    gap = np.max(short * (linear + square * short) - np.expm1(short))
    # Between two of these the difference is higher by less than this.
    gap += 0.125 * (short[1] - short[0]) ** 2 * (1 + math.exp(largest) + 2 * square)
    return Tilt(
        vector,
        np.float64(largest),
        np.float64(linear),
        np.float64(square),
        np.float64(gap),
        np.float64(1 + linear * mean_energy + square * mean_square),
        width,
    )
