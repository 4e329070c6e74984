"""Elliptical slice sampling in function space."""

import numpy as np
from jaxtyping import Array

from bnnpost.draws import Draws
from bnnpost.posterior import Posterior
from bnnpost.samplers import chain_run
from bnnpost.samplers.chains import Length
from bnnpost.samplers.moves import EllipticalSlice


def sample(
    key: Array,
    posterior: Posterior,
    *,
    num_samples: int = 1000,
    num_warmup: int = 100,
    num_chains: int = 4,
    thinning: int = 1,
    space: str = "functions",
    collapse: bool = True,
    precision: str = "single",
    chain_method: str = "auto",
    directory: chain_run.Where = None,
    cross_check: bool = True,
    progress: bool = False,
) -> Draws:
    """Chains by elliptical slice sampling of the standard normals behind the functions.

    Each step goes to a random point, whose weight is above a random level, of an ellipse through
    the state and a fresh prior draw (Murray, Adams and MacKay 2010); nothing is tuned, warmup
    only leaves the start behind. Arguments, draws and errors as in `pcn.sample`.
    """
    length = Length(num_samples, num_warmup, num_chains, thinning)
    return chain_run.sampled(
        key,
        posterior,
        lambda made: EllipticalSlice(space=made, num_warmup=np.int64(num_warmup)),
        length,
        space=space,
        collapse=collapse,
        precision=precision,
        chain_method=chain_method,
        directory=directory,
        cross_check=cross_check,
        progress=progress,
    )
