from .config import ConfigError, SweepConfig, load_config
from .grid import load_grid
from .grid_cells import Grid
from .loaded import GridResults, load_results
from .planning import HopelessRun
from .predicting import predict_file
from .running import run_grid

__all__ = [
    "ConfigError",
    "Grid",
    "GridResults",
    "HopelessRun",
    "SweepConfig",
    "load_config",
    "load_grid",
    "load_results",
    "predict_file",
    "run_grid",
]
