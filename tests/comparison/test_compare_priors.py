"""Compare, forecast and the prior's scale where weights have laws of the user's own."""

import jax
import numpy as np
import numpyro.distributions as dist
import pytest
import scipy.special
import scipy.stats

import bnnpost
from bnnpost import Posterior
from bnnpost.likelihoods import Bernoulli, Gaussian
from bnnpost.samplers.forecast import prior_scale
from tests.samplers import checks

X, X_TEST, NOISE, WIDTH, READOUT = np.array([[0.7]]), np.array([[-1.2]]), 0.3, 8, 1.2
LAPLACE, NORMAL = dist.Laplace(0.0, 1.0), dist.Normal(0.0, 1.0)


def network(**options):
    defaults = {"prior": LAPLACE, "readout_prior": NORMAL, "b_std": 0.0, "depth": 1}
    return bnnpost.mlp(width=WIDTH, readout_w_std=READOUT, **defaults | options)


def numpy_kernels(count):
    """K̂ of networks of this width at the training and the test input, drawn in numpy."""
    weights = np.random.default_rng(0).laplace(size=(count, WIDTH))
    features = scipy.special.erf(1.5 * weights[..., None] * np.array([0.7, -1.2]))
    return READOUT**2 * np.einsum("snp,snq->spq", features, features) / WIDTH


def limit_kernel():
    w, step = np.linspace(-40, 40, 400_001, retstep=True)
    features = scipy.special.erf(1.5 * w[:, None] * np.array([0.7, -1.2]))
    return READOUT**2 * (features * scipy.stats.laplace.pdf(w)[:, None]).T @ features * step


def gaussian(kernels, y=0.9):
    """Evidence of y, and mean and second moment of f* given it, for each kernel."""
    noisy = kernels[:, 0, 0] + NOISE**2
    mean = kernels[:, 0, 1] / noisy * y
    variance = kernels[:, 1, 1] - kernels[:, 0, 1] ** 2 / noisy
    return scipy.stats.norm.pdf(y, 0, np.sqrt(noisy)), mean, variance + mean**2


def logistic(kernels):
    """The same for one success: f on 40 Gauss–Hermite nodes."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(40)
    f = np.sqrt(kernels[:, :1, 0]) * nodes
    likelihood = scipy.special.expit(f) * weights / weights.sum()
    slope = (kernels[:, 0, 1] / kernels[:, 0, 0])[:, None]
    rest = kernels[:, 1, 1, None] - slope * kernels[:, 0, 1, None]
    evidence = likelihood.sum(axis=1)
    first, second = (likelihood * slope * f).sum(1), (likelihood * (slope**2 * f**2 + rest)).sum(1)
    return evidence, first / evidence, second / evidence


PROBLEMS = {
    "gaussian": (Gaussian(noise_std=NOISE), 0.9, gaussian),
    "logit": (Bernoulli(), 1.0, logistic),
}


def differences(solve):
    """log evidence, mean and variance of f*, finite less limit, with standard errors."""
    blocks = []
    for kernels in np.array_split(numpy_kernels(2**18), 16):
        evidence, mean, second = solve(kernels)
        total = evidence.sum()
        mean, second = (evidence @ moment / total for moment in (mean, second))
        blocks.append((np.log(evidence.mean()), mean, second - mean**2))
    evidence, mean, second = (float(part[0]) for part in solve(limit_kernel()[None]))
    limit = np.array([np.log(evidence), mean, second - mean**2])
    return np.mean(blocks, axis=0) - limit, np.std(blocks, axis=0, ddof=1) / 4


@pytest.mark.parametrize("name", ["gaussian", pytest.param("logit", marks=pytest.mark.slow)])
def test_differences_are_those_of_numpy(name):
    likelihood, y, solve = PROBLEMS[name]
    found = bnnpost.compare(
        jax.random.key(0), Posterior(network(), likelihood, X, [y]), X_TEST, num_proposals=8000
    )
    known, error = differences(solve)
    names = ("log_evidence_error", "mean_error_by_point", "variance_error_by_point")
    own = np.array([np.ravel(found[n].values)[0] for n in names])
    own_error = np.array([np.ravel(found[f"{n}_se"].values)[0] for n in names])
    assert checks.worst((own - known) / np.hypot(own_error, error)) < checks.LIMIT
    # The normal network of the same variance has another limit, which would be seen.
    normal = bnnpost.mlp(width=1, depth=1, w_std=1.5 * np.sqrt(2), b_std=0.0, readout_w_std=READOUT)
    with jax.enable_x64(True):
        other = np.asarray(bnnpost.nngp(normal, np.concatenate([X, X_TEST])))
    shift = solve(other[None])[2][0] - solve(limit_kernel()[None])[2][0]
    assert abs(shift) > 10 * np.hypot(own_error, error)[2]


def posterior(**options):
    return Posterior(network(**options), Gaussian(noise_std=NOISE), X, [0.9])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"w_std": dist.HalfNormal(1.0)}, "mixture of Gaussian processes over the random w_std of"),
        ({"b_std": 0.1, "bias_prior": LAPLACE}, "a readout bias with a law of its own"),
    ],
)
def test_limits_that_are_not_one_process_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        bnnpost.compare(jax.random.key(0), posterior(**options), X_TEST)
    assert prior_scale(posterior(**options)) is None


def test_prior_scale_asks_the_right_limit():
    found = prior_scale(posterior())
    kernel = limit_kernel()[0, 0]
    assert found.norm_ratio == pytest.approx(0.81 / (kernel + NOISE**2), rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "closed"),
    [
        ({}, True),
        ({"w_std": dist.HalfNormal(1.0)}, True),
        ({"w_std": dist.HalfNormal(1.0), "b_std": dist.HalfNormal(0.2)}, False),
    ],
)
def test_forecast_of_own_priors(options, closed):
    found = bnnpost.forecast(jax.random.key(0), posterior(**options), calibrate=())
    assert np.isfinite(found.limit_log_evidence) == closed
    assert np.isfinite(found.pilot_log_evidence)
