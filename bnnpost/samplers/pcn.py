"""Preconditioned Crank–Nicolson in function space."""

import math

import numpy as np
from jaxtyping import Array

from bnnpost.arguments import number_between
from bnnpost.draws import Draws
from bnnpost.posterior import Posterior
from bnnpost.samplers import chain_run
from bnnpost.samplers.chains import Length
from bnnpost.samplers.moves import CrankNicolson


def sample(
    key: Array,
    posterior: Posterior,
    *,
    num_samples: int = 1000,
    num_warmup: int = 1000,
    num_chains: int = 4,
    thinning: int = 1,
    step_size: float | None = None,
    target_accept: float = 0.3,
    space: str = "functions",
    collapse: bool = True,
    precision: str = "single",
    chain_method: str = "auto",
    directory: chain_run.Where = None,
    cross_check: bool = True,
    progress: bool = False,
) -> Draws:
    """Chains by preconditioned Crank–Nicolson on the standard normals behind the functions.

    g′ = √(1−β²) g + β ν with ν standard normal, accepted with probability min(1, w(g′)/w(g)), w
    the weight that is left once the readout is integrated out (Cotter et al. 2013; for wide
    networks Pezzetti et al. 2024, arXiv 2408.14325). num_samples: kept of each chain, one step
    in `thinning`. step_size: β in (0, 1]; by default adapted in warmup towards
    target_accept. space "weights" moves all weights but the readout's (the repriorisation of
    Hron et al. 2022), with collapse=False those as well. chain_method: "parallel" (threads),
    "vectorized" or "sequential". directory: where the chains are kept as they are run; called
    again with the same arguments, and perhaps another num_samples, it goes on from what is
    there, to the draws that one call would have given; `bnnpost.load` reads its draws.nc. Draws
    are dependent: `draws.info.chains` has R-hat and effective sample size of the function
    values, and a ConvergenceWarning says where they are bad. None of these sees a mode that no
    chain visits: cross_check holds long chains against some thousand importance draws of the same
    posterior, where these are worth something, and warns where they contradict the chains.

    Raises TypeError for a legacy key, ValueError for bad arguments and for draws that would not
    fit in memory, FloatingPointError if no prior draw in 100 has a positive weight; OtherRun if
    the directory holds something else, DirectoryInUse if another process works there.
    """
    if step_size is not None:
        step_size = number_between("step_size", step_size, 0.0, 1.0)
    target_accept = number_between("target_accept", target_accept, 0.0, 1.0)
    length = Length(num_samples, num_warmup, num_chains, thinning)
    step = np.float64(math.nan if step_size is None else step_size)
    return chain_run.sampled(
        key,
        posterior,
        lambda made: CrankNicolson(
            space=made,
            num_warmup=np.int64(num_warmup),
            step_size=step,
            target=np.float64(target_accept),
        ),
        length,
        space=space,
        collapse=collapse,
        precision=precision,
        chain_method=chain_method,
        directory=directory,
        cross_check=cross_check,
        progress=progress,
    )
