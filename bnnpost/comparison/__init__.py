"""How far a finite network's posterior is from its infinite-width limit, and how that falls."""

from bnnpost.comparison.compare import compare
from bnnpost.comparison.ensembles import compare_ensemble
from bnnpost.comparison.rates import CoefficientFit, RateFit, fit_coefficient, fit_rate
from bnnpost.comparison.scaling import Scaling, scaling, scaling_over_depth
from bnnpost.comparison.theory import theory
from bnnpost.comparison.theory.result import Theory

__all__ = [
    "CoefficientFit",
    "RateFit",
    "Scaling",
    "Theory",
    "compare",
    "compare_ensemble",
    "fit_coefficient",
    "fit_rate",
    "scaling",
    "scaling_over_depth",
    "theory",
]
