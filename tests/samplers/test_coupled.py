"""Coupled chains: laws, meetings, bounds and estimates, with known-wrong twins.

One comparison in 5e8 is off by six standard errors by chance.
"""

import functools
import math
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import bnnpost
from bnnpost import coupled
from bnnpost.likelihoods import Bernoulli, Gaussian, StudentT
from bnnpost.networks import Activation, Dense, Serial
from bnnpost.numerics.precision import in_double_precision
from bnnpost.samplers.chains.kernel import Normals
from bnnpost.samplers.chains.rotation import Rotation
from bnnpost.samplers.coupled import bounds, estimates, pairs
from bnnpost.samplers.coupled.blend import Blend
from bnnpost.samplers.coupled.bounds import tv_bound
from bnnpost.samplers.coupled.pair_threads import Pairs, Programs
from bnnpost.spaces.making import make_space
from tests.samplers.checks import LIMIT, mean_z, same_law_z, same_mean_z, worst

KEY = jax.random.key(3)
X = np.array([[-1.0], [0.3]])
Y = np.array([0.4, -0.7])
NETWORK = Serial([Dense(3, b_std=0.5), Activation("erf"), Dense(1)])
POSTERIOR = bnnpost.Posterior(NETWORK, Gaussian(0.3), X, Y)


@functools.cache
def programs():
    return Programs(Normals.of(make_space(POSTERIOR, strict=False, alone=True)))


def blend(step_size=0.3):
    return Blend(Rotation(0.4, 0.9, 3), step_size)


def made(step_size=0.3, lag=2, seed=3):
    return Pairs(programs(), blend(step_size), jax.random.key(seed), lag)


def test_the_first_chain_is_the_plain_one_bit_for_bit():
    target, kernel, key = programs().target, blend(), jax.random.fold_in(KEY, 0)

    @in_double_precision
    def plain(count):
        state, _ = kernel.init(jax.random.fold_in(key, pairs._X), target)
        step = jax.jit(lambda i, s: kernel.step(pairs.step_key(key, i), s, target, i < 0)[0])
        for i in range(count):
            state = step(jnp.asarray(i), state)
        return target.given(state.position)

    for kept in (1, 9):
        [one] = made().run([0], kept, 50)
        for name, array in plain(kept).items():
            np.testing.assert_array_equal(one.given[name], array)
    [on] = made().go_on([one.given], 9, 12)
    for name, array in plain(12).items():
        np.testing.assert_array_equal(on[name], array)


def two_states(step_size, apart):
    """Two positions whose proposals' means are so many stds apart, and their states."""
    target, kernel = programs().target, blend(step_size)
    x = target.prior(jax.random.key(1))
    other = target.prior(jax.random.key(2))
    norm = np.sqrt(sum(np.sum((np.asarray(other[n]) - x[n]) ** 2) for n in x))
    share = apart * step_size / np.sqrt(1 - step_size**2) / norm
    y = {n: x[n] + share * (other[n] - x[n]) for n in x}
    return kernel, target, [kernel.at(target, at) for at in (x, y)]


def after_one_step(kernel, target, states, count=20_000):
    """Positions of both, coupled, and of the second by the plain kernel; which have met."""
    both = jax.tree.map(lambda *arrays: jnp.stack(arrays), *states)

    def coupled_step(key):
        moved = kernel.moved(key, both, target, jnp.asarray(2))
        return moved.pair.position, moved.met

    def plain(key):
        return kernel.step(key, states[1], target, jnp.zeros((), bool))[0].position

    keys = jax.random.split(jax.random.key(5), 2 * count)
    position, met = jax.jit(jax.vmap(coupled_step))(keys[:count])
    alone = jax.jit(jax.vmap(plain))(keys[count:])
    flat = [np.concatenate([np.asarray(p[n]).reshape(count, -1) for n in sorted(p)], axis=1)
            for p in ({n: a[:, 0] for n, a in position.items()},
                      {n: a[:, 1] for n, a in position.items()}, alone)]  # fmt: skip
    return *flat, np.asarray(met)


def statistics(positions):
    return np.concatenate([positions, positions**2, positions[:, :1] * positions], axis=1)


SLOW = pytest.mark.slow


@pytest.mark.parametrize("apart", [0.5, *(pytest.param(a, marks=SLOW) for a in (1.5, 4.0))])
@in_double_precision
def test_the_second_chain_has_the_plain_ones_law(apart):
    kernel, target, states = two_states(0.3, apart)
    x, y, plain, met = after_one_step(kernel, target, states)
    assert worst(same_mean_z(statistics(y), statistics(plain))) < LIMIT
    np.testing.assert_array_equal(x[met], y[met])
    assert np.all(np.any(x[~met] != y[~met], axis=1))
    assert met.mean() > 0 or apart > 1


@in_double_precision
def test_a_reflection_that_is_left_out_is_told(monkeypatch):
    right = Blend._other_noise

    def wrong(self, key, x, y, noise):
        return noise, right(self, key, x, y, noise)[1]

    monkeypatch.setattr(Blend, "_other_noise", wrong)
    kernel, target, states = two_states(0.3, 1.0)
    # Trajectories bring chains together; here the walk alone is looked at.
    monkeypatch.setattr(Rotation, "step", lambda self, key, state, *_: (state, RATES))
    _x, y, plain, _met = after_one_step(kernel, target, states)
    assert worst(same_mean_z(statistics(y), statistics(plain))) > LIMIT


RATES = {"acceptance_rate": jnp.ones(()), "n_steps": jnp.ones((), int)}


@in_double_precision
def test_the_walk_alone_has_the_right_law_and_meets_as_often_as_it_can(monkeypatch):
    kernel, target, states = two_states(0.3, 1.0)
    monkeypatch.setattr(Rotation, "step", lambda self, key, state, *_: (state, RATES))
    flat = type(target).weighed
    monkeypatch.setattr(Normals, "log_weight", lambda self, position: 0.0 * flat(self, position)[0])
    states = [kernel.at(target, state.position) for state in states]
    _x, y, plain, met = after_one_step(kernel, target, states)
    assert worst(same_mean_z(statistics(y), statistics(plain))) < LIMIT
    # Of maximal coupling two normals of distance 1: 2Φ(−1/2).
    assert worst(mean_z(met, math.erfc(0.5 / math.sqrt(2)))) < LIMIT


@in_double_precision
def test_met_chains_stay_together_for_ever():
    kernel, target, states = two_states(0.3, 0.1)
    pair = jax.tree.map(lambda array: jnp.stack([array, array]), states[0])
    step = jax.jit(lambda key, pair: kernel.moved(key, pair, target, jnp.asarray(2)))
    for i in range(60):
        moved = step(jax.random.key(i), pair)
        pair = moved.pair
        for array in jax.tree.leaves(pair.position):
            np.testing.assert_array_equal(array[0], array[1])


def test_nothing_is_adapted():
    kernel = blend()
    with jax.enable_x64(True):
        state, _ = kernel.init(KEY, programs().target)
        after, _ = kernel.step(KEY, state, programs().target, jnp.ones((), bool))
    assert jax.tree.leaves(after.tuning.angle) == jax.tree.leaves(state.tuning.angle)
    with pytest.raises(ValueError, match="fixed angle"):
        Blend(Rotation(None, 0.9, 3))


@pytest.mark.slow
def test_momenta_of_their_own_do_not_bring_chains_together(monkeypatch):
    """In 128 dimensions: with one momentum they meet soon."""
    wide = bnnpost.Posterior(
        Serial([Dense(64, b_std=0.5), Activation("erf"), Dense(1)]), Gaussian(0.3), X, Y
    )
    target = Normals.of(make_space(wide, strict=False, alone=True))

    def meetings():
        some = Pairs(Programs(target), blend(0.1), KEY, 2)
        return np.array([int(one.meeting) for one in some.run(range(20), 0, 100)])

    assert np.all(meetings() > 0)
    right = Rotation.step

    def wrong(self, key, state, target, adapting):
        own = jax.random.bits(key) ^ jax.lax.bitcast_convert_type(
            state.log_weight.astype(jnp.float32), jnp.uint32
        )
        return right(self, jax.random.fold_in(key, own), state, target, adapting)

    monkeypatch.setattr(Rotation, "step", wrong)
    traced_anew(monkeypatch)
    assert np.all(meetings() < 0)


def test_the_bound_by_hand():
    found = tv_bound(np.array([5, 5, 9]), 2)
    # τ − L = 3, 3, 7: ⌈(3 − t)/2⌉ twice, and ⌈(7 − t)/2⌉.
    by_hand = [8 / 3, 5 / 3, 5 / 3, 2 / 3, 2 / 3, 1 / 3, 1 / 3, 0]
    np.testing.assert_allclose(found.estimate, np.minimum(by_hand, 1))
    assert np.all(found.upper >= found.estimate)
    assert found.upper[-1] >= 1 - 0.05 ** (1 / 3)  # though no pair tells anything there
    limits = bounds.Bound(found.estimate, np.linspace(1, 0.3, 8))
    assert (limits.first_below(0.75), limits.first_below(0.1)) == (3, None)
    assert tv_bound(np.array([5, -1, 9]), 2).upper.tolist() == [1.0]


def test_its_upper_limit_is_above_the_mean_nearly_always():
    """Of geometric meeting times, at steps where ever fewer pairs tell, and none; 95 % is meant."""
    rng = np.random.default_rng(0)
    lag, share, count = 3, 0.3, 300
    steps = np.arange(8, 18)
    true = [sum((1 - share) ** (t + j * lag) for j in range(200)) for t in steps]
    above = []
    for _ in range(400):
        found = tv_bound(rng.geometric(share, count) + lag, lag)
        upper = np.append(found.upper, np.full(20, found.upper[-1]))[steps]
        above.append(upper >= true)
    assert np.all(np.mean(above, axis=0) > 0.92)


def test_the_fewest_pairs_that_show_a_distance():
    assert bounds.fewest_pairs(0.01) == 299
    assert bounds.upper_share(299) <= 0.01 < bounds.upper_share(298)


@functools.cache
def exact_values(count=20_000):
    draws = bnnpost.rejection.sample(jax.random.key(9), POSTERIOR, num_samples=count)
    return draws.training_outputs()[:, :, 0]


@pytest.mark.slow
@pytest.mark.parametrize("kept", [0, 1, 3])
def test_the_distance_of_a_step_is_below_its_bound(kept):
    """The largest difference of two distribution functions is a lower bound of the distance."""
    count = 1500
    outcomes = list(made(lag=1, seed=kept).run(range(count), kept, 500))
    bound = tv_bound(np.array([int(one.meeting) for one in outcomes]), 1)
    apart, error = distance_from_exact([one.given for one in outcomes])
    assert apart < bound.upper[min(kept, len(bound.upper) - 1)] + LIMIT * error
    if kept == 0:
        assert apart > LIMIT * error  # the prior is told


def distance_from_exact(given):
    """The largest difference of distribution functions of f, and a standard error of one."""
    f, grid, exact = outputs(given), np.linspace(-1.5, 1.5, 61), exact_values()
    below = [np.mean(values[:, :, None] <= grid, axis=0) for values in (f, exact)]
    return np.max(np.abs(below[0] - below[1])), math.sqrt(0.25 / len(f) + 0.25 / len(exact))


def outputs(given):
    """f at the training inputs of draws that were kept."""
    space = programs().target.space
    stacked = jax.tree.map(lambda *arrays: np.stack(arrays), *given)
    numbers = np.arange(len(given), dtype=np.uint64)
    info = bnnpost.draws.DrawsInfo("coupled")
    draws = bnnpost.Draws(space, KEY, numbers, np.zeros(len(given)), info, stacked)
    return draws.training_outputs()[:, :, 0]


def h(f):
    """A mean, a square and a tail."""
    return jnp.stack([f[0, 0], f[0, 0] ** 2, (f[0, 0] > 0.3) * 1.0, f[1, 0] ** 3])


def expected_h():
    found = np.asarray(jax.vmap(h)(exact_values()[:, :, None]))
    return found.mean(axis=0), found.std(axis=0) / math.sqrt(len(found))


def expectation_z(num_pairs, **options):
    found = coupled.expectation(KEY, POSTERIOR, h, num_pairs=num_pairs, **options)
    mean, error = expected_h()
    assert found.replicates.shape == (num_pairs, 4)
    return worst((found.value - mean) / np.hypot(error, found.standard_error))


def test_expectations_have_no_bias_and_those_without_a_correction_have(monkeypatch):
    """By X at its first step alone, of which all is bias, and the correction."""
    options = {"first_step": 0, "last_step": 0, "lag": 2}
    assert expectation_z(2400, **options) < LIMIT
    right = estimates._shares

    def wrong(plan, at):
        mean, apart = right(plan, at)
        return mean, 0.0 * apart

    monkeypatch.setattr(estimates, "_shares", wrong)
    assert expectation_z(2400, **options) > LIMIT


@pytest.mark.slow
@pytest.mark.parametrize(("first", "last", "lag"), [(0, 3, 1), (2, 9, 3), (None, None, None)])
def test_expectations_of_many_pairs(first, last, lag):
    assert expectation_z(20_000, first_step=first, last_step=last, lag=lag) < LIMIT


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
    kernel, target, states = two_states(0.3, 0.5)
    x, y, _plain, met = after_one_step(kernel, target, states)
    assert np.any(x[met] != y[met])


def traced_anew(monkeypatch):
    """What runs pairs, which was compiled with the right one."""
    run_pair = jax.jit(lambda *given: pairs.run_pair.__wrapped__(*given))
    monkeypatch.setattr("bnnpost.samplers.coupled.pair_threads.run_pair", run_pair)


@functools.cache
def drawn():
    return coupled.sample(KEY, POSTERIOR, num_samples=1000)


def test_draws_are_those_of_the_posterior_with_a_record():
    draws = drawn()
    info, record = draws.info, draws.info.coupled
    assert (info.kind, info.complete, info.num_samples) == ("coupled", True, 1000)
    assert record.tv <= record.tv_upper <= record.tolerance == 0.01
    assert len(record.meeting_times) == 1000
    assert min(record.meeting_times) > record.lag
    f, exact = draws.training_outputs()[:, :, 0], exact_values()
    assert worst(same_mean_z(f, exact), same_mean_z(f**2, exact**2)) < LIMIT
    assert worst([same_law_z(a, b) for a, b in zip(f.T, exact.T, strict=True)]) < LIMIT
    wrong = bnnpost.Posterior(NETWORK, Gaussian(0.6), X, Y)
    other = coupled.sample(KEY, wrong, num_samples=1000).training_outputs()[:, :, 0]
    assert worst(same_mean_z(other**2, exact**2)) > LIMIT
    assert "1,000 pairs of coupled chains after" in repr(draws)
    assert "exact" not in repr(draws)


def test_a_file_gives_the_same_draws(tmp_path):
    draws = drawn()
    draws.save(tmp_path / "draws.nc")
    read = bnnpost.load(tmp_path / "draws.nc")
    assert repr(read.info) == repr(draws.info)  # in which NaN is NaN
    x = X + 0.1
    np.testing.assert_array_equal(read.predict(x), draws.predict(x))
    np.testing.assert_array_equal(read.mixture(x).means, draws.mixture(x).means)
    parameters = draws.parameters(5)
    np.testing.assert_allclose(
        POSTERIOR.network.apply(parameters, X), draws.training_outputs()[5], atol=1e-5
    )
    assert draws.to_arviz().posterior["f_train"].shape[:2] == (4, 250)


def test_verify_takes_them_for_independent_and_not_for_a_reference():
    exact = bnnpost.rejection.sample(jax.random.key(1), POSTERIOR, num_samples=1000)
    report = bnnpost.verify(jax.random.key(2), drawn(), exact)
    assert report.passed
    assert "taken for independent" in str(report)
    with pytest.raises(ValueError, match="kind 'coupled'"):
        bnnpost.verify(jax.random.key(2), exact, drawn())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_samples": 200}, "at least 299 samples"),
        ({"tolerance": 0.0}, "tolerance"),
        ({"lag": 0}, "lag"),
        ({"step_size": 2.0}, "step_size"),
        ({"max_steps": 0}, "max_steps"),
        ({"space": "else"}, "space"),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        coupled.sample(KEY, POSTERIOR, **options)


def test_chains_that_do_not_meet():
    narrow = bnnpost.Posterior(NETWORK, Gaussian(1e-4), X, Y)
    with pytest.raises(coupled.NotMet, match="do not meet in 5 steps"):
        coupled.sample(KEY, narrow, max_steps=5)


class Nowhere(Gaussian):
    """A likelihood that is 0 everywhere."""

    def log_prob(self, outputs, targets):
        return jnp.sum(outputs) * 0 - jnp.inf


def test_pairs_without_a_start_and_what_is_no_posterior():
    of = bnnpost.Posterior(NETWORK, Nowhere(0.3), X, Y)
    for sampled in (coupled.sample, functools.partial(coupled.expectation, function=h)):
        with pytest.raises(FloatingPointError, match="no start"):
            sampled(KEY, of, collapse=False)
        with pytest.raises(TypeError, match="Posterior"):
            sampled(KEY, NETWORK)


def test_some_pairs_that_do_not_meet(monkeypatch):
    from bnnpost.samplers.coupled import coupled as module

    right = module.set_up
    monkeypatch.setattr(
        module, "set_up", lambda *given, **more: right(*given, **more)._replace(max_steps=1)
    )
    with pytest.warns(coupled.NotMetWarning, match="nothing is known of the distance"):
        draws = coupled.sample(KEY, POSTERIOR, num_samples=300)
    assert not draws.info.complete
    assert draws.info.coupled.tv_upper == 1
    assert "did not meet" in repr(draws)
    assert len(draws) == 300


OTHERS = {
    "relu, three layers": (bnnpost.mlp(width=8, depth=3, activation="relu"), Gaussian(0.5)),
    "Student-t noise": (bnnpost.mlp(width=8, depth=1), StudentT(df=4.0, noise_std=0.3)),
    "classes": (bnnpost.mlp(width=8, depth=2), Bernoulli()),
}


@pytest.mark.slow
@pytest.mark.parametrize("space", ["functions", "weights"])
@pytest.mark.parametrize("name", OTHERS)
def test_other_posteriors(name, space):
    network, likelihood = OTHERS[name]
    targets = (Y > 0).astype(float) if name == "classes" else Y
    of = bnnpost.Posterior(network, likelihood, X, targets)
    draws = coupled.sample(KEY, of, num_samples=2000, space=space)
    assert draws.info.complete
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        other = bnnpost.rejection.sample(jax.random.key(1), of, num_samples=2000)
    f, g = (d.training_outputs()[:, :, 0] for d in (draws, other))
    assert worst(same_mean_z(f, g), same_mean_z(f**2, g**2)) < LIMIT
