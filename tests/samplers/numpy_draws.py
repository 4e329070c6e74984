"""Exact posterior draws by rejection in plain numpy: every weight is drawn, one network a proposal.

For the problems of `likelihood_cases` whose log probability is greatest at the targets, or at
most 0.
"""

import functools

import numpy as np

from tests.samplers import likelihood_cases, oracles
from tests.samplers.cases import ACTIVATIONS, X_TEST, X

INPUTS = np.concatenate([X, X_TEST])
AT_ONCE = 2**16


def log_bound(problem):
    """The largest log probability that there is."""
    if problem.targets is likelihood_cases.REAL:
        return problem.log_prob(problem.targets[None, :, None])[0]
    return 0.0


def proposals(rng, layer, width, num_outputs, num):
    """Outputs of prior networks with one hidden erf layer, at INPUTS [network, point, output]."""
    rows = oracles.features(rng, [layer], width, ACTIVATIONS["erf"], INPUTS, num)
    weights = rng.standard_normal((num, width, num_outputs))
    biases = rng.standard_normal((num, 1, num_outputs))
    return layer.w_std / np.sqrt(width) * rows @ weights + layer.b_std * biases


@functools.cache
def accepted(name, num, seed=0):
    """`num` exact draws of f at X and then X_TEST [draw, point, output]."""
    problem, rng = likelihood_cases.PROBLEMS[name], np.random.default_rng(seed)
    layer, width = likelihood_cases.LAYER, likelihood_cases.WIDTH
    found, bound = [], log_bound(problem)
    while sum(map(len, found)) < num:
        f = proposals(rng, layer, width, problem.num_outputs, AT_ONCE)
        log_ratio = problem.log_prob(f[:, : len(X)]) - bound
        assert log_ratio.max() <= 1e-9
        found.append(f[np.log(rng.random(AT_ONCE)) < log_ratio])
    return np.concatenate(found)[:num]


def noise_variances(f, seed=1):
    """Of the "unknown variance": an inverse gamma again, given f [draw, point, output]."""
    squares = np.sum(likelihood_cases.real(f[:, : len(X)]) ** 2, axis=1)
    rate = np.random.default_rng(seed).gamma(3.0 + len(X) / 2, size=len(f))
    return (0.5 + squares / 2) / rate
