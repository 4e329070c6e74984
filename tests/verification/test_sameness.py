"""Two runs of different posteriors: what differs is named, and no verdict is given."""

import re

import jax
import numpy as np
import pytest
import xarray as xr

import bnnpost
from bnnpost.likelihoods import Gaussian, StudentT
from bnnpost.storage import dataset_digest, netcdf
from bnnpost.verification.sameness import check_same, differences, known_of, of_posterior
from tests.cli.invocation import invoke

X, Y = np.array([[0.5, -1.0], [1.0, 0.2]]), np.array([0.4, -0.1])


def posterior(*, width=8, depth=1, b_std=0.1, likelihood=None, x=X, y=Y):
    network = bnnpost.mlp(width=width, depth=depth, b_std=b_std)
    return bnnpost.Posterior(network, likelihood or Gaussian(0.5), x, y)


OTHERS = {
    "layer 0 (Dense) width 16, the reference's 8": posterior(width=16),
    "network of 5 layers, the reference's of 3": posterior(depth=2),
    "layer 0 (Dense) b_std none, the reference's 0.1": posterior(b_std=0.0),
    "likelihood (Gaussian) noise_std 0.3, the reference's 0.5": posterior(likelihood=Gaussian(0.3)),
    "likelihood StudentT, the reference's Gaussian": posterior(
        likelihood=StudentT(df=5, noise_std=0.5)
    ),
    "training inputs that differ first in row 1": posterior(x=X + np.array([[0, 0], [0, 1e-3]])),
    "training targets of shape [1, 1], the reference's [2, 1]": posterior(x=X[:1], y=Y[:1]),
}


@pytest.mark.parametrize("words", OTHERS)
def test_what_differs_is_named(words):
    with pytest.raises(ValueError, match=re.escape(words)):
        check_same(of_posterior(OTHERS[words]), of_posterior(posterior()))


def test_one_posterior_and_what_is_not_known_pass():
    check_same(of_posterior(posterior()), of_posterior(posterior()))
    own = bnnpost.Serial([bnnpost.Dense(8), bnnpost.Activation(lambda u: u), bnnpost.Dense(1)])
    of_code = of_posterior(bnnpost.Posterior(own, Gaussian(0.5), X, Y))
    check_same(of_code, of_posterior(posterior()))
    check_same(known_of({"f": Y}), of_posterior(posterior()))


@pytest.fixture(scope="module")
def both():
    """Draws of one posterior and of another, that differ in their noise."""
    return [
        bnnpost.rejection.sample(jax.random.key(1), one, num_samples=count)
        for one, count in ((posterior(), 500), (posterior(likelihood=Gaussian(0.3)), 100))
    ]


WORDS = "noise_std 0.3, the reference's 0.5"


@pytest.fixture
def files(both, tmp_path):
    """Files of these draws."""
    paths = [tmp_path / "right.nc", tmp_path / "wrong.nc"]
    for draws, path in zip(both, paths, strict=True):
        draws.save(path)
    return paths


@pytest.fixture
def opened(monkeypatch):
    """The names of netCDF files, each time that one is opened."""
    names, read = [], netcdf._read

    def noted(path, opener):
        names.append(path.name)
        return read(path, opener)

    monkeypatch.setattr(netcdf, "_read", noted)
    return names


def test_the_command_says_so_before_any_verdict(files, opened):
    right, wrong = files
    done = invoke("verify", wrong, right)
    assert done.exit_code == 1 and not done.stdout
    assert WORDS in done.stderr
    assert sorted(opened) == ["right.nc", "wrong.nc"]


@pytest.mark.slow
def test_the_library_notes_what_differs(both, files, opened):
    key, right = jax.random.key(1), both[0]
    assert WORDS in bnnpost.verify(key, *files[::-1]).notes[0]
    assert sorted(opened) == ["right.nc", "wrong.nc"]
    other = bnnpost.rejection.sample(jax.random.key(2), posterior(), num_samples=100)
    assert not any("another posterior" in note for note in bnnpost.verify(key, other, right).notes)


@pytest.mark.slow
def test_names_of_neural_tangents_are_the_same_layers(both, tmp_path):
    draws = both[0]
    draws.save(tmp_path / "new.nc")
    with xr.open_dataset(tmp_path / "new.nc") as data:
        old = data.load()
    ours, theirs = '"type": "Activation", "name": "erf"', '"type": "Erf"'
    assert ours in old.attrs["network"]
    old.attrs["network"] = old.attrs["network"].replace(ours, theirs).replace("w_std", "W_std")
    assert "W_std" in old.attrs["network"]
    old.attrs["digest"] = dataset_digest(old)
    old.to_netcdf(tmp_path / "old.nc", engine="h5netcdf")
    theirs = known_of(bnnpost.load(tmp_path / "old.nc"))
    assert theirs is not None and differences(theirs, known_of(draws)) == ""
