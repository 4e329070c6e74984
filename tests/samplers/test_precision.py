"""Precision: of features as asked, of matrix products the highest, whatever the x64 flag."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import bnnpost
from bnnpost.numerics.random import row_normals
from bnnpost.spaces import engine, steps
from bnnpost.spaces.completions import AS_FUNCTION, Completion
from bnnpost.spaces.making import make_space
from tests.samplers import cases
from tests.samplers.cases import Case

JOINTLY = Completion(False, np.uint64(5), np.arange(len(cases.X_TEST)))
DTYPES = {"single": "float32", "double": "float64"}


@pytest.mark.first
@pytest.mark.parametrize("precision", DTYPES)
@pytest.mark.parametrize("space", ["functions", "weights"])
def test_activations_are_computed_in_the_precision_asked_for(precision, space):
    seen = []

    def recording(z):
        seen.append(str(z.dtype))
        return jnp.tanh(z)

    network = bnnpost.mlp(width=5, depth=2, activation=recording)
    posterior = bnnpost.Posterior(
        network, bnnpost.likelihoods.Gaussian(noise_std=0.5), cases.X, cases.Y[:, 0]
    )
    chosen = make_space(posterior, space=space, precision=precision)
    seen.clear()
    with jax.enable_x64(True):
        weight = jax.eval_shape(chosen.log_weight, cases.key(0))
        outputs = jax.eval_shape(
            lambda key: chosen.outputs(key, cases.X_TEST, AS_FUNCTION), cases.key(0)
        )
    assert set(seen) == {DTYPES[precision]}
    assert (str(weight.dtype), str(outputs.dtype)) == ("float64", "float64")


def products(jaxpr):
    """Every matrix product in a jaxpr and what it calls: precision and type of its result."""
    for equation in jaxpr.eqns:
        if equation.primitive.name == "dot_general":
            yield equation.params["precision"], str(equation.outvars[0].aval.dtype)
        for value in jax.tree.leaves(
            list(equation.params.values()), is_leaf=lambda node: hasattr(node, "eqns")
        ):
            inner = getattr(value, "jaxpr", value)
            if hasattr(inner, "eqns"):
                yield from products(inner)


@pytest.mark.first
@pytest.mark.parametrize("completion", [AS_FUNCTION, JOINTLY])
@pytest.mark.parametrize("num_rows", [3, 8])
@pytest.mark.parametrize(("space", "width"), [("functions", 16), ("functions", 2), ("weights", 8)])
def test_every_single_precision_product_asks_for_the_highest(space, width, num_rows, completion):
    # Else an accelerator would use TF32, with eleven bits. Few rows are multiplied without one.
    x = np.random.default_rng(0).standard_normal((num_rows, 4))
    case = Case(width, 2).posterior()
    posterior = bnnpost.Posterior(case.network, case.likelihood, x, x[:, 0])
    chosen = make_space(posterior, space=space)
    with jax.enable_x64(True):
        jaxpr = jax.make_jaxpr(
            lambda key: (chosen.log_weight(key), chosen.outputs(key, cases.X_TEST, completion))
        )(cases.key(0))
    found = list(products(jaxpr.jaxpr))
    single = [precision for precision, dtype in found if dtype == "float32"]
    assert set(single) == {(jax.lax.Precision.HIGHEST, jax.lax.Precision.HIGHEST)}
    # Gram matrices and the algebra on them are in double.
    assert any(dtype == "float64" for _, dtype in found)


def results(posterior):
    """Numbers from every part that a caller's x64 flag might reach."""
    key, other = jax.random.key(7), jax.random.key(8)
    draws = bnnpost.rejection.sample(key, posterior, num_samples=100)
    prior = bnnpost.prior.sample(key, posterior, num_samples=100)
    limit = bnnpost.limit(posterior)
    return {
        "proposals": draws.proposal_numbers,
        "record": np.array([draws.info.log_evidence, draws.info.log_evidence_se]),
        "predict": draws.predict(cases.X_TEST),
        "function": draws.predict(cases.X_TEST, completion="function"),
        "mixture": np.stack([draws.mixture(cases.X_TEST).means[:, :, 0]]),
        "variances": draws.mixture(cases.X_TEST).variances,
        "parameters": np.concatenate([np.ravel(a) for a in jax.tree.leaves(draws.parameters(3))]),
        "predictive": draws.predictive(other, cases.X_TEST),
        "prior": prior.predict(cases.X_TEST),
        "limit mean": limit.mean(cases.X_TEST),
        "limit covariance": limit.covariance(cases.X_TEST),
        "limit evidence": np.array(limit.log_evidence),
        "limit draws": limit.sample(other, cases.X_TEST, num_samples=20),
    }


@pytest.mark.slow
def test_results_are_the_same_with_the_x64_flag_on_and_off():
    assert not jax.config.jax_enable_x64
    off = results(Case().posterior())
    assert not jax.config.jax_enable_x64
    assert jnp.zeros(1).dtype == jnp.float32
    with jax.enable_x64(True):
        on = results(Case().posterior())
        assert jax.config.jax_enable_x64
    for name, value in off.items():
        assert value.dtype == (np.uint64 if name == "proposals" else np.float64)
        np.testing.assert_array_equal(on[name], value, err_msg=name)


@pytest.mark.slow
def test_double_precision_features_differ_from_single_ones_in_law_by_nothing_else():
    posterior = Case().posterior()
    single, double = (cases.run(posterior, precision=name).info for name in DTYPES)
    assert (single.precision, double.precision) == ("single", "double")
    spread = np.hypot(single.log_evidence_se, double.log_evidence_se)
    assert 0 < abs(single.log_evidence - double.log_evidence) < 6 * spread


def shipped(name):
    """The standard problem of a shipped data set, at width 256."""
    if name == "digits":
        x, y, _, _ = bnnpost.datasets.digits_problem(5)
        options = {"activation": "relu", "w_std": 2**0.5, "num_outputs": 10, "readout_w_std": 0.3}
    else:
        x, y, _, _ = bnnpost.datasets.diabetes_problem(20, 5)
        options = {}
    network = bnnpost.mlp(width=256, **options)
    return bnnpost.Posterior(network, bnnpost.likelihoods.Gaussian(noise_std=0.1**0.5), x, y)


def log_weights(posterior, precision, monkeypatch):
    """Of 1,024 proposals, whose normals are single-precision numbers in both precisions."""

    def same_normals(key, num_rows, width, dtype):
        return row_normals(key, num_rows, width, jnp.float32).astype(dtype)

    monkeypatch.setattr(steps, "row_normals", same_normals)
    space = make_space(posterior, precision=precision)
    # A task of its own, so that nothing compiled with these normals is met again.
    blocks = engine.evaluate(
        lambda space, key: space.log_weight(key), space, cases.key(0), np.arange(1024)
    )
    return np.concatenate(list(blocks))


@pytest.mark.parametrize(
    ("name", "most"),
    [("diabetes", 1e-5), pytest.param("digits", 2e-6, marks=pytest.mark.slow)],
)
@pytest.mark.slow
def test_what_single_precision_costs(name, most, monkeypatch):
    """Log weights differ by far less than they vary: measured 2e-6 of 1, and 3e-7 of 0.4."""
    single, double = (
        log_weights(shipped(name), precision, monkeypatch) for precision in ("single", "double")
    )
    error = np.abs(single - double)
    assert 0 < error.max() < most
    assert error.max() < 1e-3 * double.std()
