from . import chains, coupled, ensemble, importance, prior, rejection, training
from .chains import elliptical_slice, hmc, pcn

__all__ = [
    "chains",
    "coupled",
    "elliptical_slice",
    "ensemble",
    "hmc",
    "importance",
    "pcn",
    "prior",
    "rejection",
    "training",
]
