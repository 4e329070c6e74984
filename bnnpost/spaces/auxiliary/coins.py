"""Coins for the probability to keep an auxiliary vector: ((1 − m) e^{a₀})^N.

m = E[1 − e^{−X_t}] over units φ with density ∝ p e^{X_v}, and a₀ = E f(X_t)/Z̄ ≤ m is known, where
0 ≤ f(X) ≤ 1 − e^−X. N(m − a₀) − N(m + log(1 − m)) is a sum of four rates, each at least 0: points
of a Poisson process of such a rate must be none. Each process is one of a known, larger rate whose
points are real with a probability that one unit, or a few, decide. Points come one after another,
at Exp(1) distances.
"""

from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from bnnpost.spaces.auxiliary.shells import Vector
from bnnpost.spaces.auxiliary.unit_draws import Draw, energies

# The longest run of a coin's heads that is told apart: longer ones make the weight NaN.
_LONGEST_RUN = 512
# Folded into a key, besides numbers of batches, for the distance to the first point.
_FIRST = 2**32 - 1
# Numbers of batches from which on units are for the second process, and for the third.
_SECOND, _THIRD = np.uint32(2**30), np.uint32(2**31)


class Tilt(eqx.Module):
    """The density p e^{X_v} of units, and what is known of it.

    vector: v; width: N; largest: x_v ≥ X_v; linear, square: c and d, with e^X ≤ 1 + cX + dX² up
    to x_v; gap: G, the most by which; mean: Z̄ = E(1 + c X_v + d X_v²) ≥ E e^{X_v}.
    """

    vector: Float[np.ndarray, "n k"]
    largest: np.float64
    linear: np.float64
    square: np.float64
    gap: np.float64
    mean: np.float64
    width: int = eqx.field(static=True)

    def short(self, energies: Float[Array, " u"]) -> Float[Array, " u"]:
        """(1 + cX + dX² − e^X)/G, in [0, 1]."""
        most = energies * (self.linear + self.square * energies)
        return (most - jnp.expm1(energies)) / self.gap

    def energies(self, features: Float[Array, "n u"]) -> Float[Array, " u"]:
        """X_v of each unit."""
        return energies(features, jnp.asarray(self.vector), self.width)


class Fate(NamedTuple):
    """Whether no point is real; and whether that could not be told."""

    none: Array
    unsure: Array


def survives(key: Array, draw: Draw, second: Draw, tilt: Tilt, proposal: Vector) -> Fate:
    """Whether no point of the four processes is real.

    draw, second: batches of units from the prior, independent of each other.
    """
    one_key, pair_key, run_key = jax.random.split(key, 3)
    none = _no_point(one_key, *_of_one(draw, tilt, proposal), proposal.kept)
    none = _no_point(pair_key, *_of_pairs(draw, second, tilt, proposal), none)
    return _no_run(run_key, draw, tilt, proposal, none)


class _Batch(NamedTuple):
    """Trial points: the log probability that each is one, and the probability that it is real."""

    log_kept: Float[Array, " u"]
    real: Float[Array, " u"]


_Batches = Callable[[Array], _Batch]


def _of_one(draw: Draw, tilt: Tilt, proposal: Vector) -> tuple[Array, _Batches]:
    """The rate N E[1 − e^−X − f], and N E f(1 − e^−X_v): one unit decides both."""
    tilted = -jnp.expm1(-tilt.largest)
    total = _most_missed(proposal) + tilted * _most_bound(proposal)

    def batch(number: Array) -> _Batch:
        features = draw(number).features
        on_v, on_t = tilt.energies(features), energies(features, proposal.t, tilt.width)
        missed = -jnp.expm1(-on_t) - proposal.bound.of(on_t) * jnp.exp(-on_v)
        return _Batch(on_v - tilt.largest, missed / total)

    return tilt.width * total, batch


def _of_pairs(draw: Draw, second: Draw, tilt: Tilt, proposal: Vector) -> tuple[Array, _Batches]:
    """The rate N E f e^−X_v (Z̄ − e^X_v')/Z̄, with the other unit from the prior."""
    most = _most_bound(proposal)

    def batch(number: Array) -> _Batch:
        features = draw(number + _SECOND).features
        on_v, on_t = tilt.energies(features), energies(features, proposal.t, tilt.width)
        short = tilt.short(tilt.energies(second(number).features))
        share = proposal.bound.of(on_t) / jnp.maximum(most, 1e-300)
        return _Batch(on_v - tilt.largest, share * jnp.exp(-on_v) * short)

    return tilt.width * most * tilt.gap / tilt.mean, batch


def _most_missed(proposal: Vector) -> Array:
    """The most that 1 − e^−X − f is."""
    size = proposal.size
    return jnp.maximum(proposal.bound.rise, -jnp.expm1(-size) - proposal.bound.of(size))


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

    Its bound has rate N Σ u^k/k, u = 1 − e^−x. A point with this k is real if k coins of
    probability m/u are heads: given that g heads come before a tail, with probability F(g) that k
    is no more.
    """
    most = -jnp.expm1(-proposal.size)
    powers = jnp.arange(2, _LONGEST_RUN + 1, dtype=jnp.float64)
    per_unit = proposal.size - most
    shorter = jnp.concatenate([jnp.zeros(2), jnp.cumsum(most**powers / powers) / per_unit])
    rate = tilt.width * per_unit

    def more(state: _Runs) -> Array:
        return state.none & (state.time <= rate)

    def step(state: _Runs) -> _Runs:
        keys = jax.random.split(jax.random.fold_in(key, state.number), 4)
        features = draw(state.number + _THIRD).features
        on_v, on_t = tilt.energies(features), energies(features, proposal.t, tilt.width)
        kept = accepted(keys[0], on_v - tilt.largest)
        heads = jax.random.uniform(keys[1], kept.shape, jnp.float64) < -jnp.expm1(-on_t) / most
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
