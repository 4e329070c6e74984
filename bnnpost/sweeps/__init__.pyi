from .cells import Grid
from .cluster import Cluster
from .config import SweepConfig, load_config
from .errors import BudgetExhausted, ConfigError, HopelessRun
from .grid import load_grid
from .loaded import GridResults, load_results
from .processes import Processes
from .run import run_sweep
from .running import inline, run_grid

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
