"""Spaces: the posterior as a prior draw with a log weight and an upper bound of it."""

from bnnpost.spaces.ensemble_limit import EnsembleLimit, ensemble_limit, max_learning_rate
from bnnpost.spaces.gaussian_law import GaussianLaw
from bnnpost.spaces.limit import Limit, limit, ntk_gp
from bnnpost.spaces.making import make_space
from bnnpost.spaces.space import Space

__all__ = [
    "EnsembleLimit",
    "GaussianLaw",
    "Limit",
    "Space",
    "ensemble_limit",
    "limit",
    "make_space",
    "max_learning_rate",
    "ntk_gp",
]
