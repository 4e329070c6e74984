from . import elliptical_slice, hmc, pcn
from .chain_draws import ConvergenceWarning
from .elliptical_slice import EllipticalSlice
from .entry import sample
from .kernel import Kernel, Target, begin
from .numpyro_sampler import Hamiltonian
from .pcn import CrankNicolson
from .rotation import Rotation

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
