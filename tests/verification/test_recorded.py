"""Draws as labelled arrays: what goes into a reference's file, and what is read of it."""

import numpy as np
import pytest
import xarray as xr

import bnnpost
from bnnpost.verification import references
from bnnpost.verification.reference_values import components, reference_arrays
from tests.samplers import cases
from tests.samplers.cases import X_TEST, X
from tests.samplers.small_blocks import sample


@pytest.fixture(scope="module")
def data():
    return reference_arrays(cases.standard_draws(), X_TEST)


@pytest.mark.slow
def test_values_their_gaussians_and_the_record_are_those_of_the_draws(data):
    draws = cases.standard_draws()
    mixture = draws.mixture(X_TEST)
    close = {"rtol": 0, "atol": 1e-12}
    np.testing.assert_allclose(data["f"], draws.predict(X_TEST), **close)
    np.testing.assert_allclose(data["f_train"], draws.training_outputs(), **close)
    np.testing.assert_allclose(data["f_mean"], mixture.means, **close)
    np.testing.assert_allclose(data["f_variance"], mixture.variances, **close)
    np.testing.assert_array_equal(data["log_weight"], mixture.log_weights)
    np.testing.assert_array_equal(data["x_test"], X_TEST)
    np.testing.assert_array_equal(data["x_train"], X)
    assert data["f_variance"].dims == ("sample", "point")
    assert data.attrs["kind"] == "exact" and data.attrs["pareto_k"] == "null"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("likelihood", "y"),
    [
        (bnnpost.likelihoods.Gaussian(0.5), [0.3, -0.2, 0.5]),
        (bnnpost.likelihoods.StudentT(4.0, 0.5), [0.3, -0.2, 0.5]),
        (bnnpost.likelihoods.Bernoulli(), [0, 1, 1]),
    ],
    ids=["gaussian", "student", "bernoulli"],
)
def test_one_pass_gives_what_draws_give_one_by_one(likelihood, y):
    posterior = bnnpost.Posterior(bnnpost.mlp(width=8), likelihood, X[:3], np.array(y))
    draws = bnnpost.rejection.sample(cases.key(3), posterior, num_samples=200, bound="capped")
    data = reference_arrays(draws, X_TEST)
    close = {"rtol": 0, "atol": 1e-5}
    np.testing.assert_allclose(data["f"], draws.predict(X_TEST), **close)
    np.testing.assert_allclose(data["f_train"], draws.training_outputs(), **close)
    for name, x in (("f", X_TEST), ("f_train", X[:3])):
        mixture = draws.mixture(x)
        np.testing.assert_allclose(data[name + "_mean"], mixture.means, **close)
        np.testing.assert_allclose(data[name + "_variance"], mixture.variances, **close)


def test_a_file_makes_the_reference_that_its_draws_make(data, tmp_path):
    data.to_netcdf(tmp_path / "one.nc", engine="h5netcdf")
    held = references.reference_of(cases.key(0), tmp_path / "one.nc", None)
    direct = references.reference_of_draws(cases.key(0), cases.standard_draws(), X_TEST)
    assert held.source == f"{direct.source}, from {tmp_path / 'one.nc'}"
    check_same(held, direct)
    check_same(references.reference_of(cases.key(0), data, None), direct)


def check_same(held, direct):
    assert held.log_evidence == direct.log_evidence
    for name in ("f", "f_train"):
        np.testing.assert_array_equal(held.values[name], direct.values[name])
        for ours, theirs in zip(held.components[name], direct.components[name], strict=True):
            np.testing.assert_array_equal(ours, theirs)
            assert ours.shape == held.values[name].shape


def test_a_damaged_file_makes_no_reference(data, tmp_path):
    path = tmp_path / "one.nc"
    data.assign_attrs(digest="0" * 64).to_netcdf(path, engine="h5netcdf")
    with pytest.raises(ValueError, match="is damaged: its contents do not match"):
        references.reference_of(cases.key(0), path, None)


@pytest.mark.slow
def test_draws_that_know_no_gaussian_have_values_alone():
    draws = sample(num_samples=50, collapse=False)
    data = reference_arrays(draws, None)
    assert set(data.data_vars) == {"f_train", "x_train", "log_weight"}
    assert components(data) == {}


def made_up(variance, dims):
    """Values of five draws at two test inputs, two outputs, and these variances."""
    rng = np.random.default_rng(0)
    values = ("sample", "point", "output"), rng.normal(size=(5, 2, 2))
    variables = {"f": values, "f_mean": values, "f_variance": (dims, variance)}
    return xr.Dataset(variables)


def test_variances_are_shared_by_outputs_or_each_has_its_own():
    shared = np.arange(1.0, 11.0).reshape(5, 2)
    own = np.stack([shared, 3 * shared], axis=2)
    of_shared = components(made_up(shared, ("sample", "point")))["f"][1]
    of_own = components(made_up(own, ("sample", "point", "output")))["f"][1]
    np.testing.assert_array_equal(of_shared, np.stack([shared, shared], axis=2))
    np.testing.assert_array_equal(of_own, own)


@pytest.mark.slow
def test_values_that_were_given_before_the_readout_are_from_no_gaussian():
    assert components(made_up(np.full((5, 2), 1e-12), ("sample", "point"))) == {}
