"""References and posteriors of the zoo for programs other than bnnpost."""

import csv
import functools
import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bnnpost.naming import unknown
from bnnpost.runs.directory import Directory
from bnnpost.storage import EXPORT_FORMAT, FORMAT, dataset_digest, whole, write_netcdf
from bnnpost.verification.columns import write_csv
from bnnpost.verification.sets import TEST, TRAIN
from bnnpost.zoo.entries import Entry, entry
from bnnpost.zoo.posteriordb import posteriordb_files
from bnnpost.zoo.remade_draws import RemadeDraws
from bnnpost.zoo.stan_program import stan_data, stan_program
from bnnpost.zoo.zoo import DIRECTORY, load, posterior

if TYPE_CHECKING:
    import xarray as xr

FORMATS = ("posteriordb", "csv", "netcdf", "stan")
# What writes one file.
_Write = Callable[[Path], object]


def export(
    name: str | Entry,
    directory: str | os.PathLike[str] = DIRECTORY,
    out: str | os.PathLike[str] = "export",
    *,
    format: str,
    parameters: bool = False,
) -> tuple[Path, ...]:
    """Write a reference that was built in `directory`, or its posterior, for other programs.

    format "csv": NAME.csv, a row a draw and a column a function value, as `build` writes it;
    NAME.train.csv and NAME.test.csv, the inputs, and targets y. "netcdf": the same in NAME.nc, with
    the record. "posteriordb": a folder as posteriordb has it, with a Stan program, its data and the
    draws. "stan": NAME.stan and NAME.data.json alone, for which nothing need be built.
    parameters: weights and biases of each draw too, made again from its proposal number, before
    w_std/√fan_in and b_std multiply them, by the names of `hmc.model`'s sites. They are checked
    against the stored values at the training inputs; f at the test inputs is then that of these
    networks. Weighted draws stay so in netCDF; elsewhere each is kept with probability
    weight / largest weight. out: made if need be. Returns the paths written, all or none.

    Raises ValueError for an unknown name or format, parameters in format "stan", weights that do
    not fit in memory, or as `load`; FileNotFoundError if the reference was not built;
    FileExistsError for a file that is there already; CheckFailed (a ValueError) where the weights
    made again are not those of the draws, as with other versions or on another kind of processor;
    OSError if `out` cannot be written, DirectoryInUse (an OSError) if another process works there.
    """
    one = entry(name)
    if format not in FORMATS:
        raise ValueError(unknown("format", format, FORMATS))
    if format == "stan" and parameters:
        raise ValueError('format "stan" holds no draws: leave parameters out, or choose another')
    if format == "stan":
        files = _stan_files(one)
    else:
        data, weighted = load(one, directory), format == "netcdf"
        files = _WRITERS[format](RemadeDraws.of(one, data, parameters, weighted))
    with Directory(out).held():
        return _written(Path(out), files)


def _written(folder: Path, files: Mapping[str, _Write]) -> tuple[Path, ...]:
    """The paths of these files, all of them written or none."""
    for name in files:
        if (folder / name).exists():
            raise FileExistsError(
                f"{folder / name} is there already: remove it, or choose another directory"
            )
    paths: list[Path] = []
    try:
        for name, write in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with whole(path) as temporary:
                write(temporary)
            paths.append(path)
    except BaseException:
        for path in paths:
            path.unlink(missing_ok=True)
        raise
    return tuple(paths)


def _stan_files(entry: Entry) -> dict[str, _Write]:
    target, x_test = posterior(entry)
    texts = {
        f"{entry.name}.stan": stan_program(target, f"{entry.name}: {entry.summary}"),
        f"{entry.name}.data.json": json.dumps(stan_data(target, x_test)) + "\n",
    }
    return {name: functools.partial(_write_text, text) for name, text in texts.items()}


def _write_text(text: str, path: Path) -> None:
    path.write_text(text, encoding="utf-8")


def _csv_files(draws: RemadeDraws) -> dict[str, _Write]:
    """Tables of the draws and of the problem; weights have one of their own."""
    name, data = draws.entry.name, draws.data
    train = {"x": data["x_train"].values, "y": posterior(draws.entry)[0].targets}

    def functions(path: Path) -> None:
        write_csv(path, {key: draws.values[key][None] for key in (TEST, TRAIN)})

    def weights(path: Path) -> None:
        _write_table(path, {k: v for k, v in draws.values.items() if k not in (TEST, TRAIN)})

    return {
        f"{name}.train.csv": lambda path: _write_table(path, train),
        f"{name}.test.csv": lambda path: _write_table(path, {"x": data["x_test"].values}),
        **({f"{name}.parameters.csv": weights} if draws.with_parameters else {}),
        f"{name}.csv": functions,
    }


def _write_table(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """A row for each entry of the first axis, a column a number, such as x[3] or y[0]."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([c for name, array in arrays.items() for c in _columns(name, array)])
        for parts in zip(*arrays.values(), strict=True):
            writer.writerow([repr(number) for part in parts for number in part.ravel().tolist()])


def _columns(name: str, array: np.ndarray) -> Iterable[str]:
    return (f"{name}[{', '.join(map(str, place))}]" for place in np.ndindex(array.shape[1:]))


def _netcdf_files(draws: RemadeDraws) -> dict[str, _Write]:
    def write(path: Path) -> None:
        import xarray as xr

        data, kept = draws.data, ("log_weight", "x_test", "x_train")
        variables = {
            **{name: (data[name].dims, data[name].values) for name in kept},
            "y": (("train_point", "target"), posterior(draws.entry)[0].targets),
            **{name: (_dims(name, data), array) for name, array in draws.values.items()},
        }
        record = {k: v for k, v in data.attrs.items() if k not in ("digest", "csv_sha256")}
        found = xr.Dataset(variables, attrs={**record, FORMAT: EXPORT_FORMAT})
        write_netcdf(path, found.assign_attrs(digest=dataset_digest(found)))

    return {f"{draws.entry.name}.nc": write}


def _dims(name: str, data: "xr.Dataset") -> tuple[str, ...]:
    if name in data:
        return tuple(map(str, data[name].dims))
    layer, kind = name.split(".")
    own = {"weights": (f"{layer}.fan_in", f"{layer}.unit"), "biases": (f"{layer}.unit",)}
    return ("sample", *own.get(kind, ()))


_WRITERS: Mapping[str, Callable[[RemadeDraws], dict[str, _Write]]] = {
    "csv": _csv_files,
    "netcdf": _netcdf_files,
    "posteriordb": posteriordb_files,
}
