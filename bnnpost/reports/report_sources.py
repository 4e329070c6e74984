"""Which page a path asks for, found by what is there and not by its name."""

import json
import os
from pathlib import Path
from typing import Any

from bnnpost.draws.draws_files import FORMAT as DRAWS_FORMAT
from bnnpost.reports import draws_run, draws_summary, grid_page, runs, sweep_page, verdict
from bnnpost.samplers.warned import warn_user
from bnnpost.storage import as_path, read_record, read_text, read_tree
from bnnpost.summaries.html_page import as_page
from bnnpost.summaries.summary import Summary
from bnnpost.sweeps import load_results
from bnnpost.sweeps.grid_directory import FORMAT as GRID_FORMAT

_EXPECTED = (
    "expected the directory of a run (bnnpost sweep, bnnpost sample), its results.nc or draws.nc, "
    "or what bnnpost verify --json printed"
)


class NotARun(ValueError):
    """A path of which there is no report."""


def to_html(run: str | os.PathLike[str]) -> str:
    """The report of a run as one page that loads nothing.

    run: a sweep's directory or results.nc; the directory of a run of a sampler, or its
    draws.nc; or the JSON of a verification. Unfinished runs are shown as far as they are.
    Raises FileNotFoundError, NotARun for anything else, ValueError for damaged files and for those
    of another run. Of files of a run of draws that should be there and are not the page says so,
    and so does a UserWarning.
    """
    path = as_path(run)
    if not path.exists():
        raise FileNotFoundError(f"no file or directory {path}: {_EXPECTED}")
    # What a person calls it: "." has no name.
    path = path if path.name else path.resolve()
    return _of_directory(path) if path.is_dir() else _of_file(path)


def summary_of(run: str | os.PathLike[str]) -> Summary:
    """What there is to say of draws: printed by `str`, plain data by `to_dict`.

    run: the directory of a run of a sampler. Raises FileNotFoundError, NotARun for anything else,
    ValueError as `to_html`, and warns as that does.
    """
    path = as_path(run)
    if not path.exists():
        raise FileNotFoundError(f"no directory {path}: expected that of a run of draws")
    if not draws_run.is_run(path):
        raise NotARun(f"{path} holds no draws: expected the directory of a run of draws")
    found = draws_run.read_run(path if path.name else path.resolve())
    for sentence in found.gone:
        warn_user(f"{path}: {sentence}")
    return draws_summary.summary_of_draws(found)


def _of_directory(path: Path) -> str:
    if draws_run.is_run(path):
        return as_page(summary_of(path))
    if _is_grid(path):
        return grid_page.to_html(load_results(path))
    if runs.is_sweep(path):
        return sweep_page.to_html(runs.read_sweep(path))
    raise NotARun(f"{path} holds no run: {_EXPECTED}")


def _is_grid(path: Path) -> bool:
    held = path / runs.CONFIG
    return held.exists() and read_record(held).get("format") == GRID_FORMAT


def _of_file(path: Path) -> str:
    match path.suffix.lower():
        case ".nc":
            return _of_netcdf(path)
        case ".json":
            return verdict.to_html(_json(path))
    raise NotARun(f"{path} is no run: {_EXPECTED}")


def _of_netcdf(path: Path) -> str:
    form = str(read_tree(path).attrs.get("format", "none"))
    if form.startswith("bnnpost sweep"):
        return sweep_page.to_html(runs.read_sweep(path))
    if form == DRAWS_FORMAT:
        return as_page(draws_summary.summary_of_draws(draws_run.read_file(path)))
    raise NotARun(f"{path} is of format {form!r}: {_EXPECTED}")


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise NotARun(f"{path} cannot be read ({error}): {_EXPECTED}") from None
    if not verdict.is_verdict(found):
        raise NotARun(f"{path} is no verification: {_EXPECTED}")
    return dict(found)
