"""Independent draws by coupled chains, at a measured distance from the posterior."""

import functools
import os
import time
from typing import Any

from jaxtyping import Array

from bnnpost.draws import Draws
from bnnpost.posterior import Posterior
from bnnpost.runs.store import Run
from bnnpost.samplers.coupled.bounds import TOLERANCE, checked_goal
from bnnpost.samplers.coupled.pair_draws import Pairing, PairProgress
from bnnpost.samplers.coupled.pair_run import StoredPairs
from bnnpost.samplers.coupled.pairs import PairOutcome
from bnnpost.samplers.kernels.kernel import Coupling, Moved, Paired
from bnnpost.samplers.kernels.rotation import Blend
from bnnpost.samplers.warned import warn_user

# The public names that kernels have here.
__all__ = ["Blend", "Coupling", "Moved", "Paired", "sample"]


def sample(
    key: Array,
    posterior: Posterior,
    *,
    num_samples: int = 1000,
    tolerance: float = TOLERANCE,
    directory: str | os.PathLike[str] | None = None,
    progress: bool = False,
    **options: Any,
) -> Draws:
    """Independent draws, each from a pair of coupled chains, at a step that is late enough.

    Two chains with common randomness, one `lag` steps ahead, that meet exactly bound the total
    variation of a step's law from the posterior by when they meet (Biswas, Jacob and Vanetti 2019;
    Jacob, O'Leary and Atchadé 2020). All draws are those of the first step at which the upper 95 %
    limit of that bound, estimated from all pairs, is at most `tolerance`; `info.coupled` has the
    limit, the meeting times and what was tuned. They are not exact, and never called so.

    options: kernel="auto", lag=None, max_steps=10_000, space="functions", collapse=True,
    precision="single". kernel: "hmc", a trajectory by rotations of the standard normals behind the
    functions (or, space "weights", behind the weights) and then a single rotation, in which chains
    meet; "pcn" or "slice", which meet where weights vary little; one of these of
    `bnnpost.chains`, with settings of its own, or one of your own with a coupling; or "auto", which
    proposes prior draws (pcn of step size 1) where their weights tell that they reach all but about
    1 % of the posterior, else "hmc". The readout is integrated out unless collapse is False or the
    likelihood does not allow it. Its steps and, if None, lag are found by pilot pairs with random
    numbers of their own, and frozen. max_steps: the most that a pair is run in search of a meeting.
    precision: of the random features. directory: where pairs are kept as they are done, and what
    the pilot found; called again with the same arguments, and perhaps another num_samples or
    tolerance, it goes on from what is there, to the draws that one call would have given;
    `bnnpost.load` reads its draws.nc. progress: a bar on stderr.

    Where a pair has not met, the bound is 1, and NotMetWarning says so; `info.complete` is False
    there, and wherever the limit is above the tolerance at every step. Raises TypeError for a
    legacy key or no posterior; ValueError for bad arguments, among them a tolerance that so few
    pairs cannot show, and for draws that would not fit in memory; NotMet where pairs of the pilot
    do not meet; NotImplementedError for a prior that has no map from standard normals;
    FloatingPointError if no prior draw in 100 has a positive weight; OtherRun if the directory
    holds something else, DirectoryInUse if another process works there.
    """
    started = time.perf_counter()
    num_samples, tolerance = checked_goal(num_samples, tolerance)
    make = functools.partial(Pairing.make, key, posterior, num_samples, options)
    if directory is None:
        pairing = make()
        outcomes: list[PairOutcome] = []
        with PairProgress(num_samples, enabled=progress) as bar:
            for one in pairing.run(range(num_samples)):
                outcomes.append(one)
                bar.count(one)
        return pairing.draws(outcomes, tolerance, started=started, before=0.0)
    with Run(directory, Pairing).claimed() as run:
        run.begin(make, warn_user)
        return StoredPairs(run).finish(num_samples, tolerance, started=started, progress=progress)
