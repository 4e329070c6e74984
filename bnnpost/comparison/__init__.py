"""How far a finite network's posterior is from its infinite-width limit, and how that falls."""

from bnnpost.comparison.compare import compare
from bnnpost.comparison.ensembles import compare_ensemble
from bnnpost.comparison.rates import CoefficientFit, RateFit, fit_coefficient, fit_rate

__all__ = [
    "CoefficientFit",
    "RateFit",
    "compare",
    "compare_ensemble",
    "fit_coefficient",
    "fit_rate",
]
