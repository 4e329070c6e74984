"""How far a finite network's posterior is from its infinite-width limit, and how that falls."""

from bnnpost.comparison.compare import compare
from bnnpost.comparison.rates import RateFit, fit_rate
from bnnpost.comparison.theory import theory
from bnnpost.comparison.theory_result import Theory

__all__ = ["RateFit", "Theory", "compare", "fit_rate", "theory"]
