from . import elliptical_slice, hmc, pcn
from .chain_draws import ConvergenceWarning
from .chain_forecast import ChainsForecast, forecast
from .entry import CrankNicolson, EllipticalSlice, Kernel, Rotation, Target, begin, sample
from .hmc import Hamiltonian

__all__ = [
    "ChainsForecast",
    "ConvergenceWarning",
    "CrankNicolson",
    "EllipticalSlice",
    "Hamiltonian",
    "Kernel",
    "Rotation",
    "Target",
    "begin",
    "elliptical_slice",
    "forecast",
    "hmc",
    "pcn",
    "sample",
]
