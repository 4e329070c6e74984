"""Which summary a path asks for, found by what is there and not by its name."""

import json
import os
from pathlib import Path

from bnnpost.draws.draws_files import FORMAT as DRAWS_FORMAT
from bnnpost.reports import draws_run, draws_summary, runs, verdict
from bnnpost.reports.grid_status import summary_of_status
from bnnpost.reports.grid_summary import summary_of_grid
from bnnpost.reports.sweep_summary import summary_of_sweep
from bnnpost.samplers.warned import warn_user
from bnnpost.storage import as_path, read_record, read_text, read_tree
from bnnpost.summaries import Summary
from bnnpost.sweeps import load_results
from bnnpost.sweeps.grid_directory import FORMAT as GRID_FORMAT
from bnnpost.sweeps.loaded import GridResults

_EXPECTED = (
    "expected the directory of a run (bnnpost sweep, bnnpost sample), its results.nc or draws.nc, "
    "or what bnnpost verify --json printed"
)


class NotARun(ValueError):
    """A path of which there is no report."""


def summary_of(run: str | os.PathLike[str]) -> Summary:
    """Return what there is to say of a run: printed by `str`, plain data by `to_dict`.

    run: a sweep's directory or results.nc; the directory of a run of a sampler, or its
    draws.nc; or the JSON of a verification. Unfinished runs are described as far as they are.
    Raises FileNotFoundError, NotARun for anything else, ValueError for damaged files and for those
    of another run. Of files of a run of draws that should be there and are not the summary says so,
    and so does a UserWarning.
    """
    path = as_path(run)
    if not path.exists():
        raise FileNotFoundError(f"no file or directory {path}: {_EXPECTED}")
    # What a person calls it: "." has no name.
    path = path if path.name else path.resolve()
    return _of_directory(path) if path.is_dir() else _of_file(path)


def summary_of_results(results: GridResults) -> Summary:
    """Return the summary of a grid, or of the sweep that it is if nothing varies in it.

    A sweep of which nothing is there yet has its status alone.
    """
    if results.varying:
        return summary_of_grid(results)
    (cell,) = results.cells
    if cell.tree is None and not runs.is_sweep(cell.path):
        return summary_of_status(results)
    return summary_of_sweep(runs.read_sweep(cell.path, cell.tree))


def to_html(run: str | os.PathLike[str]) -> str:
    """Return the report of a run as one page that loads nothing. run, errors: see `summary_of`."""
    from bnnpost.summaries.html_page import as_page

    return as_page(summary_of(run))


def _of_directory(path: Path) -> Summary:
    if draws_run.is_run(path):
        run = draws_run.read_run(path)
        for sentence in run.gone:
            warn_user(f"{path}: {sentence}")
        return draws_summary.summary_of_draws(run)
    if _is_grid(path):
        return summary_of_results(load_results(path))
    if runs.is_sweep(path):
        return summary_of_sweep(runs.read_sweep(path))
    raise NotARun(f"{path} holds no run: {_EXPECTED}")


def _is_grid(path: Path) -> bool:
    config = path / runs.CONFIG
    return config.exists() and read_record(config).get("format") == GRID_FORMAT


def _of_file(path: Path) -> Summary:
    match path.suffix.lower():
        case ".nc":
            return _of_netcdf(path)
        case ".json":
            return _of_json(path)
    raise NotARun(f"{path} is no run: {_EXPECTED}")


def _of_netcdf(path: Path) -> Summary:
    form = str(read_tree(path).attrs.get("format", "none"))
    if form.startswith("bnnpost sweep"):
        return summary_of_sweep(runs.read_sweep(path))
    if form == DRAWS_FORMAT:
        return draws_summary.summary_of_draws(draws_run.read_file(path))
    raise NotARun(f"{path} is of format {form!r}: {_EXPECTED}")


def _of_json(path: Path) -> Summary:
    try:
        record = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise NotARun(f"{path} cannot be read ({error}): {_EXPECTED}") from None
    try:
        return verdict.summary_of_verdict(record)
    except verdict.NotAVerdict as error:
        raise NotARun(f"{path} {error}: {_EXPECTED}") from None
