"""Posteriors as test inputs move: against plain numpy, rejection draws, and teachers.

Statistical tests use fixed seeds; each allows 4.5 standard errors, a false alarm of 7e-6.
"""

import jax
import numpy as np
import pytest
import scipy.special
from scipy import stats

import bnnpost
from bnnpost.studies import Rescale, Rotate, Translate
from bnnpost.studies.losses import limit_predictive
from bnnpost.studies.shift_lines import Scaled, line_through
from bnnpost.studies.shift_losses import (
    LEVELS,
    are_classes,
    judged,
    margins,
    of_members,
    of_the_limit,
)
from bnnpost.studies.shifted_inputs import places

SIGMAS = 4.5
KEY = jax.random.key(0)
NOISE_STD, W_STD, WIDTH = 0.4, np.sqrt(2), 4
X, Y = np.array([[0.6, -1.0], [-0.3, 0.8], [1.0, 0.5]]), np.array([1.0, -1.0, 1.0])
ANGLES = np.linspace(0, 2 * np.pi, 6, endpoint=False)
X_TEST = 1.2 * np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1)
Y_TEST = np.where(X_TEST[:, 0] > 0.1, 1.0, -1.0)
ORIGIN = np.zeros(2)
# Those that move nothing come first of each family.
SHIFTS = [Translate(0, [0, 1.5]), Rescale([1, 3], ORIGIN), Rotate((0, 1), [0, 0.7])]
MEASURES = ("nll", "squared_error", "epistemic_var")


def posterior(noise_std=NOISE_STD, y=Y, activation="relu", **network):
    network = {"width": WIDTH, "depth": 1, "w_std": W_STD, "b_std": 0.0} | network
    likelihood = bnnpost.likelihoods.Gaussian(noise_std)
    return bnnpost.Posterior(bnnpost.mlp(activation=activation, **network), likelihood, X, y)


@pytest.fixture(scope="module")
def found():
    return bnnpost.shift(
        jax.random.key(3),
        posterior(),
        X_TEST,
        Y_TEST,
        shifts=SHIFTS,
        widths=[WIDTH],
        num_proposals=6000,
        num_draws=400,
    )


@pytest.fixture(scope="module")
def moved():
    """Test inputs at every place along shift."""
    return [place.points for place in places(posterior(), X_TEST, Y_TEST, SHIFTS)]


def test_inputs_are_where_they_are_said_to_be(moved):
    centre = X.mean(axis=0)
    turn = np.array([[np.cos(0.7), -np.sin(0.7)], [np.sin(0.7), np.cos(0.7)]])
    expected = [X_TEST + np.array([1.5, 0]), 3 * X_TEST, (X_TEST - centre) @ turn.T + centre]
    for one, at in zip(expected, moved[2::2], strict=True):
        np.testing.assert_allclose(at, one, rtol=1e-12, atol=1e-12)
    for at in moved[1::2]:
        np.testing.assert_array_equal(at, X_TEST)


@pytest.mark.slow
def test_no_shift_changes_nothing(found):
    for name, values in {**found.losses.data_vars, **found.models.data_vars}.items():
        for unmoved in (1, 3, 5):
            same = values.isel(shift=unmoved).values
            np.testing.assert_array_equal(values.isel(shift=0).values, same, err_msg=name)
    lines = found.lines["squared_error"].isel(shift=[0, 2, 4])
    np.testing.assert_allclose(lines["slope"], 1)
    np.testing.assert_allclose(lines["residual"], 0, atol=1e-12)


@pytest.mark.slow
def test_unmoved_losses_are_those_of_scaling(found):
    own = bnnpost.studies.losses.measured_losses(
        jax.random.split(jax.random.fold_in(jax.random.key(3), WIDTH), 3)[0],
        posterior(),
        X_TEST,
        *limit_predictive(posterior(), X_TEST, Y_TEST[:, None], KEY),
        6000,
    )[0]
    at = found.losses.isel(shift=0, width=0)
    for name in ("nll", "squared_error"):
        value, error = own[f"{name}_difference"]
        assert float(at[f"{name}_difference"]) == pytest.approx(value, rel=1e-9)
        assert float(at[f"{name}_difference_se"]) == pytest.approx(error, rel=1e-9)


def numpy_kernel(x, activation):
    """Arc-cosine (Cho and Saul 2009) or arcsine (Williams 1997) of one hidden layer, W_STD."""
    inner = W_STD**2 * x @ x.T / 2
    size = np.diagonal(inner)
    if activation == "erf":
        scale = np.sqrt(np.outer(1 + 2 * size, 1 + 2 * size))
        return W_STD**2 * 2 / np.pi * np.arcsin(2 * inner / scale)
    norm = np.sqrt(np.outer(size, size))
    angle = np.arccos(np.clip(inner / norm, -1, 1))
    return W_STD**2 * norm / (2 * np.pi) * (np.sin(angle) + (np.pi - angle) * np.cos(angle))


def numpy_limit(points, activation):
    """Mean and variance of f of Gaussian process regression."""
    kernel, n = numpy_kernel(np.concatenate([X, points]), activation), len(X)
    gain = kernel[n:, :n] @ np.linalg.inv(kernel[:n, :n] + NOISE_STD**2 * np.eye(n))
    return gain @ Y, np.diagonal(kernel[n:, n:] - gain @ kernel[:n, n:])


def check_limit(losses, points, activation):
    mean, variance = numpy_limit(points, activation)
    std = np.sqrt(variance + NOISE_STD**2)
    inside = [np.abs(Y_TEST - mean) < stats.norm.ppf(0.5 + p / 2) * std for p in LEVELS]
    expected = {
        "nll": -stats.norm.logpdf(Y_TEST, mean, std).mean(),
        "squared_error": np.mean((Y_TEST - mean) ** 2),
        "epistemic_var": variance.mean(),
        "coverage": np.mean(inside, axis=1),
        "accuracy": np.mean(np.sign(mean) == Y_TEST),
    }
    for name, value in expected.items():
        np.testing.assert_allclose(losses[f"{name}_limit"], value, rtol=1e-8, err_msg=name)


def test_the_limit_is_gaussian_process_regression(found, moved):
    for i, points in enumerate(moved):
        check_limit(found.losses.isel(shift=i), points, "relu")


@pytest.mark.slow
def test_far_from_the_data_a_bounded_activation_saturates():
    asked = [Rescale([1e4], ORIGIN)]
    far = bnnpost.shift(
        KEY,
        posterior(activation="erf"),
        X_TEST,
        Y_TEST,
        shifts=asked,
        widths=[WIDTH],
        num_proposals=200,
    )
    check_limit(far.losses.isel(shift=1), 1e4 * X_TEST, "erf")
    # No more than the prior's w_std² as erf² tends to 1.
    assert float(far.losses["epistemic_var_limit"][1]) < W_STD**2


def test_relu_networks_are_as_unsure_as_they_are_far(found):
    # f(sx) = s f(x) of every network without biases, so of its posterior and of the limit.
    at, far = (found.losses.isel(shift=i) for i in (0, 4))
    for name in ("epistemic_var_limit", "epistemic_var", "epistemic_var_se"):
        np.testing.assert_allclose(far[name], 9 * at[name], rtol=1e-4, err_msg=name)


@pytest.fixture(scope="module")
def drawn(moved):
    draws = bnnpost.rejection.sample(jax.random.key(8), posterior(), num_samples=4000)
    f = draws.predict(np.concatenate(moved))[:, :, 0]
    return np.split(f, len(moved), axis=1)


def of_draws(f):
    """Each measure of independent draws f [draw, point], and its standard error by the delta rule.

    Of each measure the influence of a draw is averaged over points.
    """
    density, mean = stats.norm.pdf(Y_TEST, f, NOISE_STD), f.mean(axis=0)
    influences = {
        "nll": (-density / density.mean(axis=0)).mean(axis=1),
        "squared_error": (2 * (mean - Y_TEST) * (f - mean)).mean(axis=1),
        "epistemic_var": ((f - mean) ** 2).mean(axis=1),
    }
    values = {
        "nll": -np.log(density.mean(axis=0)).mean(),
        "squared_error": np.mean((Y_TEST - mean) ** 2),
        "epistemic_var": influences["epistemic_var"].mean(),
    }
    return {name: (values[name], one.std() / np.sqrt(len(f))) for name, one in influences.items()}


def scores(losses, expected):
    return {
        name: abs(float(losses[name]) - value) / np.hypot(float(losses[f"{name}_se"]), error)
        for name, (value, error) in expected.items()
    }


@pytest.mark.slow
@pytest.mark.parametrize("place", [0, 2, 4, 6])
def test_agrees_with_rejection_draws(found, drawn, place):
    at = found.losses.isel(shift=place, width=0)
    z = scores(at, of_draws(drawn[place]))
    assert max(z.values()) < SIGMAS, z


def test_draws_of_where_inputs_were_before_are_told_apart(found, drawn):
    z = scores(found.losses.isel(shift=4, width=0), of_draws(drawn[0]))
    assert z["epistemic_var"] > 2 * SIGMAS, z


def test_single_draws_lose_the_variance_besides(found):
    # E (f − y)² = (E f − y)² + Var f, at every place.
    draws = found.models["draw_squared_error"].isel(width=0)
    own = found.losses.isel(width=0)
    expected = own["squared_error"] + own["epistemic_var"]
    error = draws.std("draw") / np.sqrt(draws.sizes["draw"])
    z = (draws.mean("draw") - expected) / np.hypot(
        error, np.hypot(own["squared_error_se"], own["epistemic_var_se"])
    )
    assert np.max(np.abs(z.values)) < SIGMAS, z.values


def test_summary_is_a_row_for_each_predictor(found):
    text = found.summary()
    lines = text.splitlines()
    head = next(i for i, line in enumerate(lines) if line.startswith("shift"))
    assert len(lines) == head + 1 + 7 * 2 and max(map(len, lines)) <= 100
    assert lines[head + 3].split()[:3] == ["translation", "0", "width"]
    assert "off the line" in lines[head] and "single draws" in text
    records = found.describe().to_dict()["shifts"]
    assert [record["family"] for record in records[:3]] == ["none", "none", "translation"]
    assert records[0]["nll"] == float(found.losses["nll"][0, 0])
    own = records[2]
    assert own["residual_low"] < own["residual"] < own["residual_high"]


def teacher(rng):
    """A network drawn from the prior by plain numpy, as a function of inputs."""
    first, second = rng.normal(size=(2, WIDTH)), rng.normal(size=WIDTH)
    return lambda x: (
        np.maximum(x @ first * W_STD / np.sqrt(2), 0) @ second * (W_STD / np.sqrt(WIDTH))
    )


def coverages(noise_std, num_teachers):
    """Of the posterior with this noise at each level and teacher, after a shift."""
    kept = []
    for i in range(num_teachers):
        rng = np.random.default_rng(i)
        f, own = teacher(rng), NOISE_STD * rng.normal(size=len(X_TEST))
        made = posterior(noise_std, f(X) + NOISE_STD * rng.normal(size=len(X)))
        found = bnnpost.shift(
            jax.random.key(i),
            made,
            X_TEST,
            lambda x, f=f, own=own: f(x) + own,
            shifts=[Rescale([3])],
            widths=[WIDTH],
            num_proposals=1000,
        )
        kept.append(found.losses["coverage"].isel(width=0, shift=1).values)
    return np.array(kept)


@pytest.mark.slow
@pytest.mark.parametrize(("noise_std", "right"), [(NOISE_STD, True), (NOISE_STD / 4, False)])
def test_given_a_teacher_of_the_prior_the_posterior_is_calibrated_after_any_shift(noise_std, right):
    # Points of one teacher are dependent, teachers are not.
    shares = coverages(noise_std, 80)
    z = (shares.mean(axis=0) - LEVELS) / (shares.std(axis=0) / np.sqrt(len(shares)))
    assert (np.max(np.abs(z)) < SIGMAS) == right, z


@pytest.mark.parametrize(
    ("noise_std", "w_std", "right"),
    [(NOISE_STD, W_STD, True), (NOISE_STD / np.sqrt(2), W_STD, False), (NOISE_STD, 0.5, False)],
)
def test_the_limit_is_calibrated_given_teachers_of_its_prior(noise_std, w_std, right):
    # Outputs of the limit are independent: each a teacher of its own, one test point of each.
    rng, num_teachers = np.random.default_rng(1), 3000
    points = 4 * X_TEST[:2] + 1
    kernel = numpy_kernel(np.concatenate([X, points]), "relu")
    f = np.linalg.cholesky(kernel + 1e-12 * np.eye(5)) @ rng.normal(size=(5, num_teachers))
    y = f + NOISE_STD * rng.normal(size=f.shape)
    made = posterior(noise_std, y[:3], w_std=w_std, num_outputs=num_teachers)
    law, _ = limit_predictive(made, points, y[3:], KEY)
    pit = of_the_limit(law, noise_std**2)["pit"][0]
    z = [
        (np.mean(np.abs(pit - 0.5) < p / 2) - p) / np.sqrt(p * (1 - p) / num_teachers)
        for p in LEVELS
    ]
    assert (np.max(np.abs(z)) < SIGMAS) == right, z


def test_targets_are_asked_for_where_the_inputs_are():
    other = (X_TEST[:2], Y_TEST[:2])
    asked = {"far": Translate([1.0, 1.0], [2]), "other": other}
    found = places(posterior(), X_TEST, lambda x: x[:, 0], asked)
    assert [place.family for place in found] == ["none", "far", "other"]
    np.testing.assert_array_equal(found[1].targets[:, 0], X_TEST[:, 0] + 2)
    np.testing.assert_array_equal(found[2].targets[:, 0], Y_TEST[:2])
    assert np.isnan(found[2].strength)


def test_an_ensemble_is_a_mixture_of_its_members():
    rng = np.random.default_rng(0)
    f, y = rng.normal(size=(7, 3, 2)), rng.normal(size=(3, 2))

    def direct(f):
        density = np.prod(stats.norm.pdf(y, f, 0.3), axis=2).mean(axis=0)
        return -np.log(density).mean(), stats.norm.cdf(y, f, 0.3).mean(axis=0)

    found = of_members(f, y, 0.09)
    nll, pit = direct(f)
    without = [direct(np.delete(f, i, 0))[0] for i in range(7)]
    np.testing.assert_allclose(found["nll"], (nll, np.sqrt(6 * np.var(without))))
    np.testing.assert_allclose(found["pit"][0], pit)
    np.testing.assert_allclose(found["epistemic_var"][0], f.var(axis=0).mean())
    np.testing.assert_allclose(
        found["squared_error"][0], np.mean(np.sum((y - f.mean(axis=0)) ** 2, axis=1))
    )


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::bnnpost.samplers.ensemble.TrainingWarning")
def test_ensembles_and_models_are_those_of_each_width():
    made, numbers = posterior(), [3, WIDTH, 6]
    found = bnnpost.shift(
        KEY,
        made,
        X_TEST,
        Y_TEST,
        shifts={"far": Rescale([3], ORIGIN), "other": (X_TEST[:4], Y_TEST[:4])},
        widths=reversed(numbers),
        num_proposals=200,
        num_members=12,
        num_steps=100,
    )
    assert found.losses["width"].values.tolist() == numbers
    key = jax.random.split(jax.random.fold_in(KEY, WIDTH), 3)[2]
    members = bnnpost.ensemble.sample(key, made, num_members=12, num_steps=100)
    for i, points in enumerate((X_TEST, 3 * X_TEST, X_TEST[:4])):
        f, y = members.predict(points)[:, :, 0], Y_TEST[: len(points)]
        at = found.losses.sel(width=WIDTH).isel(shift=i)
        nll = -np.log(stats.norm.pdf(y, f, NOISE_STD).mean(axis=0)).mean()
        np.testing.assert_allclose(at["nll_ensemble"], nll, rtol=1e-5)
        np.testing.assert_allclose(at["epistemic_var_ensemble"], f.var(axis=0).mean(), rtol=1e-5)
        right = np.mean(np.sign(f) == y, axis=1)
        models = found.models.sel(width=WIDTH).isel(shift=i)
        np.testing.assert_allclose(models["member_accuracy"], right)
    lines = found.lines["squared_error"]
    assert lines["models"].values.tolist() == ["member"]
    assert lines["slope_over_widths"].shape == (2,)
    fit = stats.linregress(*np.log(found.losses["squared_error"].transpose("shift", ...)[:2]))
    assert float(lines["slope_over_widths"][0]) == pytest.approx(fit.slope)
    assert "ensemble" in found.summary()


def test_shares_and_their_errors():
    zero = (np.asarray(0.0), np.asarray(0.0))
    measures = dict.fromkeys(MEASURES, zero)
    pit = np.array([[0.5], [0.25], [0.96], [0.1]])
    error = np.array([[0.0], [0.1], [1e-9], [0.0]])
    mean = np.array([[0.2], [-0.1], [3.0], [1.0]])
    targets = np.array([[1.0], [1.0], [1.0], [-1.0]])
    given = measures | {"pit": (pit, error), "mean": (mean, np.full((4, 1), 0.1))}
    told = judged(given, targets, 0.0)
    value, own = told["coverage"]
    # At the edge of the 50 % interval a point is inside half of the time.
    np.testing.assert_allclose(value, [0.25, 0.75])
    assert own[0] == pytest.approx(0.5 / 4)
    p, q = scipy.special.ndtr([2.0, 1.0])
    accuracy, error = told["accuracy"]
    assert accuracy == pytest.approx(0.5)
    assert error == pytest.approx(np.sqrt(p * (1 - p) + q * (1 - q)) / 4)


def test_classes_are_told_from_numbers():
    one_hot = np.eye(3)[[0, 2, 1, 1]] - 0.1
    assert are_classes(one_hot)
    assert are_classes(Y[:, None])
    assert not are_classes(np.array([[0.1], [0.2], [0.3]]))
    assert not are_classes(np.array([[1.0, 1.0], [0.0, 1.0]]))
    outputs = np.array([[0.1, 0.5, 0.2]] * 4)
    np.testing.assert_allclose(margins(outputs, one_hot, 0.4), [-0.4, -0.3, 0.3, 0.3])


def test_who_is_off_the_line_and_how_surely():
    rng, none = np.random.default_rng(4), np.asarray(0.0)
    before = rng.normal(size=200)
    after = 0.7 * before + 0.2 + 0.3 * rng.normal(size=200)
    at = {"low": (Scaled(np.asarray(-2.0), none), Scaled(np.asarray(-1.7), np.asarray(0.4)))}
    found = line_through(before, after, at, rng)
    slope, intercept = np.polyfit(before, after, 1)
    assert float(found["slope"]) == pytest.approx(slope)
    residual = float(found["residual"][0])
    assert residual == pytest.approx(-1.7 - intercept + 2 * slope)
    scatter = np.std(after - slope * before - intercept, ddof=2)
    assert float(found["scatter"]) == pytest.approx(scatter)
    spread = np.sum((before - before.mean()) ** 2)
    own = scatter * np.sqrt(1 / 200 + (-2 - before.mean()) ** 2 / spread)
    # The bootstrap's error is known to a few per cent.
    assert float(found["residual_se"][0]) == pytest.approx(np.hypot(own, 0.4), rel=0.1)
    alike = line_through(np.ones(200), after, at, rng)
    assert np.isnan(alike["slope"]) and np.isnan(alike["residual"]).all()


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"shifts": []}, ValueError, "one shift or more"),
        ({"shifts": {}}, ValueError, "one shift or more"),
        ({"shifts": 3}, TypeError, "mapping or a sequence"),
        ({"shifts": [(X_TEST, Y_TEST)]}, TypeError, "needs a name"),
        ({"shifts": {"other": X_TEST}}, TypeError, "pair of inputs and targets"),
        ({"shifts": {"none": Rescale([2])}}, ValueError, "other than 'none'"),
        ({"shifts": [Rescale([2]), Rescale([3])]}, ValueError, "name of its own"),
        ({"shifts": [Rescale([])]}, ValueError, "one or more finite"),
        ({"shifts": [Rescale([np.nan])]}, ValueError, "one or more finite"),
        ({"shifts": [Rescale([2], [0.0])]}, ValueError, r"centre .* shape \[2\]"),
        ({"shifts": [Translate([1.0], [2])]}, ValueError, r"direction .* shape \[2\]"),
        ({"shifts": [Translate(2, [2])]}, ValueError, "direction to be from 0 to 1"),
        ({"shifts": [Rotate((1, 1), [2])]}, ValueError, "different"),
        ({"shifts": {"other": (X_TEST, Y_TEST[:2])}}, ValueError, r"shift 'other'.*\[6, 1\]"),
        ({"shifts": {"other": (X_TEST[:, :1], Y_TEST)}}, ValueError, "shift 'other'"),
        ({"y_test": np.full(6, np.nan)}, ValueError, "y_test holds 6 value"),
        ({"y_test": lambda x: x}, ValueError, r"shift 'none'.*\[6, 1\]"),
        ({"y_test": Y_TEST[:2]}, ValueError, r"y_test of shape \[6, 1\]"),
        ({"widths": []}, ValueError, "widths to be different"),
        ({"widths": [4, 4]}, ValueError, "widths to be different"),
        ({"num_proposals": 100}, ValueError, "at least 200"),
        ({"num_draws": 3}, ValueError, "num_draws to be 0"),
        ({"num_members": -1}, ValueError, "num_members to be 0"),
        ({"key": np.zeros(2, np.uint32)}, TypeError, "typed key"),
        ({"posterior": 3}, TypeError, "Posterior"),
    ],
)
def test_bad_arguments(changed, error, message):
    given = {"key": KEY, "posterior": posterior(), "x_test": X_TEST, "y_test": Y_TEST}
    given |= {"shifts": SHIFTS, "widths": [WIDTH], "num_proposals": 200} | changed
    first = [given.pop(name) for name in ("key", "posterior", "x_test", "y_test")]
    with pytest.raises(error, match=message):
        bnnpost.shift(*first, **given)


def test_another_likelihood_is_refused():
    likelihood = bnnpost.likelihoods.StudentT(df=4, noise_std=1.0)
    other = bnnpost.Posterior(bnnpost.mlp(width=4), likelihood, X, Y)
    with pytest.raises(NotImplementedError, match="StudentT"):
        bnnpost.shift(KEY, other, X_TEST, Y_TEST, shifts=SHIFTS, widths=[4])
