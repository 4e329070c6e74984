"""NNGP and NTK Gram matrices: of the infinite-width limit, and of finite networks to check it.

The package can be called: `bnnpost.kernels(network, x)` gives both of the limit.
"""

import sys
from typing import cast

from bnnpost.kernels.blocks import self_kernel
from bnnpost.kernels.checked import HeadsWarning
from bnnpost.kernels.convergence import QuadratureWarning, quadrature_error
from bnnpost.kernels.empirical import (
    EmpiricalKernel,
    empirical_nngp,
    empirical_ntk,
    monte_carlo_error,
)
from bnnpost.kernels.gram import CallablePackage, Kernels, nngp, ntk

__all__ = [
    "EmpiricalKernel",
    "HeadsWarning",
    "Kernels",
    "QuadratureWarning",
    "empirical_nngp",
    "empirical_ntk",
    "kernels",
    "monte_carlo_error",
    "nngp",
    "ntk",
    "quadrature_error",
    "self_kernel",
]

# Itself, by the name that `bnnpost` gives it.
kernels = cast(CallablePackage, sys.modules[__name__])
kernels.__class__ = CallablePackage
