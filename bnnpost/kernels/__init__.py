"""Kernels of the infinite-width limit: NNGP and NTK Gram matrices."""

from bnnpost.kernels.blocks import self_kernel
from bnnpost.kernels.convergence import QuadratureWarning, quadrature_error
from bnnpost.kernels.gram import nngp, ntk

__all__ = ["QuadratureWarning", "nngp", "ntk", "quadrature_error", "self_kernel"]
