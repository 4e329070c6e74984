"""Calibrations around data that were seen: right samplers pass, their wrong twins fail."""

import dataclasses
import functools

import jax
import numpy as np
import pytest
from numpyro.distributions import HalfNormal

import bnnpost
from bnnpost.draws.info import DrawsInfo
from bnnpost.verification import teacher
from bnnpost.verification.around import SeenNetworks
from tests.verification import linear
from tests.verification.linear import KERNEL, NOISE_STD, NUM_TRAIN, X_TEST

# As unlike the prior's typical data as data of this prior's may be.
SEEN = 2.0 * linear.root(KERNEL[:NUM_TRAIN, :NUM_TRAIN]) @ np.ones(NUM_TRAIN)
WIDER = 4.0
NUM = 100


def posterior(likelihood=None, w_var_factor=1.0, seen=SEEN):
    plain = linear.posterior(likelihood)
    network = bnnpost.Serial(
        [bnnpost.Dense(1, w_std=linear.W_STD * w_var_factor**0.5, b_std=linear.B_STD)]
    )
    return bnnpost.Posterior(network, plain.likelihood, plain.x, seen)


class Known(bnnpost.Draws):
    """Exact draws whose law numpy knows, with the record and the weights that are asked for."""

    def __init__(self, values, of, log_weights=None, **record):
        self.values, self.of = values[..., None], of
        self.log_weights = np.zeros(len(values)) if log_weights is None else log_weights
        self.info = DrawsInfo(**{"kind": "exact", **record})

    posterior = property(lambda self: self.of)

    def __len__(self):
        return len(self.values)

    def training_outputs(self):
        return self.values[:, :NUM_TRAIN]

    def predict(self, x_test, completion="joint"):
        return self.values[:, NUM_TRAIN:]


def law(targets, noise_var, w_var_factor=1.0):
    """Mean and a root of the covariance of f at all inputs given targets at the training inputs."""
    bias = linear.B_STD**2
    kernel = w_var_factor * (KERNEL - bias) + bias
    train = kernel[:NUM_TRAIN, :NUM_TRAIN] + noise_var * np.eye(NUM_TRAIN)
    gain = np.linalg.solve(train, kernel[:NUM_TRAIN]).T
    return gain @ targets, linear.root(kernel - gain @ kernel[:NUM_TRAIN])


def draws(w_var_factor=1.0, count=NUM, of=None, **record):
    """Given the targets seen; of: the posterior that they say they are of, by default their own."""
    mean, factor = law(SEEN, NOISE_STD**2, w_var_factor)
    values = mean + np.random.default_rng(9).normal(size=(count, len(KERNEL))) @ factor.T
    return Known(values, posterior(w_var_factor=w_var_factor) if of is None else of, **record)


def sampler(key, taught, *, rows=slice(None), noise_factor=1.0, std_factor=1.0, w_var_factor=1.0):
    """Function values given these rows of the targets seen and of the new ones; exact by default.

    noise_factor: of the noise variance. std_factor: of the draws' distances from their mean.
    """
    targets = taught.targets.reshape(2, NUM_TRAIN)[rows]
    noise_var = noise_factor * NOISE_STD**2 / len(targets)
    mean, factor = law(targets.mean(axis=0), noise_var, w_var_factor)
    f = mean + std_factor * linear.normals(key, 99) @ factor.T
    return np.concatenate([f[:, :NUM_TRAIN], f], axis=1)


def calibrate(wrong=None, *, around=None, **options):
    return bnnpost.calibrate(
        jax.random.key(3),
        functools.partial(sampler, **(wrong or {})),
        posterior(),
        around=draws() if around is None else around,
        x_test=X_TEST,
        **options,
    )


def test_a_right_sampler_passes():
    found = calibrate()
    assert found.passed, found.summary()
    assert found.names[:4] == ("f(x[0])", "f(x[2])", "f(x[5])", "f(x_test[0])")
    assert found.num_datasets == NUM
    assert "around the data seen, by 100 exact draws" in found.summary()
    assert found.to_dict()["around"] == "100 exact draws"


@pytest.mark.first
@pytest.mark.parametrize(
    "wrong",
    [
        {"rows": slice(1, 2)},  # the targets seen are ignored
        {"rows": slice(0, 1)},  # the new ones are
        {"noise_factor": 0.5},
        {"std_factor": 0.75},
    ],
)
def test_wrong_twins_fail(wrong):
    assert calibrate(wrong).verdict == "failed"


def test_new_targets_that_are_ignored_show_in_the_log_likelihood_alone():
    assert calibrate({"rows": slice(0, 1)}).failed == ("log likelihood",)


def test_exact_draws_find_what_a_samplers_own_cannot():
    # Weights of four times the prior variance: consistent, and wrong.
    wrong, own = {"w_var_factor": WIDER}, draws(WIDER, of=posterior())
    assert calibrate(wrong, around=own).passed
    assert calibrate(wrong).verdict == "failed"
    assert calibrate(around=own).verdict == "failed"


def weighted(honest):
    """Draws given noise of a larger variance; the weights that make them the posterior's."""
    noise_var = 1.44 * NOISE_STD**2
    mean, factor = law(SEEN, noise_var)
    values = mean + np.random.default_rng(5).normal(size=(1000, len(KERNEL))) @ factor.T
    squares = np.sum((values[:, :NUM_TRAIN] - SEEN) ** 2, axis=1)
    log_weights = honest * -0.5 * squares * (NOISE_STD**-2 - 1 / noise_var)
    return Known(values, posterior(), log_weights, kind="capped", pareto_k=0.0)


@pytest.mark.slow
def test_weighted_draws_teach_by_their_weights():
    found = calibrate(around=weighted(True), num_datasets=150)
    assert found.passed, found.summary()
    assert "(by their weights) of 1,000 capped draws" in found.around
    assert calibrate(around=weighted(False), num_datasets=150).verdict == "failed"


def test_datasets_do_not_depend_on_how_many_there_are():
    np.testing.assert_array_equal(
        calibrate(num_datasets=12).ranks, calibrate(num_datasets=20).ranks[:12]
    )


def test_teachers_are_draws_each_taken_once():
    made, key = draws(), jax.random.key(3)
    taught = [
        teacher.draw(key, posterior(), number=i, x_test=X_TEST, around=made) for i in range(3)
    ]
    train, test = made.training_outputs(), made.predict(X_TEST)
    places = [
        int(np.flatnonzero((train == one.f_train[:NUM_TRAIN]).all((1, 2)))[0]) for one in taught
    ]
    assert len(set(places)) == 3
    for place, one in zip(places, taught, strict=True):
        np.testing.assert_array_equal(one.f_train[NUM_TRAIN:], train[place])
        np.testing.assert_array_equal(one.f_test, test[place])
        np.testing.assert_array_equal(one.posterior.x, np.concatenate([linear.X, linear.X]))
        np.testing.assert_array_equal(one.posterior.targets[:NUM_TRAIN, 0], SEEN)
    assert len({float(one.posterior.targets[-1, 0]) for one in taught}) == 3


def test_targets_have_the_noise_of_their_draw():
    unknown = posterior(bnnpost.likelihoods.GaussianUnknownNoise(noise_std=HalfNormal(0.5)))
    sizes, train = np.geomspace(0.001, 1000.0, NUM), draws().training_outputs()
    order = np.random.default_rng(0).permutation(NUM)
    teachers = teacher.Teachers(unknown, None, SeenNetworks(train, train[:, :0], sizes, order, ""))
    taught = [teachers.draw(jax.random.key(1), number) for number in range(NUM)]
    np.testing.assert_array_equal([one.noise_std for one in taught], sizes[order])
    noise = np.array([(one.posterior.targets - one.f_train)[NUM_TRAIN:, 0] for one in taught])
    squares = np.mean((noise / sizes[order, None]) ** 2)
    assert abs(squares - 1) < 4 * np.sqrt(2 / noise.size)


@pytest.mark.parametrize(
    ("around", "error", "words"),
    [
        (np.zeros((5, 9)), TypeError, "expected around to be bnnpost.Draws"),
        (lambda: draws(kind="chain"), ValueError, "got draws of kind 'chain'"),
        (lambda: draws(kind="prior"), ValueError, "got draws of kind 'prior'"),
        (lambda: draws(kind="resampled"), ValueError, "got draws of kind 'resampled'"),
        (lambda: draws(kind="capped", pareto_k=0.9), ValueError, "Pareto k"),
        (lambda: draws(WIDER), ValueError, r"those of one with layer 0 .*, the posterior's 1.5"),
    ],
)
def test_draws_that_cannot_teach(around, error, words):
    with pytest.raises(error, match=words):
        calibrate(around=around() if callable(around) else around)


def test_more_datasets_than_draws_are_refused():
    with pytest.raises(ValueError, match="at most 100 datasets, got 101: each needs a draw of its"):
        calibrate(num_datasets=101)


@pytest.mark.slow
def test_noise_that_draws_do_not_have_is_refused():
    class Shifted(bnnpost.likelihoods.Gaussian):
        """Targets that share a shift, which is said to be their noise."""

        def sample_with_noise(self, key, outputs):
            return outputs + 1.0, 1.0

    likelihood = Shifted(NOISE_STD)
    made = draws(of=posterior(likelihood))
    with pytest.raises(ValueError, match="Shifted draws noise of its own"):
        bnnpost.calibrate(jax.random.key(0), sampler, posterior(likelihood), around=made)


@pytest.mark.slow
def test_right_samplers_fail_as_seldom_as_stated():
    # 60 calibrations of 100 datasets: as a dataset depends on its own number, one of 6,000 cut up.
    whole = calibrate(around=draws(count=6000), num_datasets=6000)
    failed = [
        bool(dataclasses.replace(whole, ranks=whole.ranks[i : i + 100]).failed)
        for i in range(0, 6000, 100)
    ]
    # Of Binomial(60, 0.01) more than 4 have probability 0.0003.
    assert sum(failed) <= 4


@pytest.mark.slow
@pytest.mark.parametrize(("noise_factor", "passes"), [(1.0, True), (0.5**0.5, False)])
def test_rejection_for_a_network_around_its_data(noise_factor, passes):
    x, y, x_test, _ = bnnpost.datasets.diabetes_problem(3, 3)
    network, likelihood = bnnpost.mlp(width=16), bnnpost.likelihoods.Gaussian(1.0)
    seen = bnnpost.Posterior(network, likelihood, x, y)

    def rejection(key, taught):
        noise = bnnpost.likelihoods.Gaussian(noise_factor)
        other = bnnpost.Posterior(taught.network, noise, taught.x, taught.targets)
        return bnnpost.rejection.sample(key, other, num_samples=99)

    made = bnnpost.rejection.sample(jax.random.key(2), seen, num_samples=60)
    found = bnnpost.calibrate(
        jax.random.key(1), rejection, seen, around=made, num_datasets=60, x_test=x_test
    )
    assert found.passed == passes, found.summary()


@pytest.mark.slow
def test_noise_of_unknown_size_around_its_data():
    unknown = posterior(bnnpost.likelihoods.GaussianUnknownNoise(noise_std=HalfNormal(0.5)))

    def capped(key, taught):
        return bnnpost.rejection.sample(key, taught, num_samples=400, bound="capped")

    made = capped(jax.random.key(0), unknown)
    found = bnnpost.calibrate(jax.random.key(0), capped, unknown, around=made, num_datasets=12)
    assert found.names[-1] == "noise std"
    assert found.passed, found.summary()
