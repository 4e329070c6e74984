"""Draws by chains, whatever moves them."""

import collections
import functools
import os
import time

from jaxtyping import Array

from bnnpost.draws import Draws
from bnnpost.posterior import Posterior
from bnnpost.runs.store import Run
from bnnpost.samplers.chains import chain_draws
from bnnpost.samplers.chains.chain_run import StoredChains
from bnnpost.samplers.chains.run import ChainsPlan, Runner, run_chains
from bnnpost.samplers.kernels.crank_nicolson import CrankNicolson
from bnnpost.samplers.kernels.kernel import Kernel, Target, begin
from bnnpost.samplers.kernels.rotation import Rotation
from bnnpost.samplers.kernels.slices import EllipticalSlice
from bnnpost.samplers.warned import warn_user

# The public names of the room, but for those that load numpyro.
__all__ = [
    "CrankNicolson",
    "EllipticalSlice",
    "Kernel",
    "Rotation",
    "Target",
    "begin",
    "sample",
]


def sample(
    key: Array,
    posterior: Posterior,
    kernel: Kernel,
    *,
    num_samples: int = 1000,
    num_warmup: int | str | None = None,
    num_chains: int = 4,
    thinning: int = 1,
    space: str | None = None,
    collapse: bool | None = None,
    precision: str = "single",
    chain_method: str = "auto",
    cross_check: bool = True,
    directory: str | os.PathLike[str] | None = None,
    progress: bool = False,
) -> Draws:
    """Chains of one kernel: `chains.CrankNicolson()`, `chains.Hamiltonian("nuts")`, or your own.

    num_samples: kept of each chain, one transition in `thinning`, after num_warmup in which a
    kernel adapts itself (by default 1000; of elliptical slice 100). num_warmup "measured": as many
    as pairs of coupled chains show to leave each chain within 0.02 of the posterior in total
    variation (`bnnpost.mixing`), of pcn, elliptical slices and hmc by rotations; nothing adapts
    then, each trajectory of hmc has a single rotation after it, and NotMet is raised
    where pairs do not meet. Chains move the standard
    normals behind the functions (space "functions") or behind the weights ("weights", the default
    of `Hamiltonian` alone), the readout integrated out unless collapse is False or the likelihood
    does not allow it; in space "weights" `Hamiltonian` collapses nothing unless told to, and moves
    the weights themselves. precision: of the random features, "single" or "double".
    chain_method: "parallel" (threads), "vectorized" (one program) or "sequential".
    directory: where the chains are kept as they are run; called again with the same arguments, and
    perhaps another num_samples, it goes on from what is there, to the draws that one call would
    have given; `bnnpost.load` reads its draws.nc. progress: a bar on stderr.

    Draws are dependent, and from the posterior only in the limit of long chains:
    `draws.info.chains` has R-hat and effective sample sizes of function values, and a
    ConvergenceWarning says where they are bad. None of these sees a mode that no chain visits:
    cross_check holds long chains against some thousand importance draws of the same posterior,
    where these are worth something, and warns where they contradict the chains.

    Raises TypeError for a legacy key, ValueError for bad arguments and for draws that would not fit
    in memory, FloatingPointError if no prior draw in 100 has a positive weight; OtherRun if the
    directory holds something else, DirectoryInUse if another process works there.
    """
    started = time.perf_counter()
    make = functools.partial(
        ChainsPlan.make,
        key,
        posterior,
        kernel,
        num_samples=num_samples,
        num_warmup=num_warmup,
        num_chains=num_chains,
        thinning=thinning,
        space=space,
        collapse=collapse,
        precision=precision,
        chain_method=chain_method,
        cross_check=cross_check,
    )
    if directory is None:
        chains = make()
        [done] = collections.deque(run_chains(Runner(chains), progress=progress), maxlen=1)
        return chain_draws.draws(chains, done, time.perf_counter() - started)
    with Run(directory, ChainsPlan).claimed() as run:
        run.begin(lambda record: make(), warn_user)
        return StoredChains(run).finish(started=started, progress=progress)
