from . import elliptical_slice, ensemble, hmc, importance, pcn, prior, rejection

__all__ = [
    "elliptical_slice",
    "ensemble",
    "hmc",
    "importance",
    "pcn",
    "prior",
    "rejection",
]
