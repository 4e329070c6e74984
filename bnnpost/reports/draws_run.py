"""What lies in the directory of a run of `bnnpost sample`, or in a file of draws."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, UInt

from bnnpost.datasets import DataRecord
from bnnpost.datasets.data_record import record_of
from bnnpost.draws.draws_files import FORMAT
from bnnpost.draws.info import DrawsInfo
from bnnpost.likelihoods.base import a_column_each
from bnnpost.reports import draws_beside, words
from bnnpost.samplers.cost import Expectation
from bnnpost.storage import DRAWS, PREDICTIONS, RECORD, read_dataset
from bnnpost.sweeps.sampling import read_predictions

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class Values:
    """Function values at inputs. at: "test" or "training".

    attributes: what the file says of the targets. scores: of predictions at each input, by name.
    record: of the data, where the file has it. f and targets that are numbers are in the units of
    their columns, x too.
    """

    at: str
    f: Float[np.ndarray, "s m k"]
    x: Float[np.ndarray, "m *f"]
    targets: Float[np.ndarray, "m k"]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    scores: Mapping[str, Float[np.ndarray, " m"]] = field(default_factory=dict)
    record: DataRecord | None = None

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
    beside = draws_beside.read_beside(path)._asdict()
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
        if words.on_the_scale_of_f(data.attrs):
            f, y = record.scaling.values(f), record.scaling.values(y)
    return Values("test", f, x, y, data.attrs, scores, record)
