"""Each check finds what it is for, at its level, on laws that are known; seeds are fixed."""

import numpy as np
import pytest

from bnnpost.verification import checks, permutation, pit, scores
from bnnpost.verification.autocorrelation import autocorrelation_times, thinned_chains
from bnnpost.verification.compared import compared
from bnnpost.verification.references import Reference
from bnnpost.verification.sets import TEST, Candidate

COLUMNS = ("f[0]", "f[1]", "f[2]")
# Correlated by one half.
ROOT = np.linalg.cholesky(0.5 * np.eye(3) + 0.5)


def normals(rng, count):
    return rng.standard_normal((count, 3)) @ ROOT.T


def mixture(rng, count):
    """Draws, means and variances of a mixture whose components are half as wide as it is."""
    means, std = np.sqrt(0.75) * normals(rng, count), 0.5
    return means + std * normals(rng, count), means, np.full(means.shape, std**2)


def reference(rng, count=2500):
    draws, means, variances = (a[:, :, None] for a in mixture(rng, count))
    return Reference({TEST: draws}, {TEST: (means, variances)}, None, "a mixture of normals")


def candidate(values, **named):
    chains = values if values.ndim == 3 else values[None]
    return Candidate({TEST: chains[..., None]}, "values", **named)


def p_values(given, held, seed=0):
    both = compared(given, held)
    rng = np.random.default_rng(seed)
    return {check.name: check for check in checks.all_of(both, both.pit(), 0.01, rng)}


def autoregressive(rng, shape, tau):
    """Chains [chain, draw, 3] whose law is `normals`, of autocorrelation time τ."""
    rho = (tau - 1) / (tau + 1)
    noise = rng.standard_normal((*shape, 3)) @ ROOT.T
    chains = np.empty_like(noise)
    chains[:, 0] = noise[:, 0]
    for t in range(1, shape[1]):
        chains[:, t] = rho * chains[:, t - 1] + np.sqrt(1 - rho**2) * noise[:, t]
    return chains


def two_clusters(z):
    """The same mean, variance and correlations, another law."""
    rng = np.random.default_rng(5)
    sides = rng.choice([-1.0, 1.0], len(z))
    return 0.8 * sides[:, None] * np.array([1.0, 1.0, 1.0]) + 0.6 * z


DEVIATIONS = {
    "location": lambda z: z + np.array([0.3, 0, 0]),
    "means": lambda z: z + np.array([0, 0.3, 0]),
    "spread": lambda z: z * [1.0, 1.2, 1.0],
    "variances": lambda z: z * [1.0, 1.0, 0.8],
    "distribution": two_clusters,
    "PIT": two_clusters,
    "tails": lambda z: z[np.all(np.abs(z) < 2.2, axis=1)],
    "pairs": lambda z: z * [-1.0, 1.0, 1.0],
    "projections": lambda z: z @ np.linalg.inv(ROOT).T,
    "joint law": lambda z: z @ np.linalg.inv(ROOT).T,
}


@pytest.fixture(scope="module")
def held():
    return reference(np.random.default_rng(1))


@pytest.mark.parametrize("name", DEVIATIONS)
def test_a_deviation_is_found_by_the_check_that_is_for_it(name, held):
    wrong = DEVIATIONS[name](normals(np.random.default_rng(12), 1000))
    assert p_values(candidate(wrong, independent=True), held)[name].adjusted <= 0.01


def test_no_check_finds_anything_in_right_draws(held):
    right = normals(np.random.default_rng(12), 1000)
    found = p_values(candidate(right, independent=True), held)
    assert min(check.adjusted for check in found.values()) > 0.01


def test_each_part_of_the_level_is_spent_once():
    assert sum(checks._SHARES.values()) == pytest.approx(1)


@pytest.mark.slow
def test_permutations_reject_as_often_as_they_say(monkeypatch):
    # 200 pairs of sets from one law: failures at 0.1 are binomial, and 6 to 36 of them but for
    # one seed in 1,000; with a reference that is shifted by half a std nearly all fail.
    monkeypatch.setattr(permutation, "_MOST", 199)
    rng, failed, caught = np.random.default_rng(2), 0, 0
    for _ in range(200):
        z = normals(rng, 150)
        tests = permutation.all_tests(z[:50], z[50:], COLUMNS, 0.1, rng)
        failed += min(test.corrected for test in tests) <= 0.1
    for _ in range(20):
        z = normals(rng, 150)
        tests = permutation.all_tests(z[:50] + 0.8, z[50:], COLUMNS, 0.1, rng)
        caught += min(test.corrected for test in tests) <= 0.1
    assert 6 <= failed <= 36
    assert caught >= 18


def test_the_observed_partition_counts_among_the_permutations(monkeypatch):
    monkeypatch.setattr(permutation, "_MOST", 99)
    rng = np.random.default_rng(3)
    z = normals(rng, 200)
    tests = permutation.all_tests(z[:100] + 5, z[100:], COLUMNS, 0.05, rng)
    assert {test.family.name: test.p_value for test in tests}["location"] == pytest.approx(1 / 100)


@pytest.mark.parametrize("tau", [1, 3, 20])
def test_autocorrelation_times(tau):
    rng = np.random.default_rng(4)
    chains = autoregressive(rng, (4, 10_000), tau)
    times = autocorrelation_times(chains)
    # At 40,000/τ effective draws an estimate is good to some per cent.
    np.testing.assert_allclose(times, tau, rtol=0.15)
    kept = thinned_chains(chains, times.max())
    assert np.abs(np.corrcoef(kept[:-1, 0], kept[1:, 0])[0, 1]) < 4 / np.sqrt(len(kept))


def test_a_chain_is_not_taken_for_independent_draws():
    rng = np.random.default_rng(16)
    held, chains = reference(rng), autoregressive(rng, (4, 5000), 20)
    right = p_values(candidate(chains), held)
    assert min(check.adjusted for check in right.values()) > 0.01
    assert right["location"].effective[0] < 900
    # The first of these, said to be independent: their errors are thought √20 times too small.
    wrong = p_values(candidate(chains[:, :500], independent=True), held)
    assert min(check.adjusted for check in wrong.values()) <= 0.01


def test_chains_that_disagree_are_found():
    rng = np.random.default_rng(7)
    held, chains = reference(rng), autoregressive(rng, (4, 5000), 3)
    shift = np.array([0.3, 0.3, -0.3, -0.3])[:, None, None]
    found = p_values(candidate(chains + shift), held)
    assert found["chains agree"].adjusted <= 0.01
    assert p_values(candidate(chains), held)["chains agree"].adjusted > 0.01


@pytest.mark.slow
def test_the_log_evidence_is_compared_where_both_have_one():
    rng = np.random.default_rng(8)
    given = candidate(normals(rng, 500), independent=True, log_evidence=-3.0, log_evidence_se=0.01)
    held = reference(rng)
    assert "log evidence" not in p_values(given, held)
    for value, is_found in ((-3.01, False), (-3.1, True)):
        with_evidence = Reference(
            held.values, held.components, None, "", log_evidence=value, log_evidence_se=0.01
        )
        assert (p_values(given, with_evidence)["log evidence"].adjusted <= 0.01) == is_found


def test_distribution_functions():
    rng = np.random.default_rng(9)
    draws, means, variances = mixture(rng, 6000)
    known = pit.mixture_law(means[:, 0], variances[:, 0])
    from scipy.special import ndtr

    at = np.linspace(-3, 3, 25)
    direct = ndtr((at[:, None] - means[:, 0]) / np.sqrt(variances[:, 0])).mean(axis=1)
    np.testing.assert_allclose(known.at(at), direct, atol=2e-5)
    np.testing.assert_allclose(
        pit.empirical_law(draws[:, 0]).at(at), ndtr(at), atol=5 / np.sqrt(6000)
    )
    # The variance of the function over references of 200 draws, in the middle.
    many = [pit.mixture_law(*(a[:, 0] for a in mixture(rng, 200)[1:])) for _ in range(300)]
    variance = np.var([d.at(np.zeros(1))[0] for d in many]) * 200 / 0.25
    assert variance == pytest.approx(known.error, rel=0.3)
    assert known.error < 0.9


def test_kolmogorov_agrees_with_scipy():
    from scipy.stats import kstest

    u = np.random.default_rng(10).random(400)
    distance, p_value = pit.kolmogorov(u, 400)
    exact = kstest(u, "uniform")
    assert distance == pytest.approx(exact.statistic)
    assert p_value == pytest.approx(exact.pvalue, rel=0.02)


@pytest.mark.slow
def test_what_could_have_been_found_is_found_nine_times_in_ten(monkeypatch):
    # A shift of the size that "means" names, of 1,000 draws: 60 repetitions find it 47 to 60
    # times but for one seed in 400.
    rng = np.random.default_rng(11)
    held = reference(rng)
    named = p_values(candidate(normals(rng, 1000), independent=True), held)["means"].smallest
    size = float(named.split("shift of ")[1].split()[0])
    # Most of the time is the reference's own laws, the same each time.
    laws = compared(candidate(normals(rng, 1000), independent=True), held).laws
    monkeypatch.setattr(scores, "distributions", lambda *values: laws)
    both = [
        compared(candidate(normals(rng, 1000) + np.array([size, 0, 0]), independent=True), held)
        for _ in range(60)
    ]
    shares = {name: share / 0.9 for name, share in checks._SHARES.items()}
    found = [
        next(c for c in checks._of_moments(b, 0.01, shares, rng) if c.name == "means").adjusted
        for b in both
    ]
    assert sum(p <= 0.01 for p in found) >= 47
