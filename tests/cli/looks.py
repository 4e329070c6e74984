"""Everything that reads a run of draws, and what it may say once a file of the run came to harm."""

import contextlib
import dataclasses
import json
import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import xarray as xr

import bnnpost
from bnnpost.storage import netcdf
from tests.cli.invocation import invoke

# Seconds after which whoever reads a damaged run is said to hang.
PATIENCE = 120


@contextlib.contextmanager
def patient() -> Iterator[None]:
    """Raise TimeoutError in what takes too long, as a read of a named pipe does."""

    def stop(number: int, frame: object) -> None:
        raise TimeoutError("hangs")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(PATIENCE)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def is_one_clear_line(done: object, folder: Path) -> bool:
    """Whether a command ended as documented: exit code 1 or 2, one line, which names a file."""
    lines = [line for line in done.stderr.splitlines() if line.startswith("bnnpost: ")]
    errors = [line for line in lines if not line.startswith("bnnpost: warning: ")]
    return done.exit_code in (1, 2) and len(errors) == 1 and is_clear(errors[0], folder)


def is_clear(message: str, folder: Path) -> bool:
    """Whether an error is told in words, and says which file or directory it is about."""
    bare = r"\w+(Error|Exception)\b|where it came from|Traceback"
    return re.search(bare, message) is None and (str(folder) in message or ".json" in message)


def inputs(run):
    with xr.open_dataset(run / "predictions.nc", engine="h5netcdf") as stored:
        return stored["x_test"].values


def loaded(run):
    draws = bnnpost.load(run / "draws.nc")
    info = dataclasses.replace(draws.info, seconds=0.0)
    # As text: NaN is not equal to itself.
    return draws.proposal_numbers.tolist(), draws.predict(draws.posterior.x).tolist(), repr(info)


def remember_files(monkeypatch):
    """Let a netCDF file that was read once, byte for byte, be copied from memory then."""
    known, read = {}, netcdf._read

    def found(path, opener):
        key = (opener.__name__, path.read_bytes()) if path.is_file() else None
        if key is None:
            return read(path, opener)
        if key not in known:
            known[key] = read(path, opener)
        return known[key].copy()

    monkeypatch.setattr(netcdf, "_read", found)


class Looks:
    """Everything that reads a run, each a method that says what is wrong, or nothing.

    run: it is left as it is. target: the copy that is looked at.
    """

    def __init__(self, run, folder):
        folder.mkdir()
        self.run, self.target, self.page = run, folder / "run", folder / "page.html"
        shutil.copytree(run, self.target)

    def faults(self, fault, names):
        """What goes wrong with a copy of the run once a file of it came to harm, in words."""
        shutil.rmtree(self.target)
        shutil.copytree(self.run, self.target)
        fault.harm(self.target)
        for name in names:
            try:
                with patient():
                    said = getattr(self, name)()
            except TimeoutError:
                said = "hangs"
            except BaseException as error:
                said = f"raises {type(error).__name__}: {error}"
            if said:
                yield f"{fault}: {name} {said}"

    def unclear(self, error):
        """What is wrong with an error; nothing where it names a file or directory in words."""
        return "" if is_clear(str(error), self.target) else f"is not clear: {error}"

    def reported(self):
        """The command that writes the page, as it ended, and the page."""
        self.page.unlink(missing_ok=True)
        done = invoke("report", self.target, "--out", self.page)
        return done, self.page.read_text() if done.exit_code == 0 else ""


class DrawsLooks(Looks):
    """Of a run of bnnpost sample.

    other: another run of the same posterior, whose draws are verified against those of this one.
    sample: goes on with the run in a directory. folder: for copies. is_reference: whether draws can
    be verified against these.
    """

    def __init__(self, run, other, sample, folder, is_reference=True):
        super().__init__(run, folder)
        self.sample, self.mine = sample, folder / "mine.npz"
        draws = bnnpost.load(other / "draws.nc")
        np.savez(self.mine, f=draws.predict(inputs(run)), f_train=draws.training_outputs())
        self.draws = loaded(self.target)
        _, self.text = self.reported()
        assert self.text
        if is_reference:
            _, self.verdict = self._verified()
            assert self.verdict["checks"]

    def load(self):
        try:
            return "" if loaded(self.target) == self.draws else "gives other draws"
        except (FileNotFoundError, ValueError) as error:
            return self.unclear(error)

    def report(self):
        done, text = self.reported()
        if done.exit_code == 0:
            said = "bnnpost: warning: " in done.stderr
            return "" if text == self.text or said else "writes another page without a word"
        return self._told(done)

    def verify(self):
        done, verdict = self._verified()
        if verdict is not None:
            return "" if verdict == self.verdict else "comes to another verdict"
        return self._told(done)

    def resume(self):
        done = self.sample(self.target)
        if done.exit_code == 0:
            return "" if loaded(self.target) == self.draws else "draws others"
        return self._told(done)

    def _told(self, done):
        clear = is_one_clear_line(done, self.target)
        return "" if clear else f"ends with {done.exit_code} and says {done.stderr!r}"

    def _verified(self):
        done = invoke("verify", self.mine, self.target, "--json")
        return done, json.loads(done.stdout) if done.exit_code in (0, 3) else None
