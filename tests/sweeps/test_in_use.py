"""A directory in which another process works is refused before anything takes its time."""

import functools

import pytest

from bnnpost.storage import DirectoryInUse, Lock
from bnnpost.sweeps import chain_sampling, coupled_sampling, sampling
from bnnpost.sweeps.chain_config import load_sample_config
from bnnpost.sweeps.problem import load_problem

PROBLEM = {"num_train": 2, "num_test": 2, "widths": (4,), "depth": 1, "num_samples": 500}


@functools.cache
def problem_of(method):
    config, chain = load_sample_config(None, {**PROBLEM, "method": method})
    return load_problem(config), chain


@pytest.mark.parametrize(
    ("method", "sample", "pilot"),
    [
        ("rejection", sampling.sample, "bnnpost.sweeps.sampling.check_feasible"),
        ("coupled", coupled_sampling.sample_pairs, "bnnpost.samplers.coupled.tuning.tuned"),
        ("pcn", chain_sampling.sample_chains, "bnnpost.samplers.chains.run.Chains.make"),
    ],
)
def test_a_directory_in_use_is_refused_before_pilots_run(
    tmp_path, monkeypatch, method, sample, pilot
):
    def run(*given, **options):
        raise AssertionError("a pilot was run")

    monkeypatch.setattr(pilot, run)
    problem, chain = problem_of(method)
    settings = () if chain is None else (chain,)
    with Lock(tmp_path / ".run.lock").hold(), pytest.raises(DirectoryInUse):
        sample(problem, *settings, tmp_path)
    with pytest.raises(AssertionError, match="a pilot was run"):
        sample(problem, *settings, tmp_path)
