"""Files whose draws would silently be others than those that were saved."""

import h5py
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

import bnnpost
from tests.samplers import cases
from tests.samplers.cases import Case, X

pytestmark = pytest.mark.optimised


def relu(z):
    """A function of the user's own that happens to have a catalogue's name."""
    return jnp.maximum(z, 0.5 * z)


@pytest.mark.parametrize("activation", [relu, jax.nn.gelu])
def test_a_function_with_a_catalogues_name_is_not_taken_for_it(activation, tmp_path):
    network = bnnpost.mlp(width=8, depth=1, activation=activation)
    with pytest.raises(ValueError, match="cannot be written as data"):
        bnnpost.to_spec(network)
    likelihood = bnnpost.likelihoods.Gaussian(noise_std=0.5)
    posterior = bnnpost.Posterior(network, likelihood, X, cases.Y[:, 0])
    bnnpost.prior.sample(cases.key(0), posterior, num_samples=3).save(tmp_path / "draws.nc")
    with pytest.raises(ValueError, match="posterior="):
        bnnpost.load(tmp_path / "draws.nc")


@pytest.fixture
def path(tmp_path):
    cases.standard_draws().save(tmp_path / "draws.nc")
    return tmp_path / "draws.nc"


@pytest.mark.parametrize("change", [{"width": 64}, {"activation": "relu"}, {"noise_std": 0.7}])
def test_a_posterior_with_another_network_or_likelihood_is_refused(path, change):
    with pytest.raises(ValueError, match=r"network|likelihood"):
        bnnpost.load(path, posterior=Case(**change).posterior())


@pytest.mark.parametrize("name", ["proposal_number", "x", "y", "key_data"])
def test_changed_contents_are_noticed(path, name):
    with h5py.File(path, "r+") as file:
        values = file[name][...]
        values.flat[0] += 1
        file[name][...] = values
    with pytest.raises(ValueError, match=r"draws\.nc"):
        bnnpost.load(path)


@pytest.mark.parametrize("missing", ["network", "info", "key_implementation", "key_data"])
def test_a_file_with_something_missing_is_refused_by_name(path, missing):
    with xr.open_dataset(path, engine="h5netcdf") as opened:
        dataset = opened.load()
    dataset.attrs.pop(missing, None)
    dataset.drop_vars(missing, errors="ignore").to_netcdf(path, engine="h5netcdf")
    with pytest.raises(ValueError, match=r"draws\.nc"):
        bnnpost.load(path)


# h5netcdf complains a second time when such a file is garbage collected.
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_any_damaged_byte_gives_value_error_or_the_same_draws(path):
    draws, content = cases.standard_draws(), bytearray(path.read_bytes())
    rng = np.random.default_rng(0)
    for position in rng.choice(len(content), 150, replace=False):
        damaged = bytearray(content)
        damaged[position] ^= 0xFF
        path.write_bytes(damaged)
        try:
            again = bnnpost.load(path)
        except ValueError:
            continue
        np.testing.assert_array_equal(again.proposal_numbers, draws.proposal_numbers)
        np.testing.assert_array_equal(again.posterior.x, draws.posterior.x)
        assert again.info == draws.info
