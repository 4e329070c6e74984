"""Units of a grid that take no time: what is drawn and compared is left out, all else is real."""

from dataclasses import dataclass, field

import numpy as np
import xarray as xr

from bnnpost.storage import dataset_digest
from bnnpost.storage.digest import DIGEST
from bnnpost.sweeps import judging, report, work
from bnnpost.sweeps.directory import DONE, RESULTS
from bnnpost.sweeps.errors import HopelessRun
from bnnpost.sweeps.grid import grid_of
from bnnpost.sweeps.results import THEORY

# Two cells of two widths.
VALUES = {"num_train": 2, "num_test": 1, "widths": [4, 8], "grid": {"depth": [1, 2]}}


def grid(**changes):
    """The grid of two depths and two widths, with changes."""
    return grid_of({**VALUES, **changes})


@dataclass
class Fake:
    """Counts units that were run, as (depth, width).

    raises: what a unit raises, attempt after attempt. hopeless: depths of cells to be refused,
    for their width 8.
    short: units whose draws are cut short.
    """

    ran: list[tuple[int, int]] = field(default_factory=list)
    judged: list[int] = field(default_factory=list)
    raises: dict[tuple[int, int], list[BaseException]] = field(default_factory=dict)
    hopeless: tuple[int, ...] = ()
    short: tuple[tuple[int, int], ...] = ()

    def install(self, monkeypatch):
        """Put it in the place of what takes time."""
        monkeypatch.setattr(work, "one_width", self.one_width)
        monkeypatch.setattr(work, "assembled", self.assembled)
        monkeypatch.setattr(report, "write_figures", lambda tree, directory: None)
        monkeypatch.setattr(judging, "check_feasible", self.check_feasible)
        return self

    def check_feasible(self, problem, widths, force, say):
        self.judged.append(problem.config.depth)
        if problem.config.depth in self.hopeless and 8 in widths:
            raise HopelessRun("width 8 is expected to need 1e+20 proposals.\nMore advice.")

    def one_width(self, problem, directory, width, progress, say, attempts):
        unit = (problem.config.depth, width)
        self.ran.append(unit)
        if self.raises.get(unit):
            raise self.raises[unit].pop(0)
        data = xr.Dataset({"tv": ((), 1.0 / width)})
        data.attrs[DIGEST] = dataset_digest(data)
        complete = unit not in self.short
        directory.write_record(width, state=DONE, seconds=1.5, complete=complete, attempts=attempts)
        directory.write_netcdf(directory.width_file(width).name, data)
        say(f"width {width}: done")

    def assembled(self, problem, directory, found):
        widths = list(found)
        tv = [float(one["tv"]) for one in found.values()]
        distances = xr.Dataset({"tv": ("width", tv)}, coords={"width": widths})
        columns = {"exponent": -1.0, "exponent_low": -1.5, "exponent_high": -0.5}
        rates = xr.Dataset(
            {name: ("distance", np.full(len(THEORY), value)) for name, value in columns.items()},
            coords={"distance": list(THEORY)},
        )
        sampling = xr.Dataset({"num_samples": ("width", [7.0] * len(widths))})
        groups = {"/distances": distances, "/rates": rates, "/sampling": sampling}
        tree = xr.DataTree.from_dict(groups)
        tree.attrs["config"] = "{}"
        directory.write_netcdf(RESULTS, tree)
        directory.set_status("done", widths=list(problem.config.widths))
        return tree, []
