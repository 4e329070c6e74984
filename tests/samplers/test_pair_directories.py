"""Pairs of chains in a directory: gone on with after any end, to the draws that one call gives."""

import functools
import json
import shutil
import signal
import time

import jax
import numpy as np
import pytest

import bnnpost
from bnnpost import coupled
from bnnpost.likelihoods import Gaussian
from bnnpost.networks import Activation, Dense, Serial
from bnnpost.runs.store import Run
from bnnpost.samplers.chains import CrankNicolson, EllipticalSlice
from bnnpost.samplers.coupled import pair_draws, pair_run, pairs, tuning
from bnnpost.samplers.coupled.pair_draws import Pairing
from bnnpost.samplers.coupled.tuning import (
    is_tuning_record,
    recorded_tuning,
    tuning_record,
)
from bnnpost.samplers.kernels.crank_nicolson import PairedWalk
from bnnpost.samplers.kernels.rotation import Blend, Rotation
from bnnpost.samplers.kernels.slices import PairedSlice
from tests import processes
from tests.files import contents
from tests.samplers.small_pairs import assert_same, parts
from tests.samplers.user_likelihoods import Shifted

KEY = jax.random.key(3)
NETWORK = Serial([Dense(3, b_std=0.5), Activation("erf"), Dense(1)])
X, Y = np.array([[-1.0], [0.3]]), np.array([0.4, -0.7])
POSTERIOR = bnnpost.Posterior(NETWORK, Gaussian(0.3), X, Y)


def sample(num_samples=70, tolerance=0.08, posterior=POSTERIOR, key=KEY, **options):
    options = {"kernel": "hmc", "num_samples": num_samples, "tolerance": tolerance} | options
    return coupled.sample(key, posterior, **options)


@functools.cache
def whole(num_samples=70, tolerance=0.08):
    """What one call without a directory gives."""
    return sample(num_samples, tolerance)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run, a file for each pair."""
    path = tmp_path_factory.mktemp("runs") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bnnpost.runs.store.SECONDS", 0.0)
        sample(directory=path)
    return path


@pytest.fixture
def copy(finished, tmp_path):
    """That, to be damaged or gone on with."""
    return shutil.copytree(finished, tmp_path / "run")


def no_pilot(*arguments):
    raise AssertionError("a pilot was run again")


@pytest.mark.slow
def test_a_directory_changes_nothing_and_a_run_can_be_extended(tmp_path, monkeypatch):
    path = tmp_path / "run"
    assert_same(sample(60, directory=path), whole(60))
    expected = whole()
    monkeypatch.setattr("bnnpost.samplers.coupled.tuning.tuned", no_pilot)
    assert_same(sample(directory=path), expected)
    assert_same(bnnpost.load(path / "draws.nc"), expected)
    assert [int(file.stem) for file in parts(path)] == [0, 60]
    status = json.loads((path / "status.json").read_text())
    assert (status["state"], status["num_samples"], status["num_pairs"]) == ("done", 70, 70)
    with pytest.warns(UserWarning, match="held 70 draws and now holds 60; all pairs are kept"):
        assert_same(sample(60, directory=path), whole(60))


@pytest.mark.slow
def test_another_tolerance_runs_no_pair_again(copy, monkeypatch):
    expected, nearer = whole(tolerance=0.2), whole()
    monkeypatch.setattr(Pairing, "run", no_pilot)
    draws = sample(tolerance=0.2, directory=copy)
    assert_same(draws, expected)
    assert draws.info.coupled.step <= nearer.info.coupled.step


def interrupted_after(count):
    """`Pairing.run` that ends like a Ctrl-C after so many pairs."""
    right = Pairing.run

    def run(self, numbers):
        for i, one in enumerate(right(self, numbers)):
            if i == count:
                raise KeyboardInterrupt
            yield one

    return run


@pytest.mark.first
@pytest.mark.parametrize(
    ("count", "seconds"), [pytest.param(0, 1000.0, marks=pytest.mark.slow), (5, 1000.0), (5, 0.0)]
)
def test_an_interruption_anywhere_loses_no_pair(tmp_path, monkeypatch, count, seconds):
    monkeypatch.setattr("bnnpost.runs.store.SECONDS", seconds)
    with monkeypatch.context() as patch:
        patch.setattr(Pairing, "run", interrupted_after(count))
        with pytest.raises(KeyboardInterrupt):
            sample(directory=tmp_path)
    assert json.loads((tmp_path / "status.json").read_text())["state"] == "interrupted"
    assert len(parts(tmp_path)) == (min(count, 1) if seconds else count)
    assert_same(sample(directory=tmp_path), whole())


@pytest.mark.slow
def test_damaged_and_missing_files_are_run_again_and_said(copy):
    files = parts(copy)
    assert len(files) > 20
    files[3].write_bytes(files[3].read_bytes()[:-40])
    files[7].unlink()
    files[-1].unlink()  # of which status.json alone tells
    with pytest.warns(UserWarning) as said:
        assert_same(sample(directory=copy), whole())
    words = " ".join(str(one.message) for one in said)
    assert "is damaged" in words
    assert "3 pairs, of numbers 3 to 69, are missing: run again" in words
    assert len(list(copy.rglob("*.damaged"))) == 1
    shutil.rmtree(copy / "blocks")
    with pytest.warns(UserWarning, match="70 pairs, of numbers 0 to 69, are missing"):
        assert_same(sample(directory=copy), whole())


@pytest.mark.first
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"lag": 3}, "lag None → 3"),
        ({"kernel": "pcn"}, r"other settings \(kernel 'hmc' → 'pcn'\)"),
        ({"max_steps": 99}, r"other settings \(max_steps 10000 → 99\)"),
        ({"precision": "double"}, r"other settings \(precision 'single' → 'double'\)"),
        ({"key": jax.random.key(4)}, "another key"),
        ({"posterior": bnnpost.Posterior(NETWORK, Gaussian(0.4), X, Y)}, "another posterior"),
    ],
)
def test_other_settings_are_refused_and_the_run_left_alone(copy, options, words):
    before = contents(copy)
    with pytest.raises(ValueError, match=words):
        sample(directory=copy, **options)
    assert contents(copy) == before


def test_other_samplers_and_other_files_are_refused(copy, tmp_path):
    before = contents(copy)
    with pytest.raises(ValueError, match="another kind of sampler"):
        bnnpost.rejection.sample(KEY, POSTERIOR, num_samples=5, directory=copy)
    with pytest.raises(ValueError, match="another kind of sampler"):
        bnnpost.pcn.sample(KEY, POSTERIOR, num_samples=5, directory=copy)
    assert contents(copy) == before
    other = tmp_path / "other"
    other.mkdir()
    (other / "letter.txt").write_text("mine")
    with pytest.raises(ValueError, match="not a run's"):
        sample(directory=other)


def test_a_directory_in_use_is_refused_before_the_pilot(tmp_path, monkeypatch):
    monkeypatch.setattr("bnnpost.samplers.coupled.tuning.tuned", no_pilot)
    with (
        Run(tmp_path, Pairing).claimed(),
        pytest.raises(OSError, match="another process is running"),
    ):
        sample(directory=tmp_path)


def test_bad_arguments_and_pilots_that_do_not_meet_make_no_directory(tmp_path):
    path = tmp_path / "run"
    with pytest.raises(ValueError, match="max_steps"):
        sample(directory=path, max_steps=0)
    narrow = bnnpost.Posterior(NETWORK, Gaussian(1e-4), X, Y)
    with pytest.raises(coupled.NotMet):
        sample(directory=path, posterior=narrow, max_steps=5)
    assert not path.exists()


def test_draws_that_would_not_fit_in_memory_are_refused_before_the_pilot(tmp_path, monkeypatch):
    monkeypatch.setattr(pairs, "available_memory", lambda: 10**3)
    monkeypatch.setattr("bnnpost.samplers.coupled.tuning.tuned", no_pilot)
    for where in (None, tmp_path / "run"):
        with pytest.raises(ValueError, match=r"70 draws of \d+ bytes need about .* ask for at"):
            sample(directory=where)
    assert not (tmp_path / "run").exists()


def test_pairs_that_come_to_other_draws_are_noticed(copy, monkeypatch):
    """As where code, libraries or data have changed since; found before anything is written."""
    right = Pairing.run

    def other(self, numbers):
        for one in right(self, numbers):
            yield one._replace(given={n: a + 0.01 for n, a in one.given.items()})

    monkeypatch.setattr(Pairing, "run", other)
    held = len(parts(copy))
    with pytest.raises(ValueError, match="comes to another draw than before"):
        sample(71, directory=copy)
    assert len(parts(copy)) == held


def test_another_version_is_told_and_goes_on(copy, monkeypatch):
    monkeypatch.setattr(pair_run, "made_with", lambda: {"processor": "another"})
    with pytest.warns(UserWarning, match="need not be, bit for bit"):
        assert_same(sample(71, directory=copy), whole(71))


def test_pairs_that_do_not_meet_are_kept_and_exhausted(tmp_path, monkeypatch):
    right = pair_draws.set_up
    monkeypatch.setattr(
        pair_draws,
        "set_up",
        functools.wraps(right)(lambda *a, **more: right(*a, **more)._replace(max_steps=1)),
    )
    with pytest.warns(coupled.NotMetWarning, match="did not meet"):
        draws = sample(directory=tmp_path)
    assert not draws.info.complete and len(bnnpost.load(tmp_path / "draws.nc")) == 70
    assert json.loads((tmp_path / "status.json").read_text())["state"] == "exhausted"


def test_what_was_tuned_comes_back_as_it_was():
    rotation = Rotation(0.1 + 0.2, 0.93, 5)
    walk, plain = PairedWalk(CrankNicolson(0.1 + 0.2)), PairedSlice(EllipticalSlice())
    for kernel in (Blend(rotation, 0.05), Blend(Rotation(1e-3, 0.5, 1), 1.0), walk, plain):
        found = tuning.Tuned(kernel, 7, np.array([3, 8, 9]), 1234)
        again = recorded_tuning(json.loads(json.dumps(tuning_record(found))))
        assert tuning_record(again) == tuning_record(found)
        for one, other in zip(*map(jax.tree.leaves, (again.kernel, kernel)), strict=True):
            assert one.dtype == other.dtype and one == other
    plain, other = {"kind": "EllipticalSlice"}, {"kind": "os.system", "command": "true"}
    for wrong in (None, {}, {**tuning_record(found), "kernel": plain}):
        assert not is_tuning_record(wrong)
    unknown = {**tuning_record(found), "kernel": other}
    assert is_tuning_record(unknown)  # of a module that is not imported here, for all one knows
    with pytest.raises(ValueError, match=r"os\.system, which is not known here: import the module"):
        recorded_tuning(unknown)


@pytest.mark.slow
def test_a_likelihood_that_changed_since_the_run_began_is_noticed(tmp_path):
    def with_shift(shift, num_samples):
        of = bnnpost.Posterior(NETWORK, Shifted(shift), X, Y)
        return sample(num_samples, posterior=of, directory=tmp_path, collapse=False)

    with_shift(0.0, 60)
    for num_samples in (60, 61):
        with pytest.raises(ValueError, match="comes to another draw than before"):
            with_shift(0.1, num_samples)


CODE = """
import sys
from tests.samplers import test_pair_directories
test_pair_directories.sample({num_samples}, directory={path!r})
"""


@pytest.mark.slow
@pytest.mark.parametrize("stop", [signal.SIGKILL, signal.SIGINT])
def test_stopped_runs_lose_seconds_and_go_on(tmp_path, stop):
    """Twice, with pairs on disk and then a little later."""
    path, held = tmp_path / "run", 0
    for _ in range(2):
        process = processes.start("-c", CODE.format(num_samples=10**6, path=str(path)))
        while process.poll() is None and len(parts(path)) <= held:
            time.sleep(0.05)
        time.sleep(1.0)
        process.send_signal(stop)
        process.communicate(timeout=60)
        before, held = held, len(parts(path))
        assert held > before
    assert not list(path.glob("*.damaged"))
    assert_same(sample(directory=path), whole())
