"""Elliptical slice sampling in function space."""

from typing import Any

from jaxtyping import Array

from bnnpost.draws import Draws
from bnnpost.posterior import Posterior
from bnnpost.samplers.chains import entry
from bnnpost.samplers.kernels.slices import EllipticalSlice


def sample(key: Array, posterior: Posterior, **options: Any) -> Draws:
    """Chains by elliptical slice sampling of the standard normals behind the functions.

    Each step goes to a random point, whose weight is above a random level, of an ellipse through
    the state and a fresh prior draw (Murray, Adams and MacKay 2010); nothing is tuned, warmup (of
    100 by default) only leaves the start behind. options, draws and errors as in `chains.sample`.
    """
    return entry.sample(key, posterior, EllipticalSlice(), **options)
