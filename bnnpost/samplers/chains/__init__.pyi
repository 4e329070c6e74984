from . import elliptical_slice, hmc, pcn
from .elliptical_slice import EllipticalSlice
from .kernel import Kernel, Target, begin
from .numpyro_sampler import Hamiltonian
from .pcn import CrankNicolson
from .results import ConvergenceWarning
from .rotation import Rotation
from .sampling import sample

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
