"""What would not fit in memory, or take for ever, is refused before it is begun, in one line."""

import h5py
import jax
import numpy as np
import pytest

import bnnpost
from bnnpost import likelihoods
from bnnpost.storage import memory
from bnnpost.verification.candidates import read_values
from bnnpost.verification.columns import read_csv
from tests.hostile.watch import check_clear, in_time

X, Y = np.array([[0.5, -1.0], [1.0, 0.2]]), np.array([0.4, -0.1])
TARGET = bnnpost.Posterior(bnnpost.mlp(width=4, depth=1), likelihoods.Gaussian(0.5), X, Y)
WITHOUT = bnnpost.Posterior(
    bnnpost.mlp(width=4, depth=1), likelihoods.StudentT(df=5, noise_std=0.5), X, Y
)
MANY = np.linspace(0, 1, 60_000).reshape(30_000, 2)
FREE = 2**30
KEY = jax.random.key(0)


@pytest.fixture
def little(monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: FREE)


@pytest.fixture(scope="module")
def draws():
    return bnnpost.rejection.sample(KEY, TARGET, num_samples=5)


def refused(call, words):
    with in_time(), pytest.raises(ValueError) as caught:
        call()
    check_clear(str(caught.value), f"(?s){words}")


ENOUGH = r"about [\d.]+ GiB of memory, and 1\.0 GiB are free: "
CALLS = {
    "nngp": lambda draws: bnnpost.nngp(TARGET.network, MANY),
    "nngp of two lists": lambda draws: bnnpost.nngp(TARGET.network, MANY, MANY + 1),
    "ntk": lambda draws: bnnpost.ntk(TARGET.network, MANY),
    "limit": lambda draws: bnnpost.limit(TARGET).covariance(MANY),
    "ensemble limit": lambda draws: bnnpost.ensemble_limit(TARGET).covariance(MANY),
    "predict": lambda draws: draws.predict(MANY),
    "mixture": lambda draws: draws.mixture(MANY),
}


@pytest.mark.slow
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_calls_of_too_many_points_say_so(draws, little, call):
    refused(lambda: call(draws), rf"takes {ENOUGH}(take fewer points|give fewer inputs)")


@pytest.mark.slow
def test_a_sampled_limit_of_too_many_points_says_so(little):
    sampled = bnnpost.limit(WITHOUT, key=KEY)
    refused(lambda: sampled.covariance(MANY), rf"takes {ENOUGH}give fewer inputs")


def test_calls_of_a_few_points_are_taken(little):
    """A check that refused everything would pass above."""
    assert np.isfinite(bnnpost.limit(TARGET).covariance(MANY[:50])).all()


@pytest.mark.parametrize("heading", ["f[0],f[999999999]", '"f[0, 0]","f[9, 99999999]"'])
def test_a_heading_of_a_billion_columns_builds_none(tmp_path, heading):
    path = tmp_path / "draws.csv"
    path.write_text(f"{heading}\n1,2\n")
    refused(lambda: read_csv(path), r"there is no column f\[(1|0, 1)\], but others after it")


def test_a_netcdf_file_of_nothing_but_its_size_is_refused(tmp_path):
    path = tmp_path / "draws.nc"
    with h5py.File(path, "w") as file:
        file.create_dataset("f", (10**7, 10**5), "f8", chunks=(1000, 1000))
    assert path.stat().st_size < 2**16
    refused(lambda: read_values(path), r"its arrays take 7,450\.\d GiB")


@pytest.mark.slow
def test_tables_of_many_columns_are_read_in_time_in_proportion(tmp_path):
    """40,000 columns took most of a minute, as each was looked for among all."""
    count = 40_000
    path = tmp_path / "wide.csv"
    names, ones = ",".join(f"c{i}" for i in range(count)), ",".join("1" * count)
    path.write_text("\n".join([f"{names},y", *(f"{ones},{i}" for i in range(3))]))
    with in_time():
        assert bnnpost.datasets.read(path, "y").num_features == count
