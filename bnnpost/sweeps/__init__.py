"""Sweeps: configuration, grids, run directories, the run itself and its results."""

from bnnpost.sweeps.config import ConfigError, SweepConfig, load_config
from bnnpost.sweeps.grid import Grid, load_grid
from bnnpost.sweeps.loaded import GridResults, load_results
from bnnpost.sweeps.run import BudgetExhausted, HopelessRun, run_sweep
from bnnpost.sweeps.running import run_grid

__all__ = [
    "BudgetExhausted",
    "ConfigError",
    "Grid",
    "GridResults",
    "HopelessRun",
    "SweepConfig",
    "load_config",
    "load_grid",
    "load_results",
    "run_grid",
    "run_sweep",
]
