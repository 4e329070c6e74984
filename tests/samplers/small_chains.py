"""Short chains of a small posterior in a directory, all of one compiled program."""

import dataclasses

import numpy as np
import pytest

import bnnpost
from tests.samplers.cases import Case, key

# Few chains and draws agree by chance only.
QUIET = pytest.mark.filterwarnings("ignore::bnnpost.samplers.chains.chain_draws.ConvergenceWarning")


def sample(num_samples=200, seed=0, posterior=None, sampler=bnnpost.pcn, **options):
    """Two short chains; all of 128 draws or more are of one compiled program."""
    posterior = Case().posterior() if posterior is None else posterior
    settings = {"num_chains": 2, "num_warmup": 40, **options}
    return sampler.sample(key(seed), posterior, num_samples=num_samples, **settings)


def assert_same(one, other):
    """The same draws and the same record, but for the time it took."""
    for mine, others in ((one.given, other.given), (one.sample_stats, other.sample_stats)):
        assert mine.keys() == others.keys()
        for name, array in mine.items():
            np.testing.assert_array_equal(array, others[name])
    records = [repr(dataclasses.replace(draws.info, seconds=0.0)) for draws in (one, other)]
    assert records[0] == records[1]


def parts(path):
    return sorted((path / "blocks").glob("*.npz"))


def states(path):
    return sorted((path / "states").glob("*.npz"))


def several_files(path):
    """A finished run of several files."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bnnpost.runs.store.SECONDS", 0.0)
        sample(directory=path)
    return path
