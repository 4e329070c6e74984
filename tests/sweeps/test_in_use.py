"""A directory in which another process works is refused before anything takes its time."""

import functools

import pytest

from bnnpost.storage import DirectoryInUse, Lock
from bnnpost.sweeps import load_config
from bnnpost.sweeps.problem import load_problem
from bnnpost.sweeps.sampling import sample

PROBLEM = {"num_train": 2, "num_test": 2, "widths": (4,), "depth": 1, "num_samples": 500}


@functools.cache
def problem_of(method):
    return load_problem(load_config(None, {**PROBLEM, "method": method}))


@pytest.mark.parametrize(
    ("method", "pilot"),
    [
        ("rejection", "bnnpost.sweeps.sampling.check_feasible"),
        ("coupled", "bnnpost.samplers.coupled.tuning.tuned"),
        ("pcn", "bnnpost.samplers.chains.run.ChainsPlan.make"),
    ],
)
def test_a_directory_in_use_is_refused_before_pilots_run(tmp_path, monkeypatch, method, pilot):
    def run(*given, **options):
        raise AssertionError("a pilot was run")

    monkeypatch.setattr(pilot, run)
    problem = problem_of(method)
    with Lock(tmp_path / ".run.lock").hold(), pytest.raises(DirectoryInUse):
        sample(problem, tmp_path)
    with pytest.raises(AssertionError, match="a pilot was run"):
        sample(problem, tmp_path)
