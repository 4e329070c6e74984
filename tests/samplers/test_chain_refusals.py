"""Chains in a directory that holds something else, or may not be run: refused and left alone."""

import json
import shutil

import numpy as np
import pytest

import bnnpost
from bnnpost.likelihoods import Likelihood
from bnnpost.samplers import chain_plan
from bnnpost.samplers.chain_files import ChainFiles
from bnnpost.samplers.chains import Chains
from bnnpost.storage import DirectoryInUse, Lock
from tests.samplers.cases import Case, X
from tests.samplers.small_blocks import sample as by_rejection
from tests.samplers.small_chains import contents, sample, several_files, states

# Few chains and draws agree by chance only.
pytestmark = pytest.mark.filterwarnings("ignore::bnnpost.samplers.chain_draws.ConvergenceWarning")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return several_files(tmp_path_factory.mktemp("runs") / "run")


@pytest.fixture
def copy(finished, tmp_path):
    """A finished run, to be damaged or gone on with."""
    return shutil.copytree(finished, tmp_path / "run")


@pytest.mark.parametrize("folder", ["blocks", "states"])
def test_a_file_of_another_run_is_refused(copy, tmp_path, folder):
    sample(seed=1, directory=tmp_path / "other")
    mine = sorted((copy / folder).glob("*.npz"))[-1]
    shutil.copy(sorted((tmp_path / "other" / folder).glob("*.npz"))[-1], mine)
    with pytest.raises(ValueError, match="belongs to another run"):
        sample(directory=copy)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"seed": 1}, "another key"),
        ({"num_warmup": 50}, r"num_warmup \(40 → 50\)"),
        ({"num_chains": 3}, r"num_chains \(2 → 3\)"),
        ({"thinning": 2}, r"thinning \(1 → 2\)"),
        ({"step_size": 0.5}, r"step_size \(None → 0.5\)"),
        ({"target_accept": 0.4}, r"target_accept \(0.3 → 0.4\)"),
        ({"chain_method": "vectorized"}, "vectorized"),
        ({"space": "weights"}, r"space \(functions → weights\)"),
        ({"collapse": False}, r"collapse \(True → False\)"),
        ({"precision": "double"}, r"precision \(single → double\)"),
        ({"sampler": bnnpost.elliptical_slice}, r"sampler \(pcn → elliptical_slice\)"),
        ({"sampler": bnnpost.hmc}, r"sampler \(pcn → nuts\)"),
        ({"posterior": Case(width=9).posterior()}, "network differ"),
        ({"posterior": Case(noise_std=0.6).posterior()}, "likelihood differ"),
    ],
)
def test_another_run_in_the_directory_is_refused_and_left_alone(copy, options, words):
    before = contents(copy)
    with pytest.raises(ValueError, match=words):
        sample(directory=copy, **options)
    assert contents(copy) == before


def test_other_data_are_refused(copy):
    posterior = Case().posterior()
    posterior = bnnpost.Posterior(posterior.network, posterior.likelihood, X, -posterior.targets)
    with pytest.raises(ValueError, match="y differ"):
        sample(posterior=posterior, directory=copy)


def test_runs_of_rejection_and_of_chains_are_told_apart(copy, tmp_path):
    with pytest.raises(ValueError, match="another kind of sampler"):
        by_rejection(20, directory=copy)
    (tmp_path / "run.json").write_text('{"format": "bnnpost run 1"}')
    with pytest.raises(ValueError, match="another kind of sampler"):
        sample(directory=tmp_path)


def test_a_directory_of_other_files_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(ValueError, match="files that are not a run's"):
        sample(directory=tmp_path)
    with pytest.raises(ValueError, match="is a file"):
        sample(directory=tmp_path / "thesis.tex")
    assert [f.name for f in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_second_process_is_refused(copy):
    with Lock(copy / ".run.lock").hold_alone(), pytest.raises(DirectoryInUse, match="wait for it"):
        sample(directory=copy)


def test_a_directory_that_is_replaced_meanwhile_is_not_written_to(tmp_path, monkeypatch):
    advance, path = Chains.advance, tmp_path / "run"

    def removed(self, *arguments):
        shutil.rmtree(path, ignore_errors=True)
        return advance(self, *arguments)

    monkeypatch.setattr(Chains, "advance", removed)
    with pytest.raises(ValueError, match="removed or replaced"):
        sample(directory=path)
    assert not (path / "blocks").exists()


def test_draws_that_would_not_fit_in_memory_are_refused_before_they_run(tmp_path, monkeypatch):
    monkeypatch.setattr(chain_plan, "available_memory", lambda: 10**5)
    with pytest.raises(ValueError, match=r"2 chains of 200 draws need about .* thinning="):
        sample(directory=tmp_path / "run")
    assert not (tmp_path / "run").exists()


class UnitNoise(Likelihood):
    """A user's likelihood, whose code and numbers files do not hold."""

    shift: float = 0.0

    def log_prob(self, outputs, targets):
        return -0.5 * ((targets - outputs - self.shift) ** 2).sum()

    def log_bound(self, targets):
        return 0.0


def with_unit_noise(path, shift, num_samples):
    network = Case().posterior().network
    posterior = bnnpost.Posterior(network, UnitNoise(shift), X, Case().targets)
    return sample(num_samples, posterior=posterior, directory=path, collapse=False)


def test_draws_that_do_not_come_out_the_same_again_are_noticed(copy):
    """As where code, libraries or data have changed since; found before anything is computed."""
    run = json.loads((copy / "run.json").read_text())["run"]
    files = ChainFiles(copy, run, say=print, before_writing=lambda: None)
    part = files.part_from(int(states(copy)[-2].stem) - 40)
    part.kept.stats["lp"][0, 0] += 0.01
    files.write_part(part)
    with pytest.raises(ValueError, match="come to other draws than before"):
        sample(201, directory=copy)


@pytest.mark.slow
def test_a_likelihood_that_changed_since_the_run_began_is_noticed(tmp_path):
    with_unit_noise(tmp_path, 0.0, 128)
    for num_samples in (128, 129):
        with pytest.raises(ValueError, match="come to other draws than before"):
            with_unit_noise(tmp_path, 0.01, num_samples)


def test_no_start_leaves_no_draws_and_says_so(tmp_path):
    with pytest.raises(FloatingPointError, match="finds no start"):
        with_unit_noise(tmp_path / "run", np.nan, 128)
    status = json.loads((tmp_path / "run" / "status.json").read_text())
    assert status["state"] == "failed" and "finds no start" in status["error"]
