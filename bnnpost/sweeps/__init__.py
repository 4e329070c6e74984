"""Sweeps: configuration, grids, run directories, the run itself and its results."""

from bnnpost.sweeps.cluster import Cluster
from bnnpost.sweeps.config import ConfigError, SweepConfig, load_config
from bnnpost.sweeps.grid import Grid, load_grid
from bnnpost.sweeps.loaded import GridResults, load_results
from bnnpost.sweeps.processes import Processes
from bnnpost.sweeps.run import BudgetExhausted, HopelessRun, run_sweep
from bnnpost.sweeps.running import inline, run_grid

__all__ = [
    "BudgetExhausted",
    "Cluster",
    "ConfigError",
    "Grid",
    "GridResults",
    "HopelessRun",
    "Processes",
    "SweepConfig",
    "inline",
    "load_config",
    "load_grid",
    "load_results",
    "run_grid",
    "run_sweep",
]
