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

from bnnpost.numerics.linalg import bordered_by, schur
from bnnpost.numerics.precision import in_double_precision
from bnnpost.spaces.auxiliary import coins
from bnnpost.spaces.auxiliary.coins import Tilt
from bnnpost.spaces.auxiliary.fourth_moments import FourthMoments
from bnnpost.spaces.auxiliary.partition import Region, shells
from bnnpost.spaces.auxiliary.radius import Radius
from bnnpost.spaces.auxiliary.shells import Shells, Vector
from bnnpost.spaces.auxiliary.sizes import UnitSizes
from bnnpost.spaces.auxiliary.unit_draws import Arrays, Draw, UnitTrial, kept_units

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


class Known(NamedTuple):
    """What is known of a unit: x(t), its radius, fourth moments, if any; and |φ| ≤ bound, or ∞."""

    sizes: UnitSizes
    radius: Radius
    fourth: FourthMoments | None
    bound: float


class Attempt(NamedTuple):
    """Whether an attempt has come to units; NaN in the place of 0 nats where that is not known."""

    log_kept: Float[Array, ""]
    proposal: Vector


class Auxiliary(eqx.Module):
    """The bounds of auxiliary rejection for some data, and a width.

    targets: y; noise: its covariance, without what biases add; bound: a, ∞ where there is none;
    mean_energy: E X_v. log_constant: the log weight of an attempt that comes to a draw with r = 0,
    in nats; log_constant_se: its standard error, since (E e^T)^N is in it, which is estimated.
    Draws depend on neither.
    """

    targets: Float[np.ndarray, "n k"]
    noise: Float[np.ndarray, "n n"]
    bound: np.float64
    tilt: Tilt
    shells: Shells
    mean_energy: np.float64
    log_constant: np.float64
    log_constant_se: np.float64 = np.float64(0.0)

    @property
    def by_direction(self) -> bool:
        """Whether units are those at R = 1, and their radii come afterwards."""
        return math.isfinite(self.tilt.radius.freedom)

    def with_rest(self, rest: float, standard_error: float) -> "Auxiliary":
        """The same with all of (E e^T)^N in the constant; rest: E e^T − 1 − E X_v."""
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
        proposal, tilt = self._proposal(key), self.tilt
        unit_key = jax.random.fold_in(key, _UNITS)
        decisions = jax.random.fold_in(unit_key, _DECISIONS)
        draw = units(jax.random.fold_in(unit_key, _FIRST))

        def trial(number: Array) -> UnitTrial:
            drawn = draw(number)
            unit = tilt.of_unit(drawn.features, proposal.t)
            log_kept = unit.on_v.nats - tilt.largest - unit.lost
            kept = coins.accepted(jax.random.fold_in(decisions, number), log_kept)
            # Given ψ and that it is kept, R is a prior one over this.
            room = tilt.radius.room(unit.on_v.energies - unit.energies)
            return UnitTrial(kept, drawn.with_radii_over(room))

        return kept_units(trial, tilt.width, wanted)

    def log_weight(self, kernel: Float[Array, "n n"], largest: Array) -> Float[Array, ""]:
        """Of an attempt that has come to units with this K̂ (b_std² and all), in nats.

        log_constant − r, r = ½ (v − A⁻¹y)ᵀ A (v − A⁻¹y) ≥ 0, A the noise and K̂. largest: |φ| of
        the units; where it is beyond a, the weight is beyond its bound too, so that this is told.
        """
        targets, vector = jnp.asarray(self.targets), jnp.asarray(self.tilt.vector)
        matrix = kernel + jnp.asarray(self.noise)
        solved = -jnp.trace(schur(bordered_by(targets, matrix), len(matrix)).complement)
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


@in_double_precision
def auxiliary(
    targets: Float[np.ndarray, "n k"],
    noise_variances: Float[np.ndarray, " n"],
    bias_variance: float,
    kernel: Float[np.ndarray, "n n"],
    known: Known,
    width: int,
) -> Auxiliary:
    """Auxiliary rejection for these targets, with about its constant.

    kernel: K, of the readout's weights alone.
    """
    noise = np.diag(noise_variances)
    shared = noise + bias_variance
    vector = np.linalg.solve(shared + kernel, targets)
    size = max(float(known.sizes.of(jnp.asarray(vector))), _LEAST_NATS)
    largest = float(known.radius.log_mean(size))
    if largest > _MOST_NATS:
        enough = width * size / known.radius.energy_of(_EASY_NATS)
        share = "no unit" if math.isinf(largest) else f"a unit with probability e^-{largest:.3g}"
        raise ValueError(
            f"auxiliary rejection would keep {share} at width {width}: take a width of "
            f"{math.ceil(enough):,} or more, fewer points or more noise"
        )
    mean_energy = float(np.sum(vector * (kernel @ vector))) / (2 * width)
    tilt = _tilt(vector, size, mean_energy, width, known)
    mean = float(tilt.mean)
    sizes, radius, fourth = known.sizes, known.radius, known.fourth
    region = Region(shared, kernel / mean, sizes, radius, width, mean, targets.shape[1], fourth)
    found = shells(region)
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
        np.float64(known.bound),
        tilt,
        found,
        np.float64(mean_energy),
        np.float64(constant),
    )


def _tilt(
    vector: Float[np.ndarray, "n k"], size: float, mean_energy: float, width: int, known: Known
) -> Tilt:
    """By e^T ≤ 1 + cX, a chord, or ≤ 1 + X + dX², where the mean of X² is known."""
    radius = known.radius
    nats = float(radius.log_mean(size))
    slope = math.expm1(nats) / size
    linear, square, mean_square = slope, 0.0, 0.0
    if known.fourth is not None:
        linear, square = 1.0, (slope - 1) / size
        mean_square = float(known.fourth.of(vector)) / (2 * width) ** 2
    short = np.linspace(0.0, size, _NUM_SHORT)
    gap = np.max(short * (linear + square * short) - np.expm1(radius.log_mean(short)))
    # Between two of these the difference is higher by less than this.
    curved = radius.mean_square * math.exp(nats) / float(radius.room(size)) ** 2
    gap += 0.125 * (short[1] - short[0]) ** 2 * (1 + curved + 2 * square)
    return Tilt(
        vector,
        radius,
        np.float64(nats),
        np.float64(linear),
        np.float64(square),
        np.float64(gap),
        np.float64(1 + linear * mean_energy + square * mean_square),
        width,
    )
