from . import elliptical_slice, hmc, pcn
from .chain_draws import ConvergenceWarning
from .entry import CrankNicolson, EllipticalSlice, Kernel, Rotation, Target, begin, sample
from .hmc import Hamiltonian

__all__ = [
    "ConvergenceWarning",
    "CrankNicolson",
    "EllipticalSlice",
    "Hamiltonian",
    "Kernel",
    "Rotation",
    "Target",
    "begin",
    "elliptical_slice",
    "hmc",
    "pcn",
    "sample",
]
