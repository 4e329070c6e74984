"""Upper bounds of the weights: never exceeded, and attained, over all kernels that there are.

The log density is scipy's; the supremum is found by an optimiser that knows no formula.
"""

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
import scipy.optimize
import scipy.stats

import bnnpost
from bnnpost.likelihoods import Gaussian
from bnnpost.spaces.making import make_space
from tests.samplers import cases
from tests.samplers.cases import Case

NOISE_STD = 0.4
# Number of points, number of outputs, variance of the readout's bias.
PROBLEMS = [(1, 1, 0.0), (4, 1, 0.0), (4, 1, 0.3), (3, 2, 0.0), (3, 2, 0.5), (2, 5, 0.2)]


def targets(num_points, num_outputs, size=1.0):
    return size * np.random.default_rng(num_points).standard_normal((num_points, num_outputs))


def log_density(kernel, y):
    """Σ_o log N(y_o; 0, kernel + noise), by scipy."""
    law = scipy.stats.multivariate_normal(cov=kernel + NOISE_STD**2 * np.eye(len(y)))
    return float(np.sum(law.logpdf(y.T)))


def kernel_of(flat, num_points, bias_var):
    """Any positive semidefinite matrix above the bias's: a square plus bias_var·11ᵀ."""
    root = np.reshape(flat, (num_points, num_points))
    return root @ root.T + bias_var


def supremum(y, bias_var):
    """The largest log density that an optimiser finds over kernels, from several starts."""
    rng = np.random.default_rng(0)
    found = [
        scipy.optimize.minimize(
            lambda flat: -log_density(kernel_of(flat, len(y), bias_var), y),
            rng.standard_normal(len(y) ** 2),
        )
        for _ in range(4)
    ]
    return -min(result.fun for result in found)


def bound(y, bias_var=0.0):
    return Gaussian(noise_std=NOISE_STD).collapsed_log_bound(y, bias_var)


@pytest.mark.each(4)
@pytest.mark.parametrize(("num_points", "num_outputs", "bias_var"), PROBLEMS)
@pytest.mark.parametrize("size", [0.3, 2.0])
def test_bound_is_the_supremum(num_points, num_outputs, bias_var, size):
    y = targets(num_points, num_outputs, size)
    best = supremum(y, bias_var)
    # The optimiser stops a little short of it, and must not get above it.
    assert best <= bound(y, bias_var) + 1e-9
    assert best == pytest.approx(bound(y, bias_var), abs=1e-5)


def random_kernels(num_points, bias_var, num=300):
    rng = np.random.default_rng(1)
    for _ in range(num):
        rank, size = rng.integers(1, num_points + 1), 10 ** rng.uniform(-3, 2)
        rows = size * rng.standard_normal((num_points, rank))
        yield rows @ rows.T + bias_var


@pytest.mark.parametrize(("num_points", "num_outputs", "bias_var"), PROBLEMS)
def test_no_random_kernel_exceeds_the_bound(num_points, num_outputs, bias_var):
    y = targets(num_points, num_outputs)
    best = max(log_density(kernel, y) for kernel in random_kernels(num_points, bias_var))
    assert best <= bound(y, bias_var) + 1e-9


def attaining_kernel(y):
    """YYᵀ/k with its eigenvalues lowered by the noise, where that leaves them positive."""
    eigenvalues, vectors = np.linalg.eigh(y @ y.T / y.shape[1])
    return vectors * np.maximum(eigenvalues - NOISE_STD**2, 0) @ vectors.T


@pytest.mark.parametrize(("num_points", "num_outputs"), [(1, 1), (4, 1), (3, 2), (2, 5), (6, 3)])
def test_bound_is_attained(num_points, num_outputs):
    y = targets(num_points, num_outputs)
    assert log_density(attaining_kernel(y), y) == pytest.approx(bound(y), abs=1e-10)


def test_knowing_the_bias_gives_a_tighter_bound():
    y = targets(4, 1)
    bounds = [bound(y, bias_var) for bias_var in (0.0, 0.1, 1.0, 10.0)]
    assert np.all(np.diff(bounds) < 0)
    # And one that is wrong where the kernel is not above the bias.
    assert log_density(attaining_kernel(y), y) > bounds[-1] + 0.1


def test_bound_of_zero_targets_is_the_noise_alone():
    y = np.zeros((3, 2))
    assert bound(y) == pytest.approx(log_density(np.zeros((3, 3)), y))


def test_bound_gains_by_targets_over_noise():
    # One output of norm r ≥ σ: e^½ r/σ over the bound of weight space.
    y = targets(5, 1)
    naive = Gaussian(noise_std=NOISE_STD).log_bound(y)
    gain = np.exp(naive - bound(y))
    assert gain == pytest.approx(np.exp(0.5) * np.linalg.norm(y) / NOISE_STD)


def test_naive_bound_is_the_density_at_the_targets():
    y = targets(3, 2)
    expected = np.sum(scipy.stats.norm(y, NOISE_STD).logpdf(y))
    assert Gaussian(noise_std=NOISE_STD).log_bound(y) == pytest.approx(expected)


def test_space_takes_the_readouts_bias_for_its_bound():
    network = bnnpost.mlp(width=8, depth=1, b_std=0.7, readout_b_std=0.3, num_outputs=2)
    likelihood = Gaussian(noise_std=NOISE_STD)
    posterior = bnnpost.Posterior(network, likelihood, cases.X, targets(3, 2))
    y = posterior.targets
    assert make_space(posterior).log_bound() == pytest.approx(bound(y, 0.09))
    assert make_space(posterior, collapse=False).log_bound() == likelihood.log_bound(y)
    assert make_space(posterior, conditioned=False).log_bound() == 0


def test_space_whose_readout_has_no_bias_gets_the_bound_over_all_kernels():
    network = bnnpost.Serial([bnnpost.Dense(8), bnnpost.Activation("relu"), bnnpost.Dense(1)])
    likelihood = Gaussian(noise_std=NOISE_STD)
    posterior = bnnpost.Posterior(network, likelihood, cases.X, targets(3, 1))
    assert make_space(posterior).log_bound() == pytest.approx(bound(posterior.targets))


def test_weights_of_many_proposals_stay_below_their_bound():
    # A wide prior and few units, so that the kernel is often near the best one.
    run = cases.run(Case(noise_std=0.2, w_std=2.5).posterior(), 2**17)
    assert run.info.acceptance_rate > 1e-3
    assert run.info.log_evidence < run.info.log_bound


class Threes(bnnpost.WeightPrior):
    """Biases that are not random, without being `Fixed`."""

    def sample(self, key, shape, dtype):
        del key
        return jnp.full(shape, 3.0, dtype)

    def log_prob(self, values):
        return jnp.zeros(())

    @property
    def random(self):
        return False


@pytest.mark.first
@pytest.mark.parametrize(
    "options",
    [
        {"readout_bias_prior": Threes(), "readout_b_std": 1.0},
        {"readout_bias_prior": bnnpost.Fixed(3.0), "readout_b_std": dist.HalfNormal(1.0)},
    ],
)
def test_biases_of_which_no_centre_is_known_get_the_bound_that_needs_none(options):
    likelihood, x = Gaussian(NOISE_STD), np.arange(3.0)[:, None]
    y = np.full((3, 1), 3.0)
    made = make_space(bnnpost.Posterior(bnnpost.mlp(width=3, **options), likelihood, x, y))
    assert made.bound == "naive"
    assert made.log_bound() == likelihood.log_bound(y)
