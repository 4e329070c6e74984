"""NNGP and NTK Gram matrices: of the infinite-width limit, and of finite networks to check it."""

from bnnpost.kernels.blocks import self_kernel
from bnnpost.kernels.checked import HeadsWarning
from bnnpost.kernels.convergence import QuadratureWarning, quadrature_error
from bnnpost.kernels.empirical import (
    EmpiricalKernel,
    empirical_nngp,
    empirical_ntk,
    monte_carlo_error,
)
from bnnpost.kernels.gram import nngp, ntk

__all__ = [
    "EmpiricalKernel",
    "HeadsWarning",
    "QuadratureWarning",
    "empirical_nngp",
    "empirical_ntk",
    "monte_carlo_error",
    "nngp",
    "ntk",
    "quadrature_error",
    "self_kernel",
]
