"""One run, one directory: claimed by one process, written so that nothing is left half done."""

import contextlib
import datetime
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Self

from bnnpost.sweeps.config import ConfigError, SweepConfig

if TYPE_CHECKING:
    import xarray as xr

CONFIG, STATUS, LOG, RESULTS, LOCK = "config.json", "status.json", "log.txt", "results.nc", ".lock"


class DirectoryInUse(OSError):
    """Another process is running in this directory."""


class RunDirectory:
    """The files of one sweep: configuration, status, log, a file a width, results, figures.

    Use `RunDirectory.claim`. A directory that holds a run with another configuration, or
    files that are not a run's, is refused.
    """

    def __init__(self, path: Path):
        self.path = path

    @classmethod
    @contextlib.contextmanager
    def claim(cls, path: str | os.PathLike[str], config: SweepConfig) -> Iterator[Self]:
        """The directory for this configuration, held against other processes until the end.

        Raises ConfigError if it holds another run or other files, DirectoryInUse if another
        process holds it, OSError if it cannot be written.
        """
        directory = cls(Path(path))
        directory._check_vacant(config)
        directory.path.mkdir(parents=True, exist_ok=True)
        with _lock(directory.path / LOCK):
            directory._check_vacant(config)
            if not (directory.path / CONFIG).exists():
                directory.write_text(CONFIG, json.dumps(config.as_dict(), indent=2) + "\n")
            yield directory

    @classmethod
    def inspect(cls, path: str | os.PathLike[str], config: SweepConfig) -> Self:
        """The directory as `claim` would give it, nothing made or held. Raises ConfigError."""
        directory = cls(Path(path))
        directory._check_vacant(config)
        return directory

    def _check_vacant(self, config: SweepConfig) -> None:
        if not self.path.exists():
            return
        if not self.path.is_dir():
            raise ConfigError(f"{self.path} is a file: expected a directory for the run")
        held = self.path / CONFIG
        if held.exists():
            self._check_same(config, held)
        elif any(
            f.name not in (LOCK,) and not f.name.endswith(".tmp") for f in self.path.iterdir()
        ):
            raise ConfigError(f"{self.path} holds files that are not a run's: choose another --out")

    def _check_same(self, config: SweepConfig, held: Path) -> None:
        try:
            before = json.loads(held.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ConfigError(f"{held} cannot be read: {error}") from None
        now = config.as_dict()
        changed = [key for key in now if before.get(key) != now[key]]
        if changed:
            detail = ", ".join(f"{k} {before.get(k)!r} → {now[k]!r}" for k in changed)
            raise ConfigError(
                f"{self.path} holds a run with another configuration ({detail}): "
                "choose another --out, or the same settings to go on with it"
            )

    def write_text(self, name: str, text: str) -> None:
        """Write a file whole: under a temporary name, then renamed."""
        with self.temporary(name) as temporary:
            temporary.write_text(text, encoding="utf-8")

    @contextlib.contextmanager
    def temporary(self, name: str) -> Iterator[Path]:
        """A path to write to, renamed to `name` if all went well and removed if not."""
        path = self.path / f".{os.getpid()}.{name}.tmp"
        try:
            yield path
            os.replace(path, self.path / name)
        finally:
            path.unlink(missing_ok=True)

    def write_netcdf(self, name: str, data: "xr.Dataset | xr.DataTree") -> None:
        """Write a netCDF file whole."""
        with self.temporary(name) as temporary:
            data.to_netcdf(temporary, engine="h5netcdf")

    def width_file(self, width: int) -> Path:
        """Where the results of one width are kept."""
        return self.path / f"width_{width:06d}.nc"

    def set_status(self, state: str, **details: object) -> None:
        """Record how far the run is: running, done, interrupted, exhausted or failed."""
        record = {"state": state, "pid": os.getpid(), "time": _now(), **details}
        self.write_text(STATUS, json.dumps(record, indent=2) + "\n")

    def log(self, message: str) -> None:
        """Append a line to the log."""
        with (self.path / LOG).open("a", encoding="utf-8") as file:
            file.write(f"{_now()} {message}\n")


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Hold a file against other processes; released by the system however this one ends."""
    try:
        import fcntl
    except ImportError:  # a system without advisory locks: nothing to hold
        yield
        return
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise DirectoryInUse(
                f"another process is running in {path.parent}: wait for it, or choose another --out"
            ) from None
        yield
