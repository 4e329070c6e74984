"""How far a finite network's posterior is from its infinite-width limit, and how that falls."""

from bnnpost.comparison.compare import compare
from bnnpost.comparison.rates import RateFit, fit_rate

__all__ = ["RateFit", "compare", "fit_rate"]
