"""The posterior of a finite network to first order in 1/width."""

from bnnpost.comparison.theory.expansion import theory
from bnnpost.comparison.theory.result import Theory

__all__ = ["Theory", "theory"]
