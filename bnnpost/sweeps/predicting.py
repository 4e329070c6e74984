"""Predictions of a run on disk at the rows of a file of the user's, in the units of its columns."""

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bnnpost.comparison.row_predictions import in_own_units, row_predictions
from bnnpost.datasets import DataRecord
from bnnpost.datasets.data_record import record_of
from bnnpost.datasets.user_files import feature_rows
from bnnpost.draws import Draws, load
from bnnpost.storage import DRAWS, RECORD, as_path, read_dataset
from bnnpost.sweeps.cell_directory import CONFIG, CellDirectory
from bnnpost.sweeps.code import not_imported
from bnnpost.sweeps.config import ConfigError, SweepConfig, config_of
from bnnpost.sweeps.identity import read_sweep_json
from bnnpost.sweeps.problem import load_problem

Table = dict[str, np.ndarray]
_QUANTILES = (0.05, 0.5, 0.95)
#: The column that says why a row has no prediction.
NOT_PREDICTED = "not_predicted"


def predict_file(
    run: str | os.PathLike[str],
    file: str | os.PathLike[str],
    *,
    width: int | None = None,
    quantiles: Sequence[float] = _QUANTILES,
    progress: bool = False,
    strict: bool = False,
    trust_code: bool = False,
) -> Table:
    """What the draws of a run say of the targets at the rows of a file: arrays [row], by column.

    run: the directory of `bnnpost sample`, or of `bnnpost sweep` over widths, of which `width` is
    taken, by default the widest. file: a .csv with the columns of the features by name, in any
    order and among others, or an .npz with x. First "row", from 0, and the id column where the file
    has the run's. Then of numbers: mean, std (both of the target, noise included), f_std (of f,
    without it) and quantiles of the target, "q05"; of counts f_mean besides; of classes "class",
    the most probable, and "p(class)" of each. With several targets the name of each goes before:
    "price mean". In the units of the target columns; with the weights of weighted draws.
    Of rows that cannot be predicted, for a missing value that the run does not fill in, a level
    that it does not know, or what is no number, numbers are NaN and words empty, and where there
    are such rows "not_predicted" says of each why, and is empty of the others. strict: raise
    DataError for such a row, as is always done where there are no others.
    trust_code: code that the run names may be run. Raises FileNotFoundError, ConfigError for a run
    without such a width or draws or whose code is not trusted, DataError for the file, and
    ValueError for what is damaged or has no draws.
    """
    draws, record = drawn_of(run, width, trust_code)
    rows = feature_rows(as_path(file), record.columns, record.id_column, strict)
    num_rows, left_out = len(rows.x), rows.unreadable
    found: Table = {"row": np.arange(num_rows)}
    if rows.ids and record.id_column is not None:
        found[record.id_column] = np.array(rows.ids)
    if not left_out:
        return found | _predicted(draws, record, rows.x, quantiles, progress)
    kept = np.delete(np.arange(num_rows), [*left_out])
    for name, values in _predicted(draws, record, rows.x[kept], quantiles, progress).items():
        blank = np.nan if values.dtype.kind == "f" else ""
        found[name] = np.full(num_rows, blank, values.dtype)
        found[name][kept] = values
    return found | {NOT_PREDICTED: np.array([left_out.get(row, "") for row in range(num_rows)])}


def _predicted(
    draws: Draws,
    record: DataRecord,
    x: np.ndarray,
    quantiles: Sequence[float],
    progress: bool,
) -> Table:
    """By column what the draws say at features x [row, feature], in the units of the file."""
    predicted = row_predictions(draws, record.scaling.inputs(x), quantiles, progress=progress)
    likelihood = draws.posterior.likelihood
    if likelihood.defines("probabilities"):
        return _of_classes(predicted["probability"], record)
    if likelihood.target_kind == "numbers":
        predicted.pop("f_mean")  # which is the mean
        predicted = in_own_units(predicted, record.scaling)
    names = record.target_names if len(record.target_names) > 1 else ("",)
    return {
        f"{target} {name}".strip(): values[:, place]
        for place, target in enumerate(names)
        for name, values in predicted.items()
    }


def _of_classes(chances: np.ndarray, record: DataRecord) -> Table:
    """Probabilities [row, output] by the names of the classes, and the most probable one."""
    names = record.levels
    if len(names) == 2 and chances.shape[1] == 1:
        chances = np.concatenate([1 - chances, chances], axis=1)
    if len(names) != chances.shape[1]:  # a column of zeros and ones for each output
        return {f"p({name})": chances[:, i] for i, name in enumerate(record.target_names)}
    best = np.array(names)[chances.argmax(axis=1)]
    return {"class": best, **{f"p({name})": chances[:, i] for i, name in enumerate(names)}}


def drawn_of(
    run: str | os.PathLike[str], width: int | None = None, trust_code: bool = False
) -> tuple[Draws, DataRecord]:
    """The draws of a run at one width, and the record of its data; raises as `predict_file`."""
    path = as_path(run)
    file = path if path.is_file() else _draws_file(path, width)
    attributes = read_dataset(file).attrs
    record = record_of(attributes)
    if record is None:
        raise ConfigError(
            f"{file} does not say which columns its data have: expected a run of bnnpost sample or "
            "bnnpost sweep; of other draws bnnpost.load(…).predict(x) takes arrays"
        )
    try:
        draws = load(file)
    except ValueError as error:
        config = None if path.is_file() else _config(path, trust_code)
        if config is None or not (config.network or config.likelihood):
            raise
        drawn_width = width or _width_of(file, config)
        try:  # code of the user's own, which no file holds
            draws = load(file, posterior=load_problem(config).posterior(drawn_width))
        except ValueError:
            raise error from None
    if not len(draws):
        raise ConfigError(f"{file} holds no draws: the run found none")
    return draws, record


def _draws_file(path: Path, width: int | None) -> Path:
    """The file of draws in a directory."""
    if not path.exists():
        raise FileNotFoundError(f"no run {path}: expected the directory of a run")
    if (path / RECORD).exists() or (path / DRAWS).exists():
        if width is not None:
            raise ConfigError(f"{path} holds draws at one width: leave --width out")
        if not (path / DRAWS).exists():
            raise ConfigError(
                f"{path} has no draws yet: the same bnnpost sample command goes on to them"
            )
        return path / DRAWS
    if not (path / CONFIG).exists():
        raise ConfigError(f"{path} holds no run of bnnpost sample or bnnpost sweep")
    held = read_sweep_json(path / CONFIG)
    if "cells" in held:
        raise ConfigError(
            f"{path} holds a grid of sweeps: name the directory of one cell, {path}/runs/…, which "
            "bnnpost sweep status --json lists"
        )
    directory = CellDirectory(path)
    widths = [one for one in held.get("widths", ()) if directory.draws_file(one).exists()]
    done = [one for one in held.get("widths", ()) if directory.is_done(one)]
    if width is None and widths:
        width = max(widths + done)
    if width not in widths:
        kept = f"draws are kept at widths {', '.join(map(str, widths)) or 'none'}"
        where = f" at width {width}" if width else ""
        raise ConfigError(f"{path} has no draws{where}: {kept}")
    return directory.draws_file(int(width or 0))


def _config(path: Path, trust_code: bool) -> SweepConfig:
    values = read_sweep_json(path / CONFIG)
    with contextlib.nullcontext() if trust_code else not_imported(path / CONFIG):
        return config_of(values)


def _width_of(file: Path, config: SweepConfig) -> int:
    """The width in the name of a sweep's file, or the run's only one."""
    number = file.stem.rpartition("_")[2]
    return int(number) if number.isdigit() else config.widths[0]
