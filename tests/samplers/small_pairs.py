"""Short runs of coupled pairs, of the small posterior that the other samplers have."""

import dataclasses

import numpy as np

import bnnpost
from tests.samplers.cases import Case, key


def sample(num_samples=70, seed=0, posterior=None, **options):
    """Few pairs, moved by one kernel, so that a pilot is short."""
    posterior = Case().posterior() if posterior is None else posterior
    settings = {"kernel": "hmc", "tolerance": 0.08, **options}
    return bnnpost.coupled.sample(key(seed), posterior, num_samples=num_samples, **settings)


def assert_same(one, other):
    """The same draws and the same record, but for the time it took."""
    assert one.given.keys() == other.given.keys()
    for name, array in one.given.items():
        np.testing.assert_array_equal(array, other.given[name])
    records = []
    for draws in (one, other):
        record = dataclasses.replace(draws.info.coupled, pilot_seconds=0.0)
        records.append(repr(dataclasses.replace(draws.info, seconds=0.0, coupled=record)))
    assert records[0] == records[1]


def parts(path):
    return sorted((path / "blocks").glob("*.npz"))
