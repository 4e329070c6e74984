"""Draws in files: what comes back, what is refused, and that no half file is left."""

import io
import json
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

import bnnpost
from bnnpost.spaces import make_space
from tests.samplers import cases
from tests.samplers.cases import X_TEST, Case, X


@pytest.fixture(scope="module")
def draws():
    return cases.standard_draws()


@pytest.fixture
def path(draws, tmp_path):
    draws.save(tmp_path / "draws.nc")
    return tmp_path / "draws.nc"


def test_what_is_loaded_is_what_was_saved(draws, path):
    again = bnnpost.load(path)
    assert again.info == draws.info
    np.testing.assert_array_equal(again.proposal_numbers, draws.proposal_numbers)
    np.testing.assert_array_equal(again.log_weights, draws.log_weights)
    np.testing.assert_array_equal(again.posterior.x, X)
    np.testing.assert_array_equal(again.posterior.targets, draws.posterior.targets)
    np.testing.assert_array_equal(again.predict(X_TEST), draws.predict(X_TEST))
    np.testing.assert_array_equal(again.mixture(X_TEST).means, draws.mixture(X_TEST).means)
    for one, other in zip(again.parameters(3), draws.parameters(3), strict=True):
        np.testing.assert_array_equal(one.weights, other.weights)
        np.testing.assert_array_equal(one.biases, other.biases)


def test_a_path_may_be_a_string_and_a_file_is_replaced(draws, path):
    draws.save(str(path))
    assert len(bnnpost.load(str(path))) == len(draws)
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_the_directory_of_a_run_stands_for_its_draws(draws, path):
    folder = path.parent
    np.testing.assert_array_equal(bnnpost.load(folder).proposal_numbers, draws.proposal_numbers)
    path.rename(folder / "draws_000064.nc")
    for name, words in (
        ("draws_000064.nc", "a sweep, .* such as .*/draws_000064.nc; bnnpost.sw"),
        ("contents.json", "a sweep, .* it keeps none"),
        ("run.json", "holds no draws.nc yet: the same call"),
        ("notes.txt", "expected the directory of a run"),
    ):
        next(folder.iterdir()).rename(folder / name)
        with pytest.raises(ValueError, match=words):
            bnnpost.load(folder)


def test_prior_draws_come_back_as_prior_draws(tmp_path):
    prior = bnnpost.prior.sample(cases.key(3), Case().posterior(), num_samples=5)
    prior.save(tmp_path / "prior.nc")
    again = bnnpost.load(tmp_path / "prior.nc")
    assert again.info.kind == "prior"
    assert again.space.conditioned is False


@pytest.mark.parametrize(
    "options", [{"space": "weights"}, {"precision": "double"}, {"collapse": False}]
)
def test_the_space_is_recorded(options, tmp_path):
    # No sampling: prior draws are enough to be written.
    prior = bnnpost.prior.sample(cases.key(3), Case().posterior(), num_samples=5)
    space = make_space(Case().posterior(), **options)
    changed = bnnpost.Draws(space, prior.key, prior.proposal_numbers, np.zeros(5), prior.info)
    changed.save(tmp_path / "draws.nc")
    again = bnnpost.load(tmp_path / "draws.nc").space
    assert (again.form, again.precision, again.collapse) == (
        space.form,
        space.precision,
        space.collapse,
    )


def test_networks_with_several_activations_and_outputs_come_back(tmp_path):
    network = bnnpost.Serial(
        [
            bnnpost.Dense(3, w_std=1.1),
            bnnpost.Activation("erf", b=0.7),
            bnnpost.Serial([bnnpost.Dense(5, w_std=0.3, b_std=0.4), bnnpost.Activation("relu")]),
            bnnpost.Dense(2, b_std=0.2),
        ]
    )
    likelihood = bnnpost.likelihoods.Gaussian(noise_std=0.123456789012345)
    posterior = bnnpost.Posterior(network, likelihood, X, cases.Y[:, :2])
    bnnpost.prior.sample(cases.key(0), posterior, num_samples=2).save(tmp_path / "draws.nc")
    again = bnnpost.load(tmp_path / "draws.nc").posterior
    assert bnnpost.to_spec(again.network) == bnnpost.to_spec(network)
    assert float(again.likelihood.noise_std) == 0.123456789012345
    assert again.targets.shape == (3, 2)


def softened(z):
    return z / (1 + jnp.abs(z))


def custom_posterior(x=X):
    network = bnnpost.mlp(width=8, depth=1, activation=softened)
    likelihood = bnnpost.likelihoods.Gaussian(noise_std=0.5)
    return bnnpost.Posterior(network, likelihood, x, cases.Y[:, 0])


def test_an_activation_of_ones_own_needs_the_posterior(tmp_path):
    posterior, path = custom_posterior(), tmp_path / "draws.nc"
    draws = bnnpost.prior.sample(cases.key(0), posterior, num_samples=4)
    draws.save(path)
    with pytest.raises(ValueError, match=r"softened.*pass load\(…, posterior=…\)"):
        bnnpost.load(path)
    again = bnnpost.load(path, posterior=posterior)
    assert again.posterior.network.layers[1].nonlinearity.function is softened
    np.testing.assert_array_equal(again.proposal_numbers, draws.proposal_numbers)
    np.testing.assert_array_equal(*(jax.random.key_data(one.key) for one in (again, draws)))
    with pytest.raises(ValueError, match="another posterior"):
        bnnpost.load(path, posterior=custom_posterior(X + 1e-12))


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.nc"):
        bnnpost.load(tmp_path / "none.nc")


# h5netcdf complains a second time when such a file is garbage collected.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("damage", ["empty", "text", "cut short", "no header"])
def test_a_damaged_file_is_refused_by_name(path, damage):
    content = path.read_bytes()
    path.write_bytes(
        {
            "empty": b"",
            "text": b"proposal_number,log_weight\n1,0\n",
            "cut short": content[: len(content) // 2],
            "no header": bytes(64) + content[64:],
        }[damage]
    )
    with pytest.raises(ValueError, match=r"draws\.nc is not a netCDF file, or is damaged"):
        bnnpost.load(path)


@pytest.mark.parametrize("attributes", [{}, {"format": "bnnpost draws 999"}])
def test_a_file_of_something_else_is_refused_by_name(tmp_path, attributes):
    path = tmp_path / "other.nc"
    xr.Dataset({"a": ("b", [1.0, 2.0])}, attrs=attributes).to_netcdf(path, engine="h5netcdf")
    with pytest.raises(ValueError, match=r"other\.nc: expected a file of format 'bnnpost draws"):
        bnnpost.load(path)


def test_nothing_is_left_where_there_is_no_folder(draws, tmp_path):
    with pytest.raises(FileNotFoundError, match="create it first"):
        draws.save(tmp_path / "no" / "draws.nc")
    assert list(tmp_path.iterdir()) == []


def test_a_failed_save_leaves_the_old_file_and_no_half_one(draws, path, monkeypatch):
    before = path.read_bytes()

    class HalfWay(io.FileIO):
        def write(self, contents):
            super().write(contents[: len(contents) // 2])
            raise OSError("disk full")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="disk full"):
        patch.setattr(pathlib.Path, "open", lambda path, mode: HalfWay(path, mode))
        draws.save(path)
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_a_file_holds_plain_numbers_and_json(path):
    with xr.open_dataset(path, engine="h5netcdf") as dataset:
        expected = {"proposal_number", "log_weight", "x", "y", "key_data", "elimination_order"}
        assert set(dataset.variables) == {*expected, "guide_0", "guide_1"}
        assert {variable.dtype.kind for variable in dataset.variables.values()} <= {"f", "u", "i"}
        for name in ("network", "likelihood", "space", "info"):
            json.loads(dataset.attrs[name])
    assert str(jax.random.key_impl(cases.standard_draws().key)).encode() in path.read_bytes()
