"""What theory predicts of a finite network's posterior, to hold measurements against."""

from bnnpost.theories.deep_linear import DeepLinear, deep_linear
from bnnpost.theories.expansion import theory
from bnnpost.theories.proportional import Proportional, proportional
from bnnpost.theories.result import Theory

__all__ = ["DeepLinear", "Proportional", "Theory", "deep_linear", "proportional", "theory"]
