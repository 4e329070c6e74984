"""Width sweeps: configuration, run directories, the run itself and its results."""

from bnnpost.sweeps.config import ConfigError, SweepConfig, load_config
from bnnpost.sweeps.run import BudgetExhausted, HopelessRun, run_sweep

__all__ = [
    "BudgetExhausted",
    "ConfigError",
    "HopelessRun",
    "SweepConfig",
    "load_config",
    "run_sweep",
]
