"""Ways in which the files of a run come to harm, and what of it may be said afterwards."""

import contextlib
import dataclasses
import json
import os
import re
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

import bnnpost
from tests.cli.invocation import invoke

# Seconds after which whoever reads a damaged run is said to hang.
PATIENCE = 120
# Parts of a file that are left, and bytes and bits of it that are turned over.
_LEFT, _NUM_BYTES, _NUM_BITS = (0.1, 0.5, 0.9, 0.999), 10, 10


@dataclass(frozen=True)
class Corruption:
    """What happens to one file of a run, in words and as a function of its path."""

    file: str
    what: str
    harm: Callable[[Path], object]

    def __str__(self) -> str:
        return f"{self.file} {self.what}"


def files(run: Path) -> list[str]:
    """Files of a run, its locks apart."""
    found = (path for path in run.rglob("*") if path.is_file() and not path.name.startswith("."))
    return sorted(str(path.relative_to(run)) for path in found)


def all_of(run: Path, other: Path) -> Iterator[Corruption]:
    """Every file truncated, emptied, turned over, deleted, swapped, or no file at all."""
    rng = np.random.default_rng(0)
    for name in files(run):
        yield from _of_contents(name, (run / name).read_bytes(), rng)
        yield Corruption(name, "deleted", Path.unlink)
        yield Corruption(name, "a named pipe", _replaced_by(os.mkfifo))
        yield Corruption(name, "a directory", _replaced_by(os.mkdir))
        for folder, whose in ((run, "its own run's"), (other, "another run's")):
            for source in files(folder):
                if folder != run or source != name:
                    there = (folder / source).read_bytes()
                    yield Corruption(name, f"for {whose} {source}", _written(there))


def _of_contents(name: str, whole: bytes, rng: np.random.Generator) -> Iterator[Corruption]:
    yield Corruption(name, "emptied", _written(b""))
    for part in _LEFT:
        count = min(int(part * len(whole)), len(whole) - 1)
        yield Corruption(name, f"cut to {count} bytes", _written(whole[:count]))
    for mask, times in ((0xFF, _NUM_BYTES), (0x01, _NUM_BITS)):
        for position in rng.choice(len(whole), times, replace=len(whole) < times):
            turned = bytearray(whole)
            turned[position] ^= mask
            what = f"with byte {position} xor {mask}"
            yield Corruption(name, what, _written(bytes(turned)))
    if name.endswith(".json"):
        yield from _other_digits(name, whole, rng)


def _other_digits(name: str, whole: bytes, rng: np.random.Generator) -> Iterator[Corruption]:
    """A JSON file that is one still, with another digit in it."""
    places = [match.start() for match in re.finditer(rb"[0-9]", whole)]
    for position in rng.choice(places, 4, replace=False):
        changed = bytearray(whole)
        changed[position] = b"1234567890"[int(whole[position : position + 1])]
        yield Corruption(name, f"with digit {position} changed", _written(bytes(changed)))


def _written(contents: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(contents)


def _replaced_by(make: Callable[[Path], object]) -> Callable[[Path], object]:
    def replace(path: Path) -> None:
        path.unlink()
        make(path)

    return replace


def harmed(run: Path, corruption: Corruption, target: Path) -> Path:
    """A copy of a run with a file of it that came to harm."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(run, target)
    corruption.harm(target / corruption.file)
    return target


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
    return draws.proposal_numbers.tolist(), draws.predict(draws.posterior.x).tolist(), info


class Looks:
    """Everything that reads a run, held against what it gives where no harm came to the run.

    run: it is left as it is. other: another run of the same posterior, whose draws are verified
    against those of this one. sample: goes on with the run in a directory. folder: for copies.
    is_reference: whether draws can be verified against these.
    """

    def __init__(self, run, other, sample, folder, is_reference=True):
        self.run, self.sample, self.folder = run, sample, folder
        folder.mkdir()
        self.target, self.page = folder / "run", folder / "page.html"
        draws = bnnpost.load(other / "draws.nc")
        f = draws.predict(inputs(run))
        np.savez(folder / "mine.npz", f=f, f_train=draws.training_outputs())
        shutil.copytree(run, self.target)
        self.draws = loaded(self.target)
        _, self.text = self._reported()
        assert self.text
        if is_reference:
            _, self.verdict = self._verified()
            assert self.verdict["checks"]

    def faults(self, corruption, names=("load", "report", "verify", "resume")):
        """What goes wrong with the run once a file of it came to harm, in words."""
        run = harmed(self.run, corruption, self.target)
        for look in (getattr(self, name) for name in names):
            try:
                with patient():
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
            return "" if is_clear(str(error), run) else f"is not clear: {error}"

    def report(self, run):
        done, text = self._reported()
        if done.exit_code == 0:
            said = "bnnpost: warning: " in done.stderr
            return "" if text == self.text or said else "writes another page without a word"
        return self.told(done, run)

    def verify(self, run):
        done, verdict = self._verified()
        if verdict is not None:
            return "" if verdict == self.verdict else "comes to another verdict"
        return self.told(done, run)

    def resume(self, run):
        done = self.sample(run)
        if done.exit_code == 0:
            return "" if loaded(run) == self.draws else "draws others"
        return self.told(done, run)

    @staticmethod
    def told(done, run):
        clear = is_one_clear_line(done, run)
        return "" if clear else f"ends with {done.exit_code} and says {done.stderr!r}"

    def _reported(self):
        self.page.unlink(missing_ok=True)
        done = invoke("report", self.target, "--out", self.page)
        return done, self.page.read_text() if done.exit_code == 0 else ""

    def _verified(self):
        done = invoke("verify", self.folder / "mine.npz", self.target, "--json")
        return done, json.loads(done.stdout) if done.exit_code in (0, 3) else None
