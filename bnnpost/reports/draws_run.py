"""What lies in the directory of a run of `bnnpost sample`, or in a file of draws."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from jaxtyping import Float, UInt

from bnnpost.datasets import DataRecord
from bnnpost.datasets.data_record import record_of
from bnnpost.draws.draws_files import FORMAT
from bnnpost.draws.info import DrawsInfo
from bnnpost.likelihoods.base import a_column_each
from bnnpost.plots.own_units import on_the_scale_of_f
from bnnpost.reports import words
from bnnpost.runs.directory import LOG
from bnnpost.runs.store import BLOCKS, read_run_record
from bnnpost.samplers.chains.chain_run import STATES
from bnnpost.samplers.cost import Expectation
from bnnpost.samplers.coupled.pair_draws import Pairing
from bnnpost.samplers.methods import REJECTION
from bnnpost.storage import DRAWS, PREDICTIONS, RECORD, STATUS, read_dataset, read_record
from bnnpost.sweeps import cell_directory
from bnnpost.sweeps.cell_directory import CONFIG, FORECAST
from bnnpost.sweeps.sampling import read_predictions

if TYPE_CHECKING:
    import xarray as xr


# States in which a run has written its draws.
_DONE = ("done", "exhausted")


@dataclass(frozen=True)
class Values:
    """Function values at inputs. at: "test" or "training".

    attributes: what the file says of the targets. scores: of predictions at each input, by name.
    record: of the data, where the file has it. probabilities: of classes, under the posterior. f
    and targets that are numbers are in the units of
    their columns, x too.
    """

    at: str
    f: Float[np.ndarray, "s m k"]
    x: Float[np.ndarray, "m *f"]
    targets: Float[np.ndarray, "m k"]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    scores: Mapping[str, Float[np.ndarray, " m"]] = field(default_factory=dict)
    record: DataRecord | None = None
    probabilities: Float[np.ndarray, "m k"] | None = None

    def point(self, place: int) -> str:
        """What a point is called."""
        if self.record is None:
            return f"{self.at} point {place}"
        return self.record.point(place)


@dataclass(frozen=True)
class DrawsRun:
    """A run of one posterior as far as it is there.

    info: None if there are no draws yet. values: None where there are none to show, and why_none.
    stats: numbers that go with each draw of a chain. network, likelihood: as records, "" where
    unknown. num_blocks: files of blocks that are done. gone: what should be there and is not, in
    words.
    """

    path: Path
    config: Mapping[str, Any] | None
    status: Mapping[str, Any]
    made_with: Mapping[str, Any]
    expected: Mapping[int, Expectation]
    info: DrawsInfo | None = None
    log_weights: Float[np.ndarray, " s"] = field(default_factory=lambda: np.zeros(0))
    numbers: UInt[np.ndarray, " s"] = field(default_factory=lambda: np.zeros(0, np.uint64))
    stats: Mapping[str, np.ndarray] = field(default_factory=dict)
    values: Values | None = None
    why_none: str = ""
    num_points: int = 0
    network: str = ""
    likelihood: str = ""
    num_blocks: int = 0
    gone: tuple[str, ...] = ()


def is_run(path: Path) -> bool:
    """Whether a directory is one of a sampler's run."""
    return (path / RECORD).exists() or (path / DRAWS).exists()


def read_run(path: Path) -> DrawsRun:
    """A run from its directory. Raises ValueError for damaged files."""
    beside = _read_beside(path)._asdict()
    if not (path / DRAWS).exists():
        return DrawsRun(path=path, **beside)
    return _with_draws(path, path / DRAWS, path / PREDICTIONS, beside)


def read_file(path: Path) -> DrawsRun:
    """Draws from a file alone. Raises ValueError for a damaged file."""
    beside: dict[str, Any] = {"config": None, "status": {}, "made_with": {}, "expected": {}}
    return _with_draws(path, path, None, beside)


def _with_draws(
    path: Path, file: Path, predictions: Path | None, beside: dict[str, Any]
) -> DrawsRun:
    data = read_dataset(file)
    if data.attrs.get("format") != FORMAT:
        found = data.attrs.get("format", "none")
        raise ValueError(f"{file}: expected a file of format {FORMAT!r}, found {found!r}")
    numbers, log_weights = data["proposal_number"].values, data["log_weight"].values
    info = DrawsInfo.from_dict(json.loads(data.attrs["info"]))
    if not len(numbers) and not info.num_proposals:
        if predictions is not None:  # blocks were gathered before there were any
            return DrawsRun(path=path, **beside)
        raise ValueError(f"{file} holds what a run samples, and no draws: expected its draws.nc")
    values, why_none = _values(file, predictions, numbers)
    stats = {
        str(n).removeprefix("stat_"): data[n].values for n in data if str(n).startswith("stat_")
    }
    return DrawsRun(
        path=path,
        info=info,
        log_weights=log_weights,
        numbers=numbers,
        stats=stats,
        values=values,
        why_none=why_none,
        num_points=len(data["y"]),
        network=str(data.attrs["network"]),
        likelihood=str(data.attrs["likelihood"]),
        **beside,
    )


def _values(file: Path, predictions: Path | None, numbers: np.ndarray) -> tuple[Values | None, str]:
    """At the test inputs of the run where they are kept, else at the training inputs."""
    if predictions is not None and predictions.exists():
        data = read_predictions(predictions)
        if np.array_equal(data["proposal_number"].values, numbers):
            return _at_test(data), ""
        return None, f"{predictions.name} is of other draws than {file.name}"
    from bnnpost.draws import load

    try:
        draws = load(file)
    except ValueError as error:  # code of the user's own, or another random stream
        return None, str(error)
    if not len(draws):
        return None, "there are no draws"
    posterior = draws.posterior
    targets = a_column_each(posterior.targets, posterior.num_outputs)
    attributes = {"target_kind": posterior.likelihood.target_kind}
    return Values("training", draws.training_outputs(), posterior.x, targets, attributes), ""


def _at_test(data: "xr.Dataset") -> Values | None:
    f = data["f"].values
    if not len(f):
        return None
    scores = {name: data[name].values for name in words.SCORES if name in data}
    x, y, record = data["x_test"].values, data["y_test"].values, record_of(data.attrs)
    if record is not None:
        x = record.scaling.own_inputs(x)
        if on_the_scale_of_f(data.attrs):
            f, y = record.scaling.values(f), record.scaling.values(y)
    chances = data["probability"].values if "probability" in data else None
    return Values("test", f, x, y, data.attrs, scores, record, chances)


class _Beside(NamedTuple):
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


def _read_beside(path: Path) -> _Beside:
    """What lies in a run's directory. Raises ValueError for what is damaged or another run's."""
    config = _there(path / CONFIG, read_record)
    if config is not None:
        _check_config(path / CONFIG, config)
    status = _there(path / STATUS, read_record)
    record = _there(path / RECORD, read_run_record)
    return _Beside(
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
    """Raise ValueError for a configuration that a page could not show."""
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
