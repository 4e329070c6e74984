"""Function space and weight space against plain numpy, and against each other.

The three routes share no code for drawing a layer: numpy weights its own prior networks,
function space draws no weight, weight space draws them all. With the identity the hidden
kernel is Wishart. Widths 1 and 2 are below the number of points.
"""

import functools

import numpy as np
import pytest

import bnnpost
from tests.samplers import cases, checks
from tests.samplers.cases import Case

DEEP = Case(8, 2, "tanh", 3)
# Case, whether the readout is integrated out.
PREDICTED = [
    (DEEP, True),
    (Case(2, 1, "erf", 3, noise_std=1.0), False),
    pytest.param(Case(1, 1, "relu", 1), True, marks=pytest.mark.slow),
]
WEIGHED = [
    *PREDICTED,
    pytest.param(Case(2, 1, "identity", 3, noise_std=0.8), True, marks=pytest.mark.slow),
    pytest.param(Case(64, 1, "erf", 1), True, marks=pytest.mark.slow),
]
SPACES = ("functions", "weights")
# Weights of whole networks spread more than those of collapsed ones.
NUM_PROPOSALS = {True: 2**16, False: 2**18}
NUM_DRAWS = 2**11
LAST = len(cases.X) - 1
POINTS = np.concatenate([cases.X[-1:], cases.X_TEST])


@functools.cache
def weighed(case, collapse, space):
    seed = SPACES.index(space)
    run = cases.run(case.posterior(), NUM_PROPOSALS[collapse], seed, space=space, collapse=collapse)
    assert (run.info.space, run.info.bound) == (space, "collapsed" if collapse else "naive")
    return run.info


@functools.cache
def predicted(case, collapse, space):
    """Function values at the last training point and the test points [draw, point, output]."""
    draws = bnnpost.rejection.sample(
        cases.key(SPACES.index(space)),
        case.posterior(),
        num_samples=NUM_DRAWS,
        space=space,
        collapse=collapse,
    )
    return draws.predict(POINTS)


@functools.cache
def reference(case):
    return case.importance(seed=3, num=2**16)


def label(value):
    return f"{value.activation}-{value.width}x{value.depth}" if isinstance(value, Case) else None


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize(("case", "collapse"), WEIGHED, ids=label)
@pytest.mark.slow
def test_evidence(case, collapse, space):
    info, known = weighed(case, collapse, space), reference(case)
    surprise = checks.evidence_z(info, known.log_evidence, known.log_evidence_se)
    assert abs(surprise) < checks.LIMIT


@pytest.mark.parametrize(("case", "collapse"), WEIGHED, ids=label)
@pytest.mark.slow
def test_evidence_agrees_between_spaces(case, collapse):
    one, other = (weighed(case, collapse, space) for space in SPACES)
    surprise = checks.evidence_z(one, other.log_evidence, other.log_evidence_se)
    assert abs(surprise) < checks.LIMIT


@pytest.mark.first
@pytest.mark.parametrize(("case", "collapse"), WEIGHED, ids=label)
def test_evidence_of_halved_noise_is_another(case, collapse):
    halved = cases.with_noise(case.posterior(), np.sqrt(0.5))
    info = cases.run(halved, NUM_PROPOSALS[collapse], collapse=collapse).info
    known = reference(case)
    surprise = checks.evidence_z(info, known.log_evidence, known.log_evidence_se)
    assert abs(surprise) > checks.LIMIT


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize(("case", "collapse"), PREDICTED, ids=label)
@pytest.mark.first
def test_moments(case, collapse, space):
    values, known = predicted(case, collapse, space), reference(case)
    assert len(values) == NUM_DRAWS
    mean = checks.mean_z(values, known.means[LAST:], known.means_se[LAST:])
    variance = checks.variance_z(values, known.variances[LAST:], known.variances_se[LAST:])
    assert checks.worst(mean, variance) < checks.LIMIT


@pytest.mark.parametrize(("case", "collapse"), PREDICTED, ids=label)
@pytest.mark.slow
def test_predictions_have_one_law_in_both_spaces(case, collapse):
    one, other = (predicted(case, collapse, space) for space in SPACES)
    for statistic in statistics(one, other):
        assert checks.same_law_z(*statistic) < checks.LIMIT


def statistics(one, other):
    """Every value, and functions of several values at once, for both samples."""
    for point in range(one.shape[1]):
        yield one[:, point, 0], other[:, point, 0]
    yield tuple(values.sum(axis=(1, 2)) for values in (one, other))
    yield tuple(values[:, 0, 0] * values[:, -1, -1] for values in (one, other))
    yield tuple(np.square(values).sum(axis=(1, 2)) for values in (one, other))


@pytest.mark.slow
def test_two_sample_statistics_tell_halved_noise():
    right = DEEP.posterior()
    one, other = (
        bnnpost.rejection.sample(cases.key(seed), posterior, num_samples=4 * NUM_DRAWS)
        for seed, posterior in enumerate([right, cases.with_noise(right, np.sqrt(0.5))], 5)
    )
    pairs = statistics(one.predict(POINTS), other.predict(POINTS))
    assert max(checks.same_law_z(*pair) for pair in pairs) > checks.LIMIT
