"""Coins for the probability to keep an auxiliary vector: ((1 − m) e^{a₀})^N.

m = E[1 − e^−H] over units with density ∝ p e^T, where e^T = E e^{X_v R} and e^{T − H} =
E e^{(X_v − X_t)R}: X_v and X_t, where R = 1. a₀ = E f(X_t)/Z̄ ≤ m is known, f(X) ≤ 1 − E e^−XR ≤
1 − e^−H. N(m − a₀) − N(m + log(1 − m)) is a sum of five rates, each at least 0: points of a Poisson
process of such a rate must be none. Each process is one of a known, larger rate whose points are
real with a probability that one unit, or a few, decide. Points come one after another, at Exp(1)
distances.
"""

from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from bnnpost.spaces.auxiliary.radius import Radius
from bnnpost.spaces.auxiliary.shells import Vector
from bnnpost.spaces.auxiliary.unit_draws import Draw, energies

# The longest run of a coin's heads that is told apart: longer ones make the weight NaN.
_LONGEST_RUN = 512
# Folded into a key, besides numbers of batches, for the distance to the first point.
_FIRST = 2**32 - 1
# Numbers of batches from which on units are for the second process, and for the third; those from
# the prior alone are for the second, and for the fourth.
_SECOND, _THIRD = np.uint32(2**30), np.uint32(2**31)


class Tilt(eqx.Module):
    """The density p e^T of units, and what is known of it.

    vector: v; width: N; largest: the most that T is, in nats; linear, square: c and d, with
    e^T ≤ 1 + cX_v + dX_v²; gap: G, the most by which; mean: Z̄ = E(1 + cX_v + dX_v²) ≥ E e^T.
    """

    vector: Float[np.ndarray, "n k"]
    radius: Radius
    largest: np.float64
    linear: np.float64
    square: np.float64
    gap: np.float64
    mean: np.float64
    width: int = eqx.field(static=True)

    def short(self, on_v: "OnV") -> Float[Array, " u"]:
        """(1 + cX + dX² − e^T)/G, in [0, 1]."""
        most = on_v.energies * (self.linear + self.square * on_v.energies)
        return (most - jnp.expm1(on_v.nats)) / self.gap

    def on_v(self, features: Float[Array, "n u"]) -> "OnV":
        """X_v and T of each unit."""
        found = energies(features, jnp.asarray(self.vector), self.width)
        return OnV(found, self.radius.log_mean(found))

    def of_unit(self, features: Float[Array, "n u"], t: Float[Array, "n k"]) -> "OnBoth":
        """What is known of each unit."""
        on_v, on_t = self.on_v(features), energies(features, t, self.width)
        return OnBoth(on_v, on_t, self.radius.hazard(on_v.energies, on_t))

    def most_lost(self, size: Array) -> Array:
        """The most that H is."""
        return self.radius.hazard(self.radius.energy_of(self.largest), size)


class OnV(NamedTuple):
    """energies: X_v; nats: T."""

    energies: Float[Array, " u"]
    nats: Float[Array, " u"]


class OnBoth(NamedTuple):
    """on_v: X_v and T; energies: X_t; lost: H."""

    on_v: OnV
    energies: Float[Array, " u"]
    lost: Float[Array, " u"]


class Fate(NamedTuple):
    """Whether no point is real; and whether that could not be told."""

    none: Array
    unsure: Array


def survives(key: Array, draw: Draw, second: Draw, tilt: Tilt, proposal: Vector) -> Fate:
    """Whether no point of the five processes is real.

    draw, second: batches of units from the prior, independent of each other.
    """
    one_key, pair_key, beyond_key, run_key = jax.random.split(key, 4)
    none = _no_point(one_key, *_of_one(draw, tilt, proposal), proposal.kept)
    none = _no_point(beyond_key, *_of_beyond(second, tilt, proposal), none)
    none = _no_point(pair_key, *_of_pairs(draw, second, tilt, proposal), none)
    return _no_run(run_key, draw, tilt, proposal, none)


class _Batch(NamedTuple):
    """Trial points: the log probability that each is one, and the probability that it is real."""

    log_kept: Float[Array, " u"]
    real: Float[Array, " u"]


_Batches = Callable[[Array], _Batch]


def _of_one(draw: Draw, tilt: Tilt, proposal: Vector) -> tuple[Array, _Batches]:
    """The rate N E[1 − e^−H − f⁺], and N E f⁺(1 − e^−T): one unit decides both."""
    tilted = -jnp.expm1(-tilt.largest)
    total = _most_missed(tilt, proposal) + tilted * _most_bound(proposal)

    def batch(number: Array) -> _Batch:
        unit = tilt.of_unit(draw(number).features, proposal.t)
        bound = jnp.maximum(proposal.bound.of(unit.energies), 0.0)
        missed = -jnp.expm1(-unit.lost) - bound * jnp.exp(-unit.on_v.nats)
        return _Batch(unit.on_v.nats - tilt.largest, missed / total)

    return tilt.width * total, batch


def _of_beyond(second: Draw, tilt: Tilt, proposal: Vector) -> tuple[Array, _Batches]:
    """The rate N E f⁻/Z̄, of units from the prior: of those with X_t > α/γ, where f is negative."""
    most = jnp.maximum(-proposal.bound.of(proposal.size), 0.0)

    def batch(number: Array) -> _Batch:
        features = second(number + _SECOND).features
        bound = proposal.bound.of(energies(features, proposal.t, tilt.width))
        real = jnp.maximum(-bound, 0.0) / jnp.maximum(most, 1e-300)
        return _Batch(jnp.zeros_like(real), real)

    return tilt.width * most / tilt.mean, batch


def _of_pairs(draw: Draw, second: Draw, tilt: Tilt, proposal: Vector) -> tuple[Array, _Batches]:
    """The rate N E f⁺ e^−T (Z̄ − e^T')/Z̄, with the other unit from the prior."""
    most = _most_bound(proposal)

    def batch(number: Array) -> _Batch:
        unit = tilt.of_unit(draw(number + _SECOND).features, proposal.t)
        short = tilt.short(tilt.on_v(second(number).features))
        bound = jnp.maximum(proposal.bound.of(unit.energies), 0.0)
        share = bound / jnp.maximum(most, 1e-300)
        nats = unit.on_v.nats
        return _Batch(nats - tilt.largest, share * jnp.exp(-nats) * short)

    return tilt.width * most * tilt.gap / tilt.mean, batch


def _most_missed(tilt: Tilt, proposal: Vector) -> Array:
    """The most that 1 − e^−H − f⁺ is.

    1 − E e^−XR − f⁺ is at most `rise` or its value at the largest X; and with X/room(X_v) in the
    place of X, which gives e^−H, it is more by at most (1/room − 1) X times the slope.
    """
    radius, size = tilt.radius, proposal.size
    at_end = radius.lost(size) - jnp.maximum(proposal.bound.of(size), 0.0)
    most = jnp.maximum(proposal.bound.rise, at_end)
    steepest = jnp.minimum(size, 1.0)  # X times the slope is largest where X is 1
    more = 1 / radius.room(radius.energy_of(tilt.largest)) - 1
    return most + more * steepest * radius.slope(steepest)


def _most_bound(proposal: Vector) -> Array:
    """The most that f is."""
    linear, square = proposal.bound.linear, proposal.bound.square
    highest = linear / jnp.maximum(2 * square, 1e-300)
    return proposal.bound.of(jnp.minimum(proposal.size, highest))


class _Points(NamedTuple):
    number: Array
    time: Array
    none: Array


def _no_point(key: Array, rate: Array, batch: _Batches, go_on: Array) -> Array:
    """Whether a process has no real point; False where it is not to go on."""

    def more(state: _Points) -> Array:
        return state.none & (state.time <= rate)

    def step(state: _Points) -> _Points:
        accept_key, gap_key, real_key = jax.random.split(jax.random.fold_in(key, state.number), 3)
        trial = batch(state.number)
        kept = accepted(accept_key, trial.log_kept)
        times = state.time + jnp.cumsum(_gaps(gap_key, kept))
        real = jax.random.uniform(real_key, kept.shape, jnp.float64) < trial.real
        none = ~jnp.any(kept & real & (times <= rate))
        return _Points(state.number + 1, times[-1], none)

    start = _Points(jnp.uint32(0), jnp.zeros((), jnp.float64), go_on)
    return jax.lax.while_loop(more, step, start).none


def _gaps(key: Array, ends: Bool[Array, " u"]) -> Float[Array, " u"]:
    """Exp(1) distances where one ends, else 0."""
    return jnp.where(ends, jax.random.exponential(key, ends.shape, jnp.float64), 0.0)


class _Runs(NamedTuple):
    number: Array
    time: Array
    run: Array
    none: Array
    unsure: Array


def _no_run(key: Array, draw: Draw, tilt: Tilt, proposal: Vector, go_on: Array) -> Fate:
    """Whether the process of rate N Σ_{k≥2} m^k/k has no point.

    Its bound has rate N Σ u^k/k, u = 1 − e^−h with h the most that H is. A point with this k is
    real if k coins of probability m/u are heads: given that g heads come before a tail, with
    probability F(g) that k is no more.
    """
    longest = tilt.most_lost(proposal.size)
    most = -jnp.expm1(-longest)
    powers = jnp.arange(2, _LONGEST_RUN + 1, dtype=jnp.float64)
    per_unit = longest - most
    shorter = jnp.concatenate([jnp.zeros(2), jnp.cumsum(most**powers / powers) / per_unit])
    rate = tilt.width * per_unit

    def more(state: _Runs) -> Array:
        return state.none & (state.time <= rate)

    def step(state: _Runs) -> _Runs:
        keys = jax.random.split(jax.random.fold_in(key, state.number), 4)
        unit = tilt.of_unit(draw(state.number + _THIRD).features, proposal.t)
        kept = accepted(keys[0], unit.on_v.nats - tilt.largest)
        chances = -jnp.expm1(-unit.lost) / most
        heads = jax.random.uniform(keys[1], kept.shape, jnp.float64) < chances
        tails = kept & ~heads
        ranks = jnp.cumsum(kept)
        # The rank of the last tail up to each place, and before it.
        last = jax.lax.cummax(jnp.where(tails, ranks, -state.run))
        before = jnp.concatenate([-state.run[None], last[:-1]])
        runs = jnp.maximum(ranks - before - 1, 0)
        gaps = _gaps(keys[2], tails)
        times = state.time + jnp.cumsum(gaps)
        ended = tails & (times - gaps <= rate)
        uniforms = jax.random.uniform(keys[3], kept.shape, jnp.float64)
        real = ended & (uniforms < shorter[jnp.minimum(runs, _LONGEST_RUN)])
        unsure = state.unsure | jnp.any(ended & ~real & (runs > _LONGEST_RUN))
        run = ranks[-1] - last[-1]
        return _Runs(state.number + 1, times[-1], run, ~jnp.any(real), unsure)

    first = jax.random.exponential(jax.random.fold_in(key, _FIRST), (), jnp.float64)
    zero = jnp.zeros((), jnp.int64)
    start = _Runs(jnp.uint32(0), first, zero, go_on, jnp.array(False))
    found = jax.lax.while_loop(more, step, start)
    return Fate(found.none, found.unsure)


def accepted(key: Array, log_chances: Float[Array, " u"]) -> Bool[Array, " u"]:
    """Which of several are kept with these probabilities, by their logs."""
    uniforms = jax.random.uniform(key, log_chances.shape, jnp.float64)
    return jnp.log(uniforms) < log_chances
