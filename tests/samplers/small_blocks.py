"""Runs in directories whose blocks and files are so small that a short run has many."""

import contextlib
import dataclasses
from unittest import mock

import numpy as np

import bnnpost
from bnnpost.runs.store import Run
from bnnpost.samplers import plan
from bnnpost.samplers.rejection_run import StoredBlocks
from bnnpost.spaces import engine
from tests.samplers import cases
from tests.samplers.cases import Case

BLOCK = 256
PER_FILE = 2
SHAPE = engine.BlockShape(batch=64, block=BLOCK, chunk=BLOCK)


@contextlib.contextmanager
def small_blocks():
    """Blocks of 256 proposals, two in a file."""
    with (
        mock.patch.object(engine, "block_shape", lambda space, num_test=0: SHAPE),
        mock.patch.object(plan, "BLOCKS_PER_FILE", PER_FILE),
    ):
        yield


def sample(num_samples=300, seed=0, posterior=None, **options):
    """A run of a small posterior; about one proposal in thirteen is accepted."""
    posterior = Case().posterior() if posterior is None else posterior
    with small_blocks():
        return bnnpost.rejection.sample(
            cases.key(seed), posterior, num_samples=num_samples, **options
        )


def opened(path, say=print):
    """The blocks of the run here, as its files tell of them."""
    run = Run(path, plan.Plan)
    run.resume(plan.Plan.from_contents, None, say)
    return StoredBlocks(run)


def assert_same(one, other):
    """The same draws and the same record, but for the time it took."""
    np.testing.assert_array_equal(one.proposal_numbers, other.proposal_numbers)
    np.testing.assert_array_equal(one.log_weights, other.log_weights)
    records = [dataclasses.replace(draws.info, seconds=0.0) for draws in (one, other)]
    assert records[0] == records[1]


def block_files(path):
    """The block files of a run, in order."""
    return sorted(path.glob("blocks/*/*.npz"))
