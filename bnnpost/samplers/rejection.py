"""Rejection: prior draws kept with a probability that makes them posterior draws."""

import os
import time

from jaxtyping import Array

from bnnpost.arguments import positive_integer, real_number
from bnnpost.draws import Draws
from bnnpost.numerics.random import require_key
from bnnpost.posterior import Posterior, require_posterior
from bnnpost.runs.store import Run
from bnnpost.samplers.plan import BOUNDS, BoundExceeded, Goal, Plan
from bnnpost.samplers.rejection_run import StoredBlocks
from bnnpost.samplers.trials import MOST_PROPOSALS
from bnnpost.samplers.warned import warn_user
from bnnpost.storage import OtherRun


def sample(
    key: Array,
    posterior: Posterior,
    *,
    num_samples: int = 1000,
    space: str = "auto",
    collapse: bool = True,
    bound: str = "strict",
    cap: float | None = None,
    max_proposals: int | None = None,
    precision: str = "single",
    allow_nan: bool = False,
    directory: str | os.PathLike[str] | None = None,
    progress: bool = False,
) -> Draws:
    """Independent draws from the exact posterior, in the order of their proposal numbers.

    num_samples: accepted draws asked for. space: "functions" (outputs at the training rows
    are drawn; cost linear in width), "weights" (every weight is drawn, the paper's method)
    or "auto" (functions). collapse: integrate a Gaussian readout out, which multiplies the
    acceptance; taken back where the likelihood or the network does not allow it.
    bound "strict": no weight can exceed it, and draws are exact; `info.bound` says which it is, of
    the likelihood with its readout integrated out ("collapsed") or not ("naive"), or "auxiliary":
    auxiliary rejection, which reaches more points where there is one hidden layer with a bounded
    activation or ReLUs, and is chosen where it is clearly cheaper. "collapsed" and "auxiliary" ask
    for one by name. "capped": weights above a
    cap are possible, and a draw above it carries the rest in `draws.log_weights` (Liu, Chen
    and Wong 1998); what was left to the weights is in `draws.info`, and the result is never
    called exact. cap: its logarithm in nats, on the scale of the log evidence; by default
    the one that leaves 1 % of the posterior's mass to the weights of a pilot, whose random
    numbers are its own. max_proposals: stop there, with what was accepted, and
    `info.complete` False. precision: of the random features; algebra on n × n matrices is
    always double. directory: where what is computed is kept as it is computed; called again
    with the same arguments, and perhaps other numbers of samples or proposals, it goes on
    from what is there, to the draws that one call would have given. `bnnpost.load` reads its
    draws.nc. progress: a bar on stderr, which changes no random number.

    Raises TypeError for a legacy key, ValueError for bad arguments, BoundExceeded if a
    likelihood breaks its own bound, FloatingPointError for NaN weights unless `allow_nan`
    (they are then counted in `info` and never accepted); OtherRun if the directory holds
    something else, DirectoryInUse if another process works there.
    Hron, Bahri, Novak, Pennington and Sohl-Dickstein (2020), section 3.
    """
    started = time.perf_counter()
    require_key(key)
    require_posterior(posterior)
    num_samples = positive_integer("num_samples", num_samples)
    if max_proposals is not None:
        max_proposals = positive_integer("max_proposals", max_proposals, MOST_PROPOSALS)
    cap = cap if cap is None or isinstance(cap, float) else real_number("cap", cap)
    goal = Goal(num_samples, max_proposals)
    plan = Plan.make(
        key,
        posterior,
        space=space,
        collapse=collapse,
        bound=bound,
        cap=cap,
        precision=precision,
    )
    if directory is None:
        plan = plan.settled()
        blocks = plan.blocks(max_proposals)
        return plan.gather(blocks, goal, started=started, allow_nan=allow_nan, progress=progress)
    with Run(directory, Plan).claimed() as run:
        run.begin(plan.begun, warn_user)
        stored = StoredBlocks(run)
        stored.check_origin()
        return stored.finish(goal, started=started, allow_nan=allow_nan, progress=progress)


__all__ = ["BOUNDS", "BoundExceeded", "OtherRun", "sample"]
