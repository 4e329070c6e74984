"""The directory of a grid as `run_grid` leaves it, with made-up numbers and no sampling."""

import shutil

import numpy as np

from bnnpost.storage import RESULTS, file_digest
from bnnpost.sweeps.grid import grid_of
from bnnpost.sweeps.grid_directory import GridDirectory
from tests.reports import made_up

VALUES = {
    "num_train": 3,
    "num_test": 2,
    "widths": [16, 64, 256],
    "num_samples": 40,
    "grid": {
        "depth": [1, 2],
        "prior": [
            {"name": "wide <i>", "w_std": 1.5, "readout_w_std": 1.0},
            {"name": "narrow", "w_std": 0.7},
            {"name": "flat", "weight_prior": "Laplace(0, 0.7)"},
        ],
    },
}


def directory(path, values=VALUES, failed=(), refused=(), undone=()):
    """A grid whose cells of these numbers failed at width 64, were refused, or not run yet."""
    grid = grid_of(values)
    with GridDirectory.begun(path, grid) as held:
        for i, cell in enumerate(grid.cells):
            run = held.cell_directory(cell)
            if i in undone:
                continue
            done = () if i in refused else (16, 256) if i in failed else cell.config.widths
            fit = made_up.rates(shift=0.08 * np.sin(i), low=-0.06, high=0.06)
            whole = i not in (*failed, *refused)
            shutil.rmtree(run.path, ignore_errors=True)
            made_up.directory(
                run.path, cell.config, done=done, whole=whole, fit=fit, run=cell.digest
            )
            status = {"state": "done", "widths": list(cell.widths), "time": "2026"}
            if whole:
                status["files"] = {RESULTS: file_digest(run.path / RESULTS)}
            made_up.bound(run.path / "status.json", status, cell.digest)
            if i in failed:
                run.write_record(64, state="failed", reason="no memory <b>", attempts=2)
            if i in refused:
                record = {"widths": list(cell.config.widths), "refusal": "it needs 1e12"}
                record["hopeless"] = True
                made_up.bound(run.path / "feasible.json", record, cell.digest)
    return grid
