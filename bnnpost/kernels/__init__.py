"""NNGP and NTK Gram matrices: of the infinite-width limit, and of finite networks to check it.

Called, the package gives both of the limit by one pass, as `Kernels`: the map of the tangent kernel
needs the NNGP kernel at every layer, so that both take hardly longer than `ntk` alone. Inputs,
errors and warnings are those of `nngp` and `ntk`, and so are the entries, of `ntk` to the last bit,
of `nngp` to rounding.
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
