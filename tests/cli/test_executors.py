"""A sweep and a run of draws by every executor: the same numbers, to the last digit."""

import pytest
import xarray as xr

import bnnpost
from bnnpost.parallel.dask import Dask
from bnnpost.sweeps import load_results
from tests.cli.invocation import invoke

pytestmark = pytest.mark.optimised

PROBLEM = ("--num-train", 2, "--num-test", 1, "--depth", 1, "--noise-std", 0.5)
SWEEP = ("sweep", *PROBLEM, "--widths", "4,8", "--num-samples", 20, "--num-proposals", 400)
SAMPLE = ("sample", *PROBLEM, "--width", 4, "--num-samples", 20)


@pytest.fixture(scope="module")
def inline(tmp_path_factory):
    """What this process gives alone, a directory each."""
    folder = tmp_path_factory.mktemp("inline")
    return done(SWEEP, folder / "sweep"), done(SAMPLE, folder / "sample")


@pytest.fixture(scope="module", params=["process", "dask"])
def flags(request):
    """Of an executor with one worker, which serves both commands where it is Dask's."""
    if request.param == "process":
        yield ("--executor", "process", "--jobs", 1)
    else:
        with Dask(jobs=1) as cluster:
            yield ("--executor", "dask", "--scheduler", cluster._cluster.scheduler_address)


def done(command, out, *flags):
    result = invoke(*command, *flags, "--out", out)
    assert result.exit_code == 0, result.stderr
    return out


def test_a_sweep_of_two_widths(flags, inline, tmp_path):
    (expected,), (found,) = map(load_results, (inline[0], done(SWEEP, tmp_path / "out", *flags)))
    assert found.status == "done" and found.settings == expected.settings
    assert (tmp_path / "out" / "report.html").exists()
    for path in expected.tree.groups:
        mine, theirs = (
            cell.tree[path].to_dataset().drop_vars("seconds", errors="ignore").drop_attrs()
            for cell in (found, expected)
        )
        xr.testing.assert_identical(mine, theirs)


def test_a_run_of_draws(flags, inline, tmp_path):
    found, expected = (
        bnnpost.load(out) for out in (done(SAMPLE, tmp_path / "out", *flags), inline[1])
    )
    assert found.proposal_numbers.tolist() == expected.proposal_numbers.tolist()
    assert found.training_outputs().tolist() == expected.training_outputs().tolist()
