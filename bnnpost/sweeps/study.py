"""One shipped study: run, and its findings written whole into a directory."""

import dataclasses
import json
import os
from pathlib import Path

from bnnpost.naming import unknown
from bnnpost.plots import save
from bnnpost.runs.directory import Directory
from bnnpost.storage import Say, versions, write_netcdf
from bnnpost.summaries.text import as_text
from bnnpost.sweeps.config import SweepConfig
from bnnpost.sweeps.problem import load_problem
from bnnpost.sweeps.shipped_studies import STUDIES, Findings, Study

_RECORD = "study.json"


def study_named(name: str) -> Study:
    """The study of this name. Raises ValueError, naming the close ones."""
    if name not in STUDIES:
        raise ValueError(unknown("study", name, list(STUDIES)))
    return STUDIES[name]


def run_study(
    name: str,
    config: SweepConfig,
    directory: str | os.PathLike[str],
    *,
    say: Say = lambda message: None,
) -> Findings:
    """What a study finds on the problem of a configuration, written into a directory.

    NAME.txt: its summary; a netCDF file of each data set; NAME.png and NAME.svg; and study.json,
    the configuration and versions. say: is told how it goes on. Raises ValueError for an unknown
    name and where the study does not cover the problem; DirectoryInUse (an OSError) if another
    process works there.
    """
    study, problem, place = study_named(name), load_problem(config), Directory(directory)
    with place.held():
        _check_vacant(place.path, name)
        found = _completed(study.run(problem, say), name, config)
        for file, data in found.data.items():
            write_netcdf(place.path / f"{file}.nc", data)
        save(found.figure, place.path / name)
        place.write_text(f"{name}.txt", as_text(found.summary) + "\n")
        record = {"study": name, "config": config.as_dict(), "versions": versions()}
        place.write_text(_RECORD, json.dumps(record, indent=1) + "\n")
    return found


def _completed(found: Findings, name: str, config: SweepConfig) -> Findings:
    """Return the findings with what they are of, and their data for JSON."""
    problem = Path(config.data).name
    summary = dataclasses.replace(
        found.summary,
        title=f"{name} of {problem}",
        kind=f"Study · {name} · {problem}",
        lead=(f"Study of {problem}: {STUDIES[name].summary}.",),
        footer="bnnpost",
        data={file: data.to_dict() for file, data in found.data.items()},
    )
    return found._replace(summary=summary)


def _check_vacant(folder: Path, name: str) -> None:
    """Raise ValueError where there is something else than an earlier run of this study."""
    if Directory(folder).is_vacant():
        return
    try:
        held = json.loads((folder / _RECORD).read_text(encoding="utf-8"))["study"]
    except (OSError, ValueError, KeyError, TypeError):
        held = "something else"
    if held != name:
        raise ValueError(f"{folder} holds {held}, not the study {name}: choose another directory")
