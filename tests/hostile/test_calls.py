"""Library calls with arguments that cannot be meant: each a ValueError or TypeError in one line."""

import pathlib
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import bnnpost
from bnnpost import likelihoods, storage
from bnnpost.networks import Activation, Conv, Dense, Fixed, SelfAttention, Serial
from tests.hostile.watch import check_clear, in_time

X, Y = np.array([[0.5, -1.0], [1.0, 0.2]]), np.array([0.4, -0.1])
KEY = jax.random.key(0)
HUGE = 10**400
MASKED = np.ma.masked_array(X, mask=[[True, False], [False, False]])
DATES = np.array([["2020-01-01", "2020-01-02"]], "datetime64[D]")
TEXT = np.array([["1", "2"], ["3", "4"]])


def network():
    return bnnpost.mlp(width=8, depth=1)


def posterior(x=X, y=Y, likelihood=None):
    return bnnpost.Posterior(network(), likelihood or likelihoods.Gaussian(0.5), x, y)


@pytest.fixture(scope="module")
def draws():
    return bnnpost.rejection.sample(KEY, posterior(), num_samples=20)


def nested(depth):
    layers = [{"type": "Dense"}]
    for _ in range(depth):
        layers = [{"type": "Residual", "branch": layers}]
    return layers


def sampled(**arguments):
    return bnnpost.rejection.sample(KEY, posterior(), **{"num_samples": 5, **arguments})


def moved(sampler, **arguments):
    return sampler.sample(KEY, posterior(), **{"num_samples": 5, **arguments})


NETWORKS = {
    "width of 400 digits": (lambda: bnnpost.mlp(width=HUGE), "width to be at most .* 401 digits"),
    "width 1e30": (lambda: Dense(10**30), "width to be at most"),
    "width of a convolution": (lambda: Conv(10**30, (3,)), "width to be at most"),
    "width a float": (lambda: bnnpost.mlp(width=8.0), "width to be a whole number, got 8.0"),
    "width a word": (lambda: bnnpost.mlp(width="8"), "width to be a whole number, got '8'"),
    "width an array": (lambda: bnnpost.mlp(width=np.array([8])), "whole number, got array"),
    "width None": (lambda: bnnpost.mlp(width=None), "whole number, got None"),
    "width negative": (lambda: bnnpost.mlp(width=-3), "width to be at least 1, got -3"),
    "at_width huge": (lambda: bnnpost.at_width(network(), HUGE), "width to be at most"),
    "num_outputs a list": (lambda: bnnpost.mlp(num_outputs=[1]), "num_outputs to be a whole"),
    "heads a float": (lambda: SelfAttention(4, heads=1.5), "heads to be a whole number"),
    "depth a million": (lambda: bnnpost.mlp(depth=10**6), "depth to be at most 250"),
    "5,000 layers": (
        lambda: Serial([Dense(2), Activation("erf")] * 2500),
        "at most 500 layers, .* got 5,000",
    ),
    "w_std of 400 digits": (lambda: bnnpost.mlp(w_std=HUGE), "w_std: expected a number, got a who"),
    "w_std a word": (lambda: bnnpost.mlp(w_std="1"), "w_std: expected a number, got '1'"),
    "w_std complex": (lambda: bnnpost.mlp(w_std=1j), "w_std: expected a number, got 1j"),
    "w_std 1e300": (lambda: bnnpost.mlp(w_std=1e300), "w_std to be from 1e-30 to"),
    "b_std NaN": (lambda: bnnpost.mlp(b_std=float("nan")), "b_std to be 0"),
    "b_std ragged": (lambda: bnnpost.mlp(b_std=[[1], [1, 2]]), "b_std: expected a number"),
    "w_var negative": (lambda: Dense(3, w_var=-1.0), "w_var to be positive"),
    "fixed a word": (lambda: Fixed("a"), "values to be a number"),
    "hyperparameter a word": (lambda: Activation("erf", a="x"), "a of erf to be a number"),
    "activation a number": (lambda: Activation(3), "activation name or a function, got 3"),
    "activation of all": (lambda: Activation(lambda u: u[:1]), "act on each number by itself"),
    "activation of text": (lambda: Activation(lambda u: "a"), "act on each number .* no array"),
    "activation of a number": (lambda: Activation(lambda u: 1.0), "act on each .* no array"),
    "degree 100,000": (lambda: Activation("monomial", degree=10**5), "degree of monomial .* most"),
    "degree of 400 digits": (lambda: Activation("monomial", degree=HUGE), "401 digits"),
    "spec nested": (lambda: bnnpost.from_spec(nested(300)), "at most 32 deep"),
    "spec width": (
        lambda: bnnpost.from_spec([{"type": "Dense", "width": HUGE}, {"type": "Dense"}]),
        r"layer 0 \(Dense\): expected width",
    ),
    "spec type a list": (lambda: bnnpost.from_spec([{"type": ["Dense"]}]), "type of a layer to be"),
    "spec None": (lambda: bnnpost.from_spec(None), "list of tables"),
    "inputs negative": (lambda: network().init(KEY, -1), "num_inputs to be at least 1"),
    "inputs a word": (lambda: network().init(KEY, "a"), "num_inputs to be a whole number"),
    "apply to text": (lambda: network().apply((), TEXT), "x to be an array of numbers"),
}
KERNELS = {
    "nngp of text": (lambda: bnnpost.nngp(network(), [["a", "b"]]), "x1 to be an array of numbers"),
    "nngp of digits": (lambda: bnnpost.nngp(network(), TEXT), "x1 to be an array of numbers"),
    "nngp masked": (lambda: bnnpost.nngp(network(), MASKED), "x1 .* got masked ones"),
    "ntk masked": (lambda: bnnpost.ntk(network(), X, MASKED), "x2 .* got masked ones"),
    "nngp ragged": (lambda: bnnpost.nngp(network(), [[1, 2], [3]]), "x1 to be an array of numbers"),
    "nngp None": (lambda: bnnpost.nngp(network(), None), "x1 .* got None"),
    "nngp of objects": (lambda: bnnpost.nngp(network(), [[object(), 1]]), "x1 to be an array"),
    "nngp complex": (lambda: bnnpost.nngp(network(), X + 1j), "x1 to be an array .* real"),
    "nngp complex, of JAX": (lambda: bnnpost.nngp(network(), jnp.array(X + 1j)), "x1 to be real"),
    "nngp of dates": (lambda: bnnpost.nngp(network(), DATES), "x1 to be an array of numbers"),
    "nngp of 400 digits": (lambda: bnnpost.nngp(network(), [[HUGE, 1]]), "x1 .* double precision"),
    "nngp with a seed": (lambda: bnnpost.nngp(network(), X, key=3), "typed key"),
}
POSTERIORS = {
    "noise 1e-300": (lambda: likelihoods.Gaussian(1e-300), "noise_std to be from 1e-30 .* 1e-300"),
    "noise 1e300": (lambda: likelihoods.Gaussian(1e300), "noise_std to be from 1e-30 to 1e"),
    "noise of 400 digits": (lambda: likelihoods.Gaussian(HUGE), "noise_std to be a number"),
    "noise a word": (lambda: likelihoods.Gaussian("a"), "noise_std to be a number"),
    "noise None": (lambda: likelihoods.Gaussian(None), "noise_std to be a number, got None"),
    "noise complex": (lambda: likelihoods.Gaussian(1j), "noise_std to be a number"),
    "noise two": (lambda: likelihoods.Gaussian([1.0, 2.0]), "one noise_std for all outputs"),
    "Laplace 1e-300": (lambda: likelihoods.Laplace(noise_std=1e-300), "noise_std to be from"),
    "Student 1e300": (lambda: likelihoods.StudentT(df=5, noise_std=1e300), "noise_std to be from"),
    "df a word": (lambda: likelihoods.StudentT(df="a", noise_std=1.0), "df to be a number"),
    "x masked": (lambda: posterior(x=MASKED), "x .* got masked ones"),
    "y masked": (lambda: posterior(y=np.ma.masked_array(Y, mask=[1, 0])), "y .* got masked ones"),
    "x complex": (lambda: posterior(x=X + 1j), "x to be an array of numbers, all real"),
    "x of dates": (lambda: posterior(x=DATES, y=[1.0]), "x to be an array of numbers"),
    "x of digits": (lambda: posterior(x=TEXT), "x to be an array of numbers"),
    "x enormous": (lambda: posterior(x=X * 1e200), "x to be at most 1e.30 in size"),
    "y enormous": (lambda: posterior(y=Y * 1e200), "y to be at most 1e.30 in size"),
    "y None": (lambda: posterior(y=None), "y .* got None"),
}
SAMPLERS = {
    "num_samples 1e30": (lambda: sampled(num_samples=10**30), "num_samples to be at most"),
    "num_samples a float": (lambda: sampled(num_samples=1e5), "num_samples to be a whole number"),
    "max_proposals negative": (lambda: sampled(max_proposals=-1), "max_proposals to be at least 1"),
    "cap a word": (lambda: sampled(bound="capped", cap="a"), "cap to be a number"),
    "cap of 400 digits": (lambda: sampled(bound="capped", cap=HUGE), "cap to be a number"),
    "bound a number": (lambda: sampled(bound=1), "bound to be one of strict, "),
    "precision a number": (lambda: sampled(precision=64), "precision to be"),
    "step_size of 400 digits": (lambda: moved(bnnpost.pcn, step_size=HUGE), "step_size to be"),
    "step_size a word": (lambda: moved(bnnpost.hmc, step_size="a"), "step_size to be above 0"),
    "target_accept 2": (lambda: moved(bnnpost.hmc, target_accept=2), "target_accept to be above 0"),
    "tree of 400": (lambda: moved(bnnpost.hmc, max_tree_depth=400), "max_tree_depth to be at most"),
    "chains none": (lambda: moved(bnnpost.hmc, num_chains=0), "num_chains to be at least 1"),
    "warmup negative": (lambda: moved(bnnpost.hmc, num_warmup=-1), "num_warmup to be at least"),
    "collapse a word": (lambda: sampled(collapse="no"), "collapse to be True or False, got 'no'"),
    "collapse of chains": (lambda: moved(bnnpost.pcn, collapse=0), "collapse to be True or False"),
    "forecast of nothing": (lambda: bnnpost.forecast(KEY, None), "bnnpost.Posterior, got None"),
    "rate masked": (
        lambda: bnnpost.fit_rate([64, 128], np.ma.masked_array([1, 2], mask=[0, 1]), [1, 1]),
        "values .* got masked ones",
    ),
    "pilot of none": (lambda: bnnpost.forecast(KEY, posterior(), num_pilot=0), "num_pilot to be"),
    "compare of nothing": (lambda: bnnpost.compare(KEY, None, X), "bnnpost.Posterior, got NoneT"),
    "proposals a word": (
        lambda: bnnpost.importance.estimate(KEY, posterior(), X, num_proposals="a"),
        "num_proposals to be a whole number",
    ),
    "compare a float": (
        lambda: bnnpost.compare(KEY, posterior(), X, num_proposals=1e6),
        "num_proposals to be a whole number",
    ),
    "data set a number": (lambda: bnnpost.datasets.read(3), "a path, as a text .* got 3"),
    "data set null": (lambda: bnnpost.datasets.read("a\0.csv"), "without a null character"),
    "load a number": (lambda: bnnpost.load(3), "a path, as a text .* got 3"),
    "load null": (lambda: bnnpost.load("a\0b"), "without a null character"),
}
OF_DRAWS = {
    "parameters of two": (lambda d: d.parameters([0, 1]), r"i to be a whole number, got \[0, 1\]"),
    "parameters of a slice": (lambda d: d.parameters(slice(0, 2)), "i to be a whole number"),
    "parameters out of range": (lambda d: d.parameters(20), "i to be from 0 to 19"),
    "parameters below range": (lambda d: d.parameters(-21), "i to be from 0 to 19"),
    "parameters far out": (lambda d: d.parameters(HUGE), "i to be from 0 to 19"),
    "parameters a truth": (lambda d: d.parameters(True), "i to be a whole number"),
    "function of a slice": (lambda d: d.function(slice(0, 2)), "i to be a whole number"),
    "function of two": (lambda d: d.function([0, 1]), "i to be a whole number"),
    "predict masked": (lambda d: d.predict(MASKED), "x_test .* got masked ones"),
    "predict complex": (lambda d: d.predict(X + 1j), "x_test to be an array of numbers"),
    "predict None": (lambda d: d.predict(None), "x_test .* got None"),
    "resample 1e30": (lambda d: d.resample(KEY, 10**30), "num_samples to be at most"),
    "save to a number": (lambda d: d.save(3), "a path, as a text"),
    "save to null": (lambda d: d.save("a\0b.nc"), "without a null character"),
}
ALONE = NETWORKS | KERNELS | POSTERIORS | SAMPLERS


def refused(call, words):
    with warnings.catch_warnings(), in_time(), pytest.raises((ValueError, TypeError)) as caught:
        warnings.simplefilter("ignore")  # numpy says of text that one of its names for it is old
        call()
    check_clear(str(caught.value), words)


def test_there_are_sixty():
    assert len(ALONE) + len(OF_DRAWS) >= 60


@pytest.mark.parametrize(("call", "words"), ALONE.values(), ids=ALONE)
def test_a_hostile_call_is_refused(call, words):
    refused(call, words)


@pytest.mark.parametrize(("call", "words"), OF_DRAWS.values(), ids=OF_DRAWS)
def test_a_hostile_call_of_draws_is_refused(draws, call, words):
    refused(lambda: call(draws), words)


@pytest.mark.slow
def test_what_looks_odd_and_is_right(draws):
    """A checker that refused everything would pass above."""
    width = np.int64(8)
    for made in (bnnpost.mlp(width=width, depth=np.int32(1)), bnnpost.at_width(network(), width)):
        assert made.layers[0].width == 8 and type(made.layers[0].width) is int
    spec = [{"type": "Dense", "width": width}, {"type": "Erf"}, {"type": "Dense"}]
    assert type(bnnpost.from_spec(spec).layers[0].width) is int
    found = bnnpost.nngp(network(), X > 0)
    assert np.all(np.isfinite(found))
    np.testing.assert_array_equal(found, bnnpost.nngp(network(), [[1, 0], [1, 1]]))
    mixed = np.array([[1, 2.5], [3, 4.0]], object)
    np.testing.assert_array_equal(posterior(x=mixed).x, [[1.0, 2.5], [3.0, 4.0]])
    whole = np.ma.masked_array(X, mask=False)
    np.testing.assert_array_equal(posterior(x=whole).x, X)
    last, also = draws.parameters(-1), draws.parameters(np.int64(19))
    np.testing.assert_array_equal(last[0].weights, also[0].weights)
    assert likelihoods.Gaussian(np.float32(0.5)).noise_std == 0.5
    assert storage.as_path("a") == pathlib.Path("a")


@pytest.mark.slow
def test_draws_by_numpys_numbers_are_kept(tmp_path):
    """numpy's whole numbers once stayed in the record, which JSON cannot write."""
    draws = bnnpost.rejection.sample(KEY, posterior(), num_samples=np.int64(3))
    draws.save(tmp_path / "draws.nc")
    again = bnnpost.load(tmp_path / "draws.nc")
    np.testing.assert_array_equal(again.proposal_numbers, draws.proposal_numbers)
