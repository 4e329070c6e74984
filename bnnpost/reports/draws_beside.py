"""What lies beside draws in their run's directory: how it was configured, how far it is."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from bnnpost.runs.directory import LOG
from bnnpost.runs.store import BLOCKS, read_run_record
from bnnpost.samplers.chains.chain_run import STATES
from bnnpost.samplers.cost import Expectation
from bnnpost.samplers.coupled.pair_draws import Pairing
from bnnpost.samplers.methods import REJECTION
from bnnpost.storage import DRAWS, PREDICTIONS, RECORD, STATUS, read_record
from bnnpost.sweeps import cell_directory
from bnnpost.sweeps.cell_directory import CONFIG, FORECAST
from bnnpost.sweeps.identity import in_one_table

# States in which a run has written its draws.
_DONE = ("done", "exhausted")


class Beside(NamedTuple):
    """The records of a run.

    config: None of a run of the library. made_with: versions, device and processor. expected: by
    width. num_blocks: files of blocks. gone: what should be there and is not, a sentence each.
    """

    config: Mapping[str, Any] | None
    status: Mapping[str, Any]
    made_with: Mapping[str, Any]
    expected: Mapping[int, Expectation]
    num_blocks: int
    gone: tuple[str, ...]


def read_beside(path: Path) -> Beside:
    """What lies in a run's directory. Raises ValueError for what is damaged or another run's."""
    config = _there(path / CONFIG, read_record)
    if config is not None:
        config = in_one_table(config)
        _check_config(path / CONFIG, config)
    status = _there(path / STATUS, read_record)
    record = _there(path / RECORD, read_run_record)
    return Beside(
        config=config,
        status=status or {},
        made_with=(record or {}).get("made_with", {}),
        expected=cell_directory.read_expected(path),
        num_blocks=sum(1 for _ in (path / BLOCKS).rglob("*.npz")),
        gone=tuple(_gone(path, config, status or {}, record or {})),
    )


def _there(path: Path, reader: Callable[[Path], dict[str, Any]]) -> dict[str, Any] | None:
    return reader(path) if path.exists() else None


def _check_config(path: Path, config: Mapping[str, Any]) -> None:
    """Raise ValueError for a configuration that a page could not show, as of an earlier version."""
    widths = config.get("widths")
    if not (isinstance(widths, list) and [type(width) for width in widths] == [int]):
        raise ValueError(f"{path} is no configuration of a run of draws: it has no one width")
    for name in ("num_samples", "seed"):
        if type(config.get(name)) is not int:
            raise ValueError(f"{path} is no configuration of a run of draws: it has no {name}")


def _gone(
    path: Path,
    config: Mapping[str, Any] | None,
    status: Mapping[str, Any],
    record: Mapping[str, Any],
) -> list[str]:
    """What a run of its kind has written, and is not there."""

    def is_there(name: str) -> bool:
        return (path / name).exists()

    by_chains = is_there(STATES) or (config or {}).get("method", REJECTION) != REJECTION
    by_chains = by_chains or record.get("format") == Pairing.FORMAT
    # Only bnnpost sample writes these, all of them by the run's end; chains have a log anyway.
    by_command = any(map(is_there, (CONFIG, PREDICTIONS, FORECAST)))
    by_command = by_command or (is_there(LOG) and not by_chains)
    done = is_there(DRAWS) or is_there(PREDICTIONS) or status.get("state") in _DONE
    wanted = {
        RECORD: (True, "versions and device are not known"),
        DRAWS: (done, "the run wrote them, and the same command or call writes them again"),
        STATUS: (done or by_command, "how far the run is is not known"),
        CONFIG: (by_command, "the configuration is not known"),
        PREDICTIONS: (by_command and done, "values at the test inputs are not known"),
        FORECAST: (by_command and not by_chains, "what was expected of the run is not known"),
    }
    return [
        f"{name} is not there: {so}"
        for name, (is_wanted, so) in wanted.items()
        if is_wanted and not is_there(name)
    ]
