"""A run of bnnpost sample of which a file came to harm: read as it was, or refused in one line.

The number of corruptions, and that none of them may pass in silence, end in a bare error of
Python's or hang, are what was asked for after 415 of them had been tried by hand.
"""

import dataclasses
import json
import shutil

import numpy as np
import pytest

import bnnpost
from tests.cli import corruptions
from tests.cli.invocation import invoke

# That something is missing is a warning, which is an error elsewhere in these tests.
pytestmark = pytest.mark.filterwarnings("default::UserWarning")
PROBLEM = ["--num-train", 2, "--num-test", 2, "--noise-std", 0.5, "--depth", 1, "--width", 8]
NUM_SAMPLES = 60
# One of each kind, and those that were once read without a word or for ever.
QUICK = (
    "draws.nc for another run's draws.nc",
    "draws.nc for its own run's run.nc",
    "draws.nc a named pipe",
    "predictions.nc for another run's predictions.nc",
    "predictions.nc deleted",
    "run.json deleted",
    "run.json a named pipe",
    "run.json for another run's run.json",
    "run.nc cut to",
    "config.json for its own run's status.json",
    "config.json a named pipe",
    "status.json deleted",
    "forecast.json for another run's forecast.json",
    "log.txt a named pipe",
    "blocks/000000/000000000.npz a directory",
)


def sample(path, seed=0):
    goal = ["--num-samples", NUM_SAMPLES, "--seed", seed]
    return invoke("sample", *PROBLEM, *goal, "--out", path)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run, another one, and a candidate to be verified."""
    folder = tmp_path_factory.mktemp("runs")
    for name, seed in (("run", 0), ("other", 1)):
        done = sample(folder / name, seed)
        assert done.exit_code == 0, done.stderr
    draws = bnnpost.load(folder / "other" / "draws.nc")
    x_test = inputs(folder / "run")
    np.savez(folder / "mine.npz", f=draws.predict(x_test), f_train=draws.training_outputs())
    return folder


def inputs(run):
    import xarray as xr

    with xr.open_dataset(run / "predictions.nc", engine="h5netcdf") as stored:
        return stored["x_test"].values


def loaded(run):
    draws = bnnpost.load(run / "draws.nc")
    info = dataclasses.replace(draws.info, seconds=0.0)
    return draws.proposal_numbers.tolist(), draws.predict(draws.posterior.x).tolist(), info


def reported(run, page):
    page.unlink(missing_ok=True)
    done = invoke("report", run, "--out", page)
    return done, page.read_text() if done.exit_code == 0 else ""


def verified(run, candidate):
    done = invoke("verify", candidate, run, "--json")
    if done.exit_code not in (0, 3):
        return done, None
    return done, json.loads(done.stdout)


class Right:
    """What a run gives that no harm came to."""

    def __init__(self, folder, target):
        self.folder = folder
        shutil.copytree(folder / "run", target)
        self.draws = loaded(target)
        _, self.page = reported(target, folder / "page.html")
        _, self.verdict = verified(target, folder / "mine.npz")
        assert self.page and self.verdict["checks"]
        shutil.rmtree(target)

    def faults(self, corruption, target):
        """What went wrong with a run of which a file came to harm, in words."""
        run = corruptions.harmed(self.folder / "run", corruption, target)
        for look in (self.load, self.report, self.verify, self.resume):
            try:
                with corruptions.patient():
                    fault = look(run)
            except TimeoutError:
                fault = "hangs"
            except BaseException as error:
                fault = f"raises {type(error).__name__}: {error}"
            if fault:
                yield f"{corruption}: {look.__name__} {fault}"

    def load(self, run):
        try:
            return "" if loaded(run) == self.draws else "gives other draws"
        except (FileNotFoundError, ValueError) as error:
            return "" if corruptions.is_clear(str(error), run) else f"is not clear: {error}"

    def report(self, run):
        done, page = reported(run, self.folder / "page.html")
        if done.exit_code == 0:
            said = "bnnpost: warning: " in done.stderr
            return "" if page == self.page or said else "writes another page without a word"
        return self.told(done, run)

    def verify(self, run):
        done, verdict = verified(run, self.folder / "mine.npz")
        if verdict is not None:
            return "" if verdict == self.verdict else "comes to another verdict"
        return self.told(done, run)

    def resume(self, run):
        done = sample(run)
        if done.exit_code == 0:
            return "" if loaded(run) == self.draws else "draws others"
        return self.told(done, run)

    @staticmethod
    def told(done, run):
        clear = corruptions.is_one_clear_line(done, run)
        return "" if clear else f"ends with {done.exit_code} and says {done.stderr!r}"


def all_faults(runs, target, chosen):
    right = Right(runs, target)
    return [fault for one in chosen for fault in right.faults(one, target)]


def every(runs):
    return list(corruptions.all_of(runs / "run", runs / "other"))


def test_some_harm(runs, tmp_path):
    chosen = [next(c for c in every(runs) if str(c).startswith(name)) for name in QUICK]
    assert all_faults(runs, tmp_path / "run", chosen) == []


@pytest.mark.slow
def test_every_harm(runs, tmp_path):
    chosen = every(runs)
    assert len(chosen) >= 415
    assert all_faults(runs, tmp_path / "run", chosen) == []
