"""What theory predicts of a finite network's posterior, to hold measurements against."""

from bnnpost.theories.deep_linear import DeepLinear, deep_linear
from bnnpost.theories.deep_outputs import DeepLinearOutputs, deep_linear_outputs
from bnnpost.theories.expansion import theory
from bnnpost.theories.kernel_spectrum import KernelSpectrum, kernel_spectrum
from bnnpost.theories.proportional import Proportional, proportional
from bnnpost.theories.result import Theory

__all__ = [
    "DeepLinear",
    "DeepLinearOutputs",
    "KernelSpectrum",
    "Proportional",
    "Theory",
    "deep_linear",
    "deep_linear_outputs",
    "kernel_spectrum",
    "proportional",
    "theory",
]
