"""Scores of predictions against plain numpy and scipy, under each kind of likelihood."""

import numpy as np
import pytest
import scipy.special
import scipy.stats

from bnnpost import likelihoods
from bnnpost.comparison.point_scores import scores

RNG = np.random.default_rng(0)
F = RNG.normal(size=(40, 5, 3))
LOG_WEIGHTS = RNG.normal(size=40)
WEIGHTS = np.exp(LOG_WEIGHTS) / np.exp(LOG_WEIGHTS).sum()
CLASSES, BITS = np.array([0, 2, 1, 1, 0.0])[:, None], np.array([0, 1, 1, 0, 1.0])[:, None]
COUNTS, REAL = np.array([0, 3, 1, 2, 0.0])[:, None], RNG.normal(size=(5, 1))
NOISE_STD = RNG.uniform(0.2, 1.0, size=40)


def classes():
    chances = np.tensordot(WEIGHTS, scipy.special.softmax(F, axis=2), 1)
    log_loss = -np.log(chances[np.arange(5), CLASSES[:, 0].astype(int)])
    return log_loss, {"accuracy": chances.argmax(axis=1) == CLASSES[:, 0]}


def bits():
    chances = WEIGHTS @ scipy.special.expit(F[:, :, 0])
    chance = np.where(BITS[:, 0] == 1, chances, 1 - chances)
    return -np.log(chance), {"accuracy": chance > 0.5}


def counts():
    densities = scipy.stats.poisson(np.exp(F[:, :, 0])).pmf(COUNTS[:, 0])
    return -np.log(WEIGHTS @ densities), {}


def tails():
    law = scipy.stats.t(5, scale=0.5 * np.sqrt(3 / 5))
    errors = REAL[:, 0] - F[:, :, 0]
    return -np.log(WEIGHTS @ law.pdf(errors)), {"squared_error": (WEIGHTS @ errors) ** 2}


def unknown():
    errors = REAL[:, 0] - F[:, :, 0]
    densities = scipy.stats.norm(scale=NOISE_STD[:, None]).pdf(errors)
    return -np.log(WEIGHTS @ densities), {"squared_error": (WEIGHTS @ errors) ** 2}


@pytest.mark.parametrize(
    ("likelihood", "targets", "expected", "noise_std"),
    [
        (likelihoods.Categorical(), CLASSES, classes, None),
        (likelihoods.Bernoulli(), BITS, bits, None),
        (likelihoods.Poisson(), COUNTS, counts, None),
        (likelihoods.StudentT(df=5, noise_std=0.5), REAL, tails, None),
        (likelihoods.Gaussian(0.5), REAL, unknown, NOISE_STD),
    ],
)
def test_scores_are_those_of_the_weighted_predictive(likelihood, targets, expected, noise_std):
    f = F if targets is CLASSES else F[:, :, :1]
    found = scores(likelihood, f, LOG_WEIGHTS, targets, noise_std)
    log_loss, others = expected()
    np.testing.assert_allclose(found.pop("log_loss"), log_loss, rtol=1e-10)
    assert set(found) == set(others)
    for name, values in others.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-10)
