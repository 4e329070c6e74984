"""Loss against the number of points: plain numpy regression, known exponents, a head for a tail.

A network of one linear layer of "hidden" units on normal inputs of variances λ_i is a Gaussian
process on independent features of eigenvalues λ_i: everything about it is known. Fixed seeds;
intervals are of 95 %, widened to 99.99 % here (a factor of 2).
"""

import jax
import numpy as np
import pytest
import scipy.stats

import bnnpost
from bnnpost import plots
from bnnpost.studies.data_scaling import _kernel
from bnnpost.studies.power_laws import fitted_law
from bnnpost.studies.subset_losses import Pool
from tests.theories.known_curves import known_curve

KEY = jax.random.key(5)
ALPHA, SIZES = 0.8, (16, 32, 64, 128, 256)


def power_law(seed, num_points, exponents, num_outputs=4):
    """Inputs with these variances, and targets drawn from the prior of a linear network."""
    rng = np.random.default_rng(seed)
    d = len(exponents)
    features = rng.standard_normal((num_points, d)) * np.sqrt(exponents)
    return np.sqrt(d) * features, features @ rng.standard_normal((d, num_outputs))


def posterior(x, y, noise_std=1e-3, **network):
    arguments = {"activation": "identity", "w_std": 1.0, "b_std": 0.0, **network}
    made = bnnpost.mlp(width=4, depth=1, num_outputs=np.ndim(y) and y.shape[1], **arguments)
    return bnnpost.Posterior(made, bnnpost.likelihoods.Gaussian(noise_std), x, y)


def split(x, y, count):
    return x[:count], y[:count], x[count:], y[count:]


SPECTRUM = np.arange(1.0, 4001) ** -(1 + ALPHA)


@pytest.fixture(scope="module")
def known():
    x, y, x_test, y_test = split(*power_law(0, 950, SPECTRUM), 700)
    return bnnpost.scaling_over_data(KEY, posterior(x, y), x_test, y_test, sizes=SIZES)


def within(interval, value, factor=2.0):
    low, high = interval
    return abs(value - (low + high) / 2) < factor * (high - low) / 2


def test_the_known_exponent_is_measured_predicted_and_in_the_spectrum(known):
    # Finite sizes, and that features end, bend the law a little.
    curve = [known_curve(SPECTRUM, size, SPECTRUM, 1e-6) for size in SIZES]
    slope = -np.polyfit(np.log(SIZES), np.log(curve), 1)[0]
    assert slope == pytest.approx(ALPHA, abs=0.05)
    assert within(known.tail.exponent_interval, ALPHA)
    assert within(known.measured.exponent_interval, slope)
    assert within(known.predicted.exponent_interval, slope)
    assert within(known.measured.exponent_interval, known.predicted.exponent)
    ratio = known.losses.squared_error_predicted / known.losses.squared_error
    assert np.all(np.abs(ratio - 1) < 0.15)


@pytest.mark.slow
def test_the_head_of_a_spectrum_is_not_its_tail():
    # Flat for thirty eigenvalues, then the power law from its own first.
    bent = np.concatenate(
        [np.full(30, 31.0 ** -(1 + ALPHA)), np.arange(31.0, 1501) ** -(1 + ALPHA)]
    )
    x, y, x_test, y_test = split(*power_law(1, 900, 30 * bent), 600)
    of, sizes = posterior(x, y), (64, 128, 200, 300)
    tail, head = (
        bnnpost.scaling_over_data(KEY, of, x_test, y_test, sizes=sizes, tail=window)
        for window in ((30, 300), (1, 20))
    )
    assert within(tail.tail.exponent_interval, tail.measured.exponent)
    assert not within(head.tail.exponent_interval, head.measured.exponent)
    assert head.measured == tail.measured


def test_losses_of_a_subset_are_those_of_plain_numpy_and_of_the_limit():
    rng = np.random.default_rng(3)
    x, y, x_test = (
        rng.standard_normal((30, 3)),
        rng.standard_normal((30, 2)),
        rng.normal(size=(5, 3)),
    )
    y_test, rows, noise_std = rng.standard_normal((5, 2)), np.array([4, 20, 7, 11]), 0.4
    of = posterior(x, y, noise_std, activation="relu", w_std=1.5, b_std=0.2)
    with jax.enable_x64(True):
        gram = np.asarray(bnnpost.nngp(of.network, np.concatenate([x, x_test])))
    pool = Pool(gram[:30, :30], gram[:30, 30:], np.diagonal(gram)[30:], y, y_test, noise_std**2)
    found = pool.losses(rows)
    noisy = gram[np.ix_(rows, rows)] + noise_std**2 * np.eye(4)
    mean = gram[30:][:, rows] @ np.linalg.inv(noisy) @ y[rows]
    np.testing.assert_allclose(found.squared_error, np.sum((mean - y_test) ** 2, axis=1))
    limit = bnnpost.limit(
        posterior(x[rows], y[rows], noise_std, activation="relu", w_std=1.5, b_std=0.2)
    )
    mean, covariance = limit.conditional(x_test)
    std = np.sqrt(np.diagonal(covariance) + noise_std**2)[:, None]
    expected = -scipy.stats.norm.logpdf(y_test, mean, std).sum(axis=1)
    np.testing.assert_allclose(found.nll, expected, rtol=1e-9)


def test_means_over_subsets_are_those_of_independent_subsets(known):
    x, y, x_test, y_test = split(*power_law(0, 950, SPECTRUM), 700)
    rng, own = np.random.default_rng(9), []
    kernel = x @ x.T / x.shape[1]
    across = x_test @ x.T / x.shape[1]
    for _ in range(40):
        rows = rng.permutation(700)[:64]
        solved = np.linalg.solve(kernel[np.ix_(rows, rows)] + 1e-6 * np.eye(64), y[rows])
        own.append(np.mean(np.sum((across[:, rows] @ solved - y_test) ** 2, axis=1)))
    at = known.losses.sel(size=64)
    error = np.hypot(np.std(own) / np.sqrt(40), at.squared_error_se)
    assert abs(at.squared_error - np.mean(own)) < 4.5 * error
    np.testing.assert_allclose(at.squared_error_by_subset.mean(), at.squared_error)
    np.testing.assert_allclose(at.nll_by_point.mean("point"), at.nll)


@pytest.mark.slow
def test_a_fixed_number_of_features_is_limited_by_variance():
    # Noise σ² and P normal features: σ² (1 + P/(D − P − 1)) once the prior is forgotten.
    noise_std = 0.5
    rng = np.random.default_rng(4)
    x = rng.standard_normal((1500, 4)) * 2
    y = x @ rng.standard_normal((4, 8)) + noise_std * rng.standard_normal((1500, 8))
    x, y, x_test, y_test = split(x, y, 900)
    of, sizes = posterior(x, y, noise_std, w_std=3.0), (24, 48, 96, 192, 400)
    found = bnnpost.scaling_over_data(
        KEY, of, x_test, y_test, sizes=sizes, features=12, floor=None, num_subsets=12
    )
    assert found.tail is None
    # Linear units of four inputs: of rank four whatever their number.
    expected = 8 * noise_std**2 * (1 + 4 / (np.array(sizes) - 5))
    noise = found.losses.squared_error[-1] / expected[-1]  # of these test points
    error = 4.5 * found.losses.squared_error_se
    assert np.all(np.abs(found.losses.squared_error / noise - expected) < error + 1e-3)
    assert np.all(expected[:3] - 8 * noise_std**2 > error[:3])
    np.testing.assert_allclose(found.losses.squared_error_predicted, expected, rtol=0.04)
    assert within(found.measured.exponent_interval, 1.0)
    # Four features are not nothing beside the smallest size: the law itself is steeper than 1.
    slope, _, floor = fitted_law(np.array(sizes, float), expected, None)
    assert 1.0 < slope < 1.2
    assert floor == pytest.approx(8 * noise_std**2, rel=0.01)
    assert found.predicted.exponent == pytest.approx(slope, abs=0.05)


@pytest.mark.slow
def test_features_are_those_of_one_draw_of_the_hidden_layers():
    network = bnnpost.mlp(width=3, depth=1, activation="erf", w_std=1.5, b_std=0.3)
    x = np.random.default_rng(6).standard_normal((10, 2))
    gram = np.asarray(_kernel(bnnpost.nngp, 5)(network, x, key=KEY))
    assert np.linalg.matrix_rank(gram, tol=1e-5) == 6
    wide = np.asarray(_kernel(bnnpost.nngp, 10_000)(network, x[:3], key=KEY))
    np.testing.assert_allclose(wide, bnnpost.nngp(network, x[:3]), atol=0.15)


def test_the_same_key_gives_the_same_and_the_tangent_kernel_another():
    data = bnnpost.datasets.sphere_teacher(260).split(200, 60)
    of = posterior(data[0], data[1][:, None], activation="relu", w_std=2**0.5, b_std=0.3)
    once, again, tangent = (
        bnnpost.scaling_over_data(
            KEY, of, data[2], data[3], sizes=(5, 20, 60), kernel=kernel, num_subsets=3
        )
        for kernel in (bnnpost.nngp, bnnpost.nngp, bnnpost.ntk)
    )
    assert once.losses.identical(again.losses)
    assert once.measured == again.measured
    assert tangent.tail.exponent < once.tail.exponent


def test_the_figure_shows_spectrum_and_losses(known):
    figure = plots.data_scaling(known)
    left, right = figure.axes
    points = left.lines[0].get_ydata()
    np.testing.assert_array_equal(points, known.spectrum.eigenvalues[: len(points)])
    assert f"{known.tail.exponent:.2f}" in left.texts[0].get_text()
    assert [text.get_text().split(":")[0] for text in right.texts] == ["measured", "predicted"]
    np.testing.assert_allclose(right.lines[-1].get_ydata(), known.losses.squared_error_predicted)


SMALL = split(*power_law(7, 80, SPECTRUM[:50], num_outputs=1), 60)


def small(**changes):
    given = {"sizes": (2, 10, 30), "num_subsets": 2, "tail": (1, 10), **changes}
    y_test = given.pop("y_test", SMALL[3])
    of = given.pop("posterior", posterior(*SMALL[:2]))
    return bnnpost.scaling_over_data(given.pop("key", KEY), of, SMALL[2], y_test, **given)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"sizes": (2, 10, 31)}, "at most 30, half of the 60 points"),
        ({"sizes": (2, 10, 100)}, "give smaller sizes, or a posterior of more points"),
        ({"sizes": (1, 10, 30)}, "from 2 on"),
        ({"sizes": (0, 10, 30)}, "size"),
        ({"sizes": (10, 30)}, "at least three"),
        ({"sizes": (10, 10, 30)}, "different"),
        ({"num_subsets": 1}, "at least 2"),
        ({"tail": (5, 20)}, "10 times its beginning"),
        ({"tail": (1, 40)}, "too short.*more points"),
        ({"tail": None}, "sizes further apart and more points"),
        ({"floor": 1e6}, "above the floor"),
        ({"features": 3, "kernel": bnnpost.ntk}, "got both"),
        ({"y_test": np.full((20, 1), np.nan)}, "NaN"),
        ({"y_test": np.zeros((19, 1))}, "y_test"),
    ],
)
def test_what_cannot_be_asked(changes, said):
    with pytest.raises(ValueError, match=said):
        small(**changes)


@pytest.mark.slow
def test_who_cannot_be_asked():
    classes = bnnpost.Posterior(
        bnnpost.mlp(width=4, num_outputs=1), bnnpost.likelihoods.Bernoulli(), SMALL[0], SMALL[1] > 0
    )
    with pytest.raises(ValueError, match="Gaussian noise of known size"):
        small(posterior=classes)
    with pytest.raises(TypeError, match="typed"):
        small(key=np.zeros(2, np.uint32))
    with pytest.raises(TypeError, match="Posterior"):
        small(posterior=3)
    with pytest.raises(FloatingPointError, match="lost in the rounding"):
        x = np.repeat(SMALL[0][:1], 60, axis=0)
        small(posterior=posterior(x, SMALL[1], 1e-12), tail=None, features=2)


@pytest.mark.slow
def test_a_spectrum_of_few_features_has_no_tail():
    x = SMALL[0][:, :3]
    of = posterior(x, SMALL[1], 0.1)
    with pytest.raises(ValueError, match="3 eigenvalues are more than rounding"):
        bnnpost.scaling_over_data(
            KEY, of, SMALL[2][:, :3], SMALL[3], sizes=(2, 10, 30), tail=(1, 10)
        )
