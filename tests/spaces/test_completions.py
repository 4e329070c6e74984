"""How draws go on to test inputs: lists share no normals, and both completions have one law."""

import numpy as np
import pytest

import bnnpost
from bnnpost.networks import Map
from bnnpost.spaces.completions import elimination_order, limit_kernel
from tests.samplers import cases, checks, oracles
from tests.samplers.cases import ACTIVATIONS, X_TEST, Case, X

UNIT = np.eye(4)
NUM_DRAWS = 2000


@pytest.fixture(scope="module")
def linear():
    """Prior draws of f(x) = w·x/2 with w standard normal, drawn at the first unit vector."""
    network = bnnpost.Serial([bnnpost.Dense(1)])
    likelihood = bnnpost.likelihoods.Gaussian(noise_std=1.0)
    posterior = bnnpost.Posterior(network, likelihood, UNIT[:1], [0.3])
    return bnnpost.prior.sample(cases.key(0), posterior, num_samples=NUM_DRAWS)


def correlation(one, other):
    return checks.worst(checks.correlation_z(np.stack([one, other], axis=1)))


@pytest.mark.slow
def test_completions_of_different_lists_share_no_normals(linear):
    # Under the prior w·e₂ and w·e₃ are independent, whatever the place in the list.
    second, third = (linear.predict(UNIT[i : i + 1])[:, 0, 0] for i in (1, 2))
    both = linear.predict(UNIT[1:3])[:, :, 0]
    back = linear.predict(UNIT[[2, 1]])[:, :, 0]
    for one, other in [(second, third), (both[:, 0], both[:, 1]), (both[:, 0], back[:, 0])]:
        assert correlation(one, other) < checks.LIMIT
    # Two lists are two completions also where a point is in both.
    assert correlation(second, both[:, 0]) < checks.LIMIT
    assert correlation(both[:, 0], back[:, 1]) < checks.LIMIT
    for values in (second, third, both, back):
        assert checks.normal_z(2 * values) < checks.LIMIT


def test_shared_normals_would_be_told(linear):
    second, both = linear.predict(UNIT[1:2])[:, 0, 0], linear.predict(UNIT[1:3])[:, :, 0]
    assert correlation(second, 0.2 * second + both[:, 0]) > checks.LIMIT


@pytest.fixture(scope="module")
def prior_values():
    """Prior values at a training and a test point from either completion, and from numpy.

    Three units have four parameters each: the three training rows are in row form, and with
    the test rows they outnumber the parameters. Where they do not: tests/draws/test_draws.py.
    """
    case = Case(width=3)
    draws = bnnpost.prior.sample(cases.key(9), case.posterior(), num_samples=NUM_DRAWS)
    rng, layer = np.random.default_rng(1), oracles.Layer(case.w_std, case.b_std)
    points = np.stack([X[0], X_TEST[0]])
    hidden = oracles.features(
        rng, [layer], case.width, ACTIVATIONS[case.activation], points, NUM_DRAWS
    )
    weights = rng.standard_normal((NUM_DRAWS, case.width, 1)) / np.sqrt(case.width)
    biases = rng.standard_normal((NUM_DRAWS, 1, 1))
    plain = layer.w_std * hidden @ weights + layer.b_std * biases
    completed = {name: draws.predict(points, name)[:, :, 0] for name in ("joint", "function")}
    return {"numpy": plain[:, :, 0], **completed}


def surprises(one, other):
    """Of one law: the values at both points, and their product."""
    yield from (checks.same_law_z(one[:, i], other[:, i]) for i in range(2))
    yield checks.same_law_z(one.prod(axis=1), other.prod(axis=1))


@pytest.mark.first
@pytest.mark.parametrize("completion", ["joint", "function"])
def test_completions_have_the_law_of_plain_networks(prior_values, completion):
    assert checks.worst(*surprises(prior_values[completion], prior_values["numpy"])) < checks.LIMIT


def test_test_values_drawn_apart_from_the_training_values_would_be_told(prior_values):
    trained, tested = prior_values["joint"].T
    apart = np.stack([trained, np.roll(tested, 1)], axis=1)
    assert checks.worst(*surprises(apart, prior_values["numpy"])) > checks.LIMIT


class Tripled(Map):
    """A user's map without a kernel."""

    def __call__(self, x):
        return 3 * x

    def covariance(self, k):
        raise NotImplementedError


@pytest.mark.parametrize("layer", [Tripled(), bnnpost.Activation("exp", a=40.0)])
def test_networks_without_a_finite_limit_have_an_order_all_the_same(layer):
    network = bnnpost.Serial([bnnpost.Dense(8), layer, bnnpost.Dense(1)])
    order = elimination_order(limit_kernel(network, np.concatenate([X, X_TEST])), len(X))
    assert sorted(order[: len(X)]) == list(range(len(X)))
    assert sorted(order) == list(range(len(X) + len(X_TEST)))


@pytest.mark.slow
def test_a_network_without_a_kernel_is_sampled():
    network = bnnpost.Serial([bnnpost.Dense(8), Tripled(), bnnpost.Dense(1)])
    likelihood = bnnpost.likelihoods.Gaussian(noise_std=1.0)
    posterior = bnnpost.Posterior(network, likelihood, X, np.zeros(len(X)))
    draws = bnnpost.rejection.sample(cases.key(0), posterior, num_samples=20)
    assert np.all(np.isfinite(draws.predict(X_TEST)))
