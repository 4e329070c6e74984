"""Kernels of the infinite-width limit: NNGP and NTK Gram matrices."""

from bnnpost.kernels.blocks import self_kernel
from bnnpost.kernels.convergence import QuadratureWarning, quadrature_error
from bnnpost.kernels.gram import nngp, ntk
from bnnpost.kernels.heads import HeadsWarning
from bnnpost.kernels.monte_carlo import monte_carlo_error

__all__ = [
    "HeadsWarning",
    "QuadratureWarning",
    "monte_carlo_error",
    "nngp",
    "ntk",
    "quadrature_error",
    "self_kernel",
]
