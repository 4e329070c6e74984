"""What is made of results once they are complete: figures, and whatever is to come."""

from typing import TYPE_CHECKING

from bnnpost.sweeps import report
from bnnpost.sweeps.directory import RunDirectory
from bnnpost.sweeps.grid_directory import GridDirectory

if TYPE_CHECKING:
    import xarray as xr


def run_finished(tree: "xr.DataTree", directory: RunDirectory) -> None:
    """After all widths of one configuration: figures beside results.nc."""
    report.write_figures(tree, directory)


def grid_finished(directory: GridDirectory) -> None:
    """Once nothing is left to run of a grid, or of a single run that workers share.

    Called by the last worker, again whenever a finished grid is run again.
    """
