"""What moves pairs: laws of both chains, meetings, and known-wrong twins, for each kernel.

One comparison in 5e8 is off by six standard errors by chance.
"""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import bnnpost
from bnnpost import chains, coupled
from bnnpost.likelihoods import StudentT
from bnnpost.numerics.precision import in_double_precision
from bnnpost.samplers.coupled import estimates, pairs
from bnnpost.samplers.coupled.pairs import Pairs, Programs, run_pair
from bnnpost.samplers.coupled.tuning import couplings, given_step
from bnnpost.samplers.kernels import crank_nicolson, pairing, rotation, slices
from bnnpost.samplers.kernels.crank_nicolson import PairedWalk
from bnnpost.samplers.kernels.kernel import Normals
from bnnpost.samplers.kernels.rotation import Blend, Rotation
from bnnpost.samplers.kernels.slices import PairedSlice
from bnnpost.spaces.making import make_space
from tests.samplers.checks import LIMIT, mean_z, same_mean_z, worst
from tests.samplers.coupled_pairs import NETWORK, POSTERIOR, X, Y, blend, programs

KEY = jax.random.key(3)
KERNELS = {
    "hmc": blend(),
    "pcn": PairedWalk(chains.CrankNicolson(0.3)),
    "slice": PairedSlice(chains.EllipticalSlice()),
}
SLOW = pytest.mark.slow


def two_states(kernel, apart, step_size=0.3):
    """Two positions that are `apart` times what a step of this size leaves behind, as states."""
    target = programs().target
    x = target.prior(jax.random.key(1))
    other = target.prior(jax.random.key(2))
    norm = np.sqrt(sum(np.sum((np.asarray(other[n]) - x[n]) ** 2) for n in x))
    share = apart * step_size / np.sqrt(1 - step_size**2) / norm
    y = {n: (x[n] + share * (other[n] - x[n])).astype(x[n].dtype) for n in x}
    return target, [kernel.at(target, at) for at in (x, y)]


def stacked(states):
    return jax.tree.map(lambda *arrays: jnp.stack(arrays), *states)


def flat(position):
    arrays = [np.asarray(position[name]) for name in sorted(position)]
    return np.concatenate([array.reshape(len(array), -1) for array in arrays], axis=1)


def after_one_step(kernel, target, states, count=20_000):
    """Positions of both, coupled, and of the second by the plain kernel; which have met."""

    def coupled_step(key):
        moved = kernel.moved(key, stacked(states), target, jnp.asarray(2))
        return moved.pair.position, moved.met

    def plain(key):
        return kernel.step(key, states[1], target, jnp.zeros((), bool))[0].position

    keys = jax.random.split(jax.random.key(5), 2 * count)
    position, met = jax.jit(jax.vmap(coupled_step))(keys[:count])
    alone = jax.jit(jax.vmap(plain))(keys[count:])
    x, y = (flat({n: a[:, i] for n, a in position.items()}) for i in range(2))
    return x, y, flat(alone), np.asarray(met)


def statistics(positions):
    return np.concatenate([positions, positions**2, positions[:, :1] * positions], axis=1)


@pytest.mark.parametrize("name", KERNELS)
@in_double_precision
@pytest.mark.slow
def test_the_first_chain_has_the_plain_kernels_numbers(name):
    """Bit for bit, alone and beside another: of the kernels of `chains`, and a blend's own step."""
    kernel, never = KERNELS[name], jnp.zeros((), bool)
    plain = getattr(kernel, "plain", kernel)
    target, states = two_states(kernel, 1.0)
    moved = jax.jit(lambda key, count: kernel.moved(key, stacked(states), target, count))
    step = jax.jit(lambda key: plain.step(key, states[0], target, never)[0])
    for i in range(20):
        key = jax.random.key(i)
        for count in (1, 2):
            found = moved(key, jnp.asarray(count)).pair
            for array, expected in zip(
                jax.tree.leaves(found.position), jax.tree.leaves(step(key).position), strict=True
            ):
                np.testing.assert_array_equal(array[0], expected)


FAR = [
    pytest.param(name, apart, marks=SLOW)
    for name, apart in (("hmc", 0.5), ("hmc", 1.5), ("hmc", 4.0), ("slice", 3.0))
]


@pytest.mark.parametrize(("name", "apart"), [("pcn", 1.0), ("slice", 0.3), *FAR])
@in_double_precision
@pytest.mark.slow
def test_the_second_chain_has_the_plain_ones_law(name, apart):
    kernel = KERNELS[name]
    target, states = two_states(kernel, apart)
    x, y, plain, met = after_one_step(kernel, target, states)
    assert worst(same_mean_z(statistics(y), statistics(plain))) < LIMIT
    np.testing.assert_array_equal(x[met], y[met])
    assert np.all(np.any(x[~met] != y[~met], axis=1))
    assert met.mean() > 0.01 or apart > 1


@pytest.mark.parametrize("name", ["pcn", *(pytest.param(n, marks=SLOW) for n in ("hmc", "slice"))])
@in_double_precision
def test_a_reflection_that_is_left_out_is_told(name, monkeypatch):
    right = pairing.other_noise

    def wrong(key, between, noise):
        return noise, right(key, between, noise)[1]

    for module in (rotation, crank_nicolson, slices):
        monkeypatch.setattr(module, "other_noise", wrong)
    monkeypatch.setattr(Rotation, "step", lambda self, key, state, *_: (state, RATES))
    target, states = two_states(KERNELS[name], 1.0)
    _x, y, plain, _met = after_one_step(KERNELS[name], target, states)
    # A slice whose first angle is taken is on the wrong ellipse now and then alone.
    told = worst(same_mean_z(statistics(y), statistics(plain)))
    assert told > (3 if name == "slice" else LIMIT)


RATES = {"acceptance_rate": jnp.ones(()), "n_steps": jnp.ones((), int)}


# Of moves so large that many are refused.
REFUSED = {
    "hmc": blend(1.2),
    "pcn": PairedWalk(chains.CrankNicolson(0.9)),
    "slice": PairedSlice(chains.EllipticalSlice()),
}


def always_reflected(key, between, noise):
    """Y's noise reflected also where its proposal is to be X's, which then is not what is tried."""
    _, same = RIGHT(key, between, noise)
    length = pairing.square(between)
    along = sum(jnp.sum(noise[name].astype(jnp.float64) * between[name]) for name in noise)
    times = jnp.where(length < 4.0, 2 * along / length, 0.0)
    return pairing.combined(lambda z, d: z - times * d, noise, between), same


RIGHT = pairing.other_noise


@pytest.mark.slow
@in_double_precision
def test_noise_makes_the_same_proposal_or_is_reflected():
    """ξ + d where it is to be X's proposal, and nowhere else; the reflected one as long as ξ."""
    keys = jax.random.split(jax.random.key(8), 2000)
    between = {"a": jnp.array([0.7, -0.4]), "b": jnp.array([[0.5]])}

    def fresh(key):
        parts = jax.random.split(key)
        return {
            n: jax.random.normal(k, between[n].shape) for n, k in zip(between, parts, strict=False)
        }

    def one(key):
        noise = fresh(key)
        return noise, *pairing.other_noise(key, between, noise)

    noise, other, same = jax.vmap(one)(keys)
    same, shift = np.asarray(same), flat({n: a[None] for n, a in between.items()})
    before, after = flat(noise), flat(other)
    np.testing.assert_allclose(after[same], before[same] + shift, atol=1e-12)
    sizes = [np.linalg.norm(values[~same], axis=1) for values in (before, after)]
    np.testing.assert_allclose(*sizes, atol=1e-12)
    assert 0.4 < same.mean() < 0.8


def second_chain_z(name, monkeypatch, noise, count=40_000):
    monkeypatch.setattr(Rotation, "step", lambda self, key, state, *_: (state, RATES))
    for module in (rotation, crank_nicolson, slices):
        monkeypatch.setattr(module, "other_noise", noise)
    target, states = two_states(REFUSED[name], 1.0, 0.9)
    _x, y, plain, _met = after_one_step(REFUSED[name], target, states, count)
    return worst(same_mean_z(statistics(y), statistics(plain)))


@pytest.mark.parametrize("name", ["hmc", *(pytest.param(n, marks=SLOW) for n in ("pcn", "slice"))])
@in_double_precision
@pytest.mark.slow
def test_the_second_chain_has_its_law_where_much_is_refused(name, monkeypatch):
    assert second_chain_z(name, monkeypatch, RIGHT) < LIMIT


@pytest.mark.slow
@pytest.mark.parametrize("name", ["hmc", "slice"])
@in_double_precision
def test_a_proposal_that_is_judged_elsewhere_is_told(name, monkeypatch):
    assert second_chain_z(name, monkeypatch, always_reflected, 240_000) > LIMIT
    assert second_chain_z(name, monkeypatch, RIGHT, 240_000) < LIMIT


@in_double_precision
@pytest.mark.slow
def test_a_single_rotation_has_the_right_law_and_meets_as_often_as_it_can(monkeypatch):
    kernel = KERNELS["hmc"]
    monkeypatch.setattr(rotation, "_SMALLEST", 1.0)
    monkeypatch.setattr(Rotation, "step", lambda self, key, state, *_: (state, RATES))
    weighed = Normals.weighed
    monkeypatch.setattr(
        Normals, "log_weight", lambda self, position: 0.0 * weighed(self, position)[0]
    )
    target, states = two_states(kernel, 1.0)
    _x, y, plain, met = after_one_step(kernel, target, states)
    assert worst(same_mean_z(statistics(y), statistics(plain))) < LIMIT
    # Of maximal coupling two normals of distance 1: 2Φ(−1/2).
    assert worst(mean_z(met, math.erfc(0.5 / math.sqrt(2)))) < LIMIT


@pytest.mark.first
@pytest.mark.parametrize("name", KERNELS)
@in_double_precision
def test_met_chains_stay_together_for_ever(name):
    kernel = KERNELS[name]
    target, states = two_states(kernel, 0.1)
    pair = stacked([states[0], states[0]])
    step = jax.jit(lambda key, pair: kernel.moved(key, pair, target, jnp.asarray(2)))
    for i in range(60):
        pair = step(jax.random.key(i), pair).pair
        for array in jax.tree.leaves(pair.position):
            np.testing.assert_array_equal(array[0], array[1])


@pytest.mark.slow
def test_nothing_is_adapted():
    for name, kernel in KERNELS.items():
        with jax.enable_x64(True):
            state, _ = kernel.init(KEY, programs().target)
            after, _ = kernel.step(KEY, state, programs().target, jnp.ones((), bool))
        if name != "slice":
            steps = [float(kernel.tuned(at)) for at in (state, after)]
            assert steps[0] == steps[1] == pytest.approx(0.4 if name == "hmc" else 0.3)
    with pytest.raises(ValueError, match="fixed angle"):
        Blend(Rotation(None, 0.9, 3), 0.1)
    with pytest.raises(ValueError, match="meeting_angle"):
        Blend(Rotation(0.1, 0.9, 3), 2.0)
    with pytest.raises(ValueError, match="fixed size"):
        PairedWalk(chains.CrankNicolson())


@pytest.mark.slow
@in_double_precision
def test_chains_that_are_declared_one_when_they_are_near_are_told(monkeypatch):
    """They are not the same, and go apart again."""
    right = Blend.moved

    def wrong(self, key, pair, target, count):
        moved = right(self, key, pair, target, count)
        apart = sum(jnp.sum((a[0] - a[1]) ** 2) for a in moved.pair.position.values())
        return moved._replace(met=moved.met | (apart < 0.01))

    monkeypatch.setattr(Blend, "moved", wrong)
    target, states = two_states(KERNELS["hmc"], 0.5)
    x, y, _plain, met = after_one_step(KERNELS["hmc"], target, states)
    assert np.any(x[met] != y[met])


def h(f):
    """A mean, a square and a tail."""
    return jnp.stack([f[0, 0], f[0, 0] ** 2, (f[0, 0] > 0.3) * 1.0, f[1, 0] ** 3])


@functools.cache
def expected_h():
    draws = bnnpost.rejection.sample(jax.random.key(9), POSTERIOR, num_samples=20_000)
    found = np.asarray(jax.vmap(h)(draws.training_outputs()))
    return found.mean(axis=0), found.std(axis=0) / math.sqrt(len(found))


def expectation_z(kernel, num_pairs=1500):
    """At step 0, of which all is bias, and the correction."""
    found = coupled.expectation(
        KEY, POSTERIOR, h, num_pairs=num_pairs, kernel=kernel, first_step=0, last_step=0, lag=2
    )
    mean, error = expected_h()
    return worst((found.value - mean) / np.hypot(error, found.standard_error))


@pytest.mark.parametrize("kernel", [pytest.param(name, marks=SLOW) for name in ("pcn", "slice")])
def test_expectations_by_other_kernels_have_no_bias(kernel):
    assert expectation_z(kernel) < LIMIT


@pytest.mark.slow
@pytest.mark.parametrize("kernel", ["pcn", "slice"])
def test_expectations_by_other_kernels_without_a_correction_have(kernel, monkeypatch):
    right = estimates._shares
    monkeypatch.setattr(estimates, "_shares", lambda plan, at: (right(plan, at)[0], 0.0))
    assert expectation_z(kernel, 3000) > LIMIT


@pytest.mark.slow
def test_kernels_are_chosen_by_name_or_given():
    target = programs().target
    assert [one.moved_by(0.1, 0.2).settings() for one in couplings("hmc", target)] == [
        {"num_rotations": count, "angle": 0.1, "meeting_angle": 0.2} for count in (3, 5, 8, 12, 16)
    ]
    [walk] = couplings(chains.CrankNicolson(0.2), target)
    assert list(map(given_step, walk.plains)) == [0.2]
    [turn] = couplings(chains.Hamiltonian("hmc", num_steps=4), target)
    assert list(map(given_step, turn.plains)) == [None, None]
    assert turn.moved_by(0.1, 0.2).settings()["num_rotations"] == 4
    [ellipses] = couplings("slice", target)
    assert np.isnan(given_step(*ellipses.plains))
    for kernel in (chains.Hamiltonian("nuts"), chains.Hamiltonian("hmc", "leapfrog")):
        with pytest.raises(ValueError, match="not coupled"):
            couplings(kernel, target)
    with pytest.raises(ValueError, match="expected kernel to be auto, hmc, pcn, slice"):
        coupled.sample(KEY, POSTERIOR, kernel="gibbs")


@pytest.mark.slow
@pytest.mark.parametrize("kernel", ["pcn", pytest.param("slice", marks=SLOW)])
def test_draws_by_other_kernels(kernel):
    draws = coupled.sample(KEY, POSTERIOR, num_samples=600, kernel=kernel)
    record = draws.info.coupled
    assert (record.kernel, record.num_rotations, draws.info.complete) == (kernel, 0, True)
    mean, error = expected_h()
    found = np.asarray(jax.vmap(h)(draws.training_outputs()))
    assert worst(mean_z(found, mean, error)) < LIMIT


@pytest.mark.slow
def test_chains_that_start_where_the_weight_is_steep_are_freed(monkeypatch):
    """By small rotations: where there are none, what starts there stays there."""
    steep = bnnpost.Posterior(NETWORK, StudentT(df=3.0, noise_std=0.02), X, Y)
    some = Programs(Normals.of(make_space(steep, strict=False, alone=True)))

    def moved_on():
        found = Pairs(some, Blend(Rotation(0.1, 0.9, 3), 0.4), KEY, 1).run(range(8), 0, 60)
        return np.array([float(one.acceptance) for one in found])

    freed = moved_on()
    monkeypatch.setattr(rotation, "_SMALLEST", 1.0)
    monkeypatch.setattr(pairs, "run_pair", jax.jit(lambda *all: run_pair.__wrapped__(*all)))
    stuck = moved_on()
    assert freed.min() > 0.1 > stuck.min()
