from .config import SweepConfig, load_config
from .errors import BudgetExhausted, ConfigError, HopelessRun
from .run import run_sweep

__all__ = [
    "BudgetExhausted",
    "ConfigError",
    "HopelessRun",
    "SweepConfig",
    "load_config",
    "run_sweep",
]
