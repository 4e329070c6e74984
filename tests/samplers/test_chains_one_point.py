"""Chain samplers against exact posteriors at one training point, and wrong ones that must fail.

The posterior is a mixture of Gaussians over chi-squares, by quadrature: means and variances at
the training point and two test points, and the whole law at the training point. Tests of
`chain_checks`, 64 chains each, two comparisons a test.
"""

import numpy as np
import numpyro.infer
import pytest

import bnnpost
from tests.samplers import cases, chain_checks, chain_samplers, checks
from tests.samplers.chain_samplers import OPTIONS
from tests.samplers.test_one_point_posteriors import X, exact, posterior

FAST, WIDE = 2, 16
QUICK = ("pcn", "elliptical slice", "rotation", "nuts of weights")
CASES = [
    *((name, "relu", FAST) for name in QUICK),
    *(pytest.param(name, "identity", FAST, marks=pytest.mark.slow) for name in OPTIONS),
    *(pytest.param(name, "relu", WIDE, marks=pytest.mark.slow) for name in OPTIONS),
    pytest.param("three rotations", "relu", FAST, marks=pytest.mark.slow),
]


def surprise(draws, x_test, answer):
    """Means, variances, and the exact CDF at the training point, uniform over independent draws."""
    values = chain_checks.in_chains(draws, draws.predict(np.concatenate([X, x_test]))[:, :, 0])
    if not np.all(np.isfinite(values)):
        return np.inf
    moments = chain_checks.moments_z(values, answer.means, answer.variances)
    uniform = checks.uniform_z(answer.cdf(chain_checks.thinned(values[:, :, 0])))
    return max(moments, uniform, chain_checks.apart_z(draws))


def surprise_of(sample, name, activation="relu", width=FAST, **options):
    return surprise(
        sample(name, posterior(activation, width), **options), *exact(activation, width)
    )


@pytest.mark.parametrize(("name", "activation", "width"), CASES)
@pytest.mark.first
def test_chains_have_the_exact_posterior(name, activation, width):
    assert surprise_of(chain_samplers.sample, name, activation, width) < checks.LIMIT


# NUTS takes the longest, and all are asked the same.
COUNTED = [
    pytest.param(name, marks=pytest.mark.slow if name == "nuts of weights" else ())
    for name in QUICK
]


@pytest.mark.first
@pytest.mark.parametrize("name", COUNTED)
def test_data_counted_twice_are_caught(name):
    assert surprise_of(chain_samplers.counting_twice, name) > checks.LIMIT


# Each needs a program of its own.
@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        (chain_samplers.accepting_all, "pcn"),
        (chain_samplers.reusing_keys, "elliptical slice"),
        *(
            pytest.param(wrong, name, marks=pytest.mark.slow)
            for wrong, name in [
                (chain_samplers.accepting_all, "elliptical slice"),
                (chain_samplers.accepting_all, "rotation"),
                (chain_samplers.reusing_keys, "pcn"),
                (chain_samplers.reusing_keys, "rotation"),
                (chain_samplers.accepting_all, "hmc of weights"),
                (chain_samplers.reusing_keys, "hmc of weights"),
            ]
        ),
    ],
)
def test_wrong_kernels_are_caught(wrong, name):
    # Large steps: what is not accepted rightly then shows. Leapfrog steps run away.
    steps = {
        "pcn": {"step_size": 1.0},
        "rotation": {"step_size": 1.5},
        "hmc of weights": {"step_size": 0.5, "num_steps": 3},
    }
    assert surprise_of(wrong, name, **steps.get(name, {})) > checks.LIMIT


@pytest.mark.slow
def test_numpyros_own_loop_samples_the_model():
    """Function values at the training point, by the model alone."""
    problem, (_, answer) = posterior("relu", FAST), exact("relu", FAST)
    size = {"num_warmup": 200, "num_samples": 256, "num_chains": 64, "thinning": 4}
    loop = numpyro.infer.MCMC(
        numpyro.infer.NUTS(bnnpost.hmc.model(problem)),
        chain_method="vectorized", progress_bar=False, **size,
    )  # fmt: skip
    loop.run(cases.key(2))
    values = np.asarray(loop.get_samples(group_by_chain=True)["f"], np.float64)[:, :, 0, 0]
    moments = chain_checks.moments_z(values, answer.means[0], answer.variances[0])
    assert max(moments, checks.uniform_z(answer.cdf(chain_checks.thinned(values)))) < checks.LIMIT
