"""Hamiltonian Monte Carlo: numpyro's NUTS and HMC in weight space, and in function space."""

import math
import time
from collections.abc import Callable

import numpy as np
from jaxtyping import Array

from bnnpost.arguments import LARGEST_STD, number_between, positive_integer
from bnnpost.draws import Draws
from bnnpost.numerics.random import require_key
from bnnpost.posterior import Posterior
from bnnpost.samplers import chain_run
from bnnpost.samplers.chains import Length
from bnnpost.samplers.kernels import Kernel
from bnnpost.samplers.moves import Rotation
from bnnpost.spaces.making import make_space
from bnnpost.spaces.space import Space

# Of 2^30 steps, which are counted in 32 bits.
_DEEPEST_TREE = 30
_METHODS = ("nuts", "hmc")
_INTEGRATORS = ("leapfrog", "rotation")
# Of HMC by rotation: with so few, acceptance is about the target at every width.
_ROTATIONS = 3


def model(posterior: Posterior) -> Callable[[], None]:
    """The posterior as a numpyro model without arguments, for any of numpyro's samplers.

    Sites "layer0.weights" [fan_in, width], "layer0.biases" [width] and so on, before
    w_std/√fan_in and b_std multiply them; "layer0.w_std" or "layer0.w_var" where a scale is
    random; "noise_std" or "noise_var" where the noise is; "f" [point, output], deterministic:
    function values at the training inputs; "y", observed, for Gaussian noise, else the factor
    "log_likelihood". Fixed parameters are no sites. Follows JAX's x64 flag.

    Weights are not identifiable (units may be exchanged, signs flipped): look at "f".
    Raises TypeError for something that is no posterior.
    """
    if not isinstance(posterior, Posterior):
        raise TypeError(f"expected a bnnpost.Posterior, got {type(posterior).__name__}")
    from bnnpost.samplers import numpyro_model

    return lambda: numpyro_model.describe(posterior)


def sample(
    key: Array,
    posterior: Posterior,
    *,
    num_samples: int = 1000,
    num_warmup: int = 1000,
    num_chains: int = 4,
    thinning: int = 1,
    space: str = "weights",
    collapse: bool | None = None,
    method: str = "nuts",
    integrator: str | None = None,
    num_steps: int | None = None,
    step_size: float | None = None,
    target_accept: float = 0.8,
    max_tree_depth: int = 10,
    precision: str = "single",
    chain_method: str = "auto",
    directory: chain_run.Where = None,
    cross_check: bool = True,
    progress: bool = False,
) -> Draws:
    """Chains by NUTS or HMC: the baseline in weight space, or faster in function space.

    space "weights" runs numpyro on `hmc.model(posterior)`, every weight a coordinate. space
    "functions" moves the standard normals behind the functions, the readout integrated out (the
    repriorisation of Hron et al. 2022, arXiv 2206.07673, at a cost linear in width);
    space="weights" with collapse=True is that of the paper, which moves the hidden weights.

    method "nuts" (no trajectory length to choose) or "hmc". integrator of "hmc": "leapfrog"
    (numpyro's), or, where standard normals are moved, "rotation" (the default there), which
    turns them exactly and kicks by the gradient of the weight. num_steps: in a trajectory of
    "hmc"; by default 3 rotations, or leapfrog steps up to length π/2. num_samples: kept of each
    chain, one transition in `thinning`. step_size: adapted in warmup towards target_accept
    unless given. chain_method: "parallel" (threads), "vectorized" or "sequential".
    directory: where the chains are kept as they are run; called again with the same arguments,
    and perhaps another num_samples, it goes on from what is there, to the draws that one call
    would have given; `bnnpost.load` reads its draws.nc.

    Draws are dependent, and from the posterior only in the limit of long chains:
    `draws.info.chains` has R-hat and effective sample sizes of function values, `sample_stats`
    energy, divergences and steps, and a ConvergenceWarning says where they are bad; cross_check
    as in `pcn.sample`.
    Raises TypeError for a legacy key, ValueError for bad arguments and for draws that would not
    fit in memory, FloatingPointError if no prior draw in 100 has a finite density; OtherRun if
    the directory holds something else, DirectoryInUse if another process works there.
    """
    started = time.perf_counter()
    require_key(key)
    if not isinstance(posterior, Posterior):
        raise TypeError(f"expected a bnnpost.Posterior, got {type(posterior).__name__}")
    length = Length(num_samples, num_warmup, num_chains, thinning)
    target_accept = number_between("target_accept", target_accept, 0.0, 1.0)
    if step_size is not None:
        step_size = number_between("step_size", step_size, 0.0, LARGEST_STD)
    max_tree_depth = positive_integer("max_tree_depth", max_tree_depth, _DEEPEST_TREE)
    if num_steps is not None:
        num_steps = positive_integer("num_steps", num_steps)
    collapse = space != "weights" if collapse is None else collapse
    made = make_space(
        posterior, space=space, collapse=collapse, precision=precision, strict=False, alone=True
    )
    by_model = made.form == "weights" and not made.collapse
    integrator = _checked(method, integrator, num_steps, by_model)
    kernel: Kernel
    if integrator == "rotation":
        kernel = _rotation(made, num_warmup, step_size, target_accept, num_steps)
    else:
        from bnnpost.samplers import hamiltonian

        kernel = hamiltonian.Hamiltonian(
            density=hamiltonian.WeightDensity(posterior)
            if by_model
            else hamiltonian.NormalsDensity(made),
            name=method,
            num_warmup=num_warmup,
            double=precision == "double" or not by_model,
            step_size=step_size,
            target=target_accept,
            num_steps=num_steps,
            max_tree_depth=max_tree_depth,
            mass=by_model,
        )
    settings = key, length, chain_method, cross_check, progress, started, directory
    return chain_run.finished(kernel, made, *settings)


def _checked(method: str, integrator: str | None, num_steps: int | None, by_model: bool) -> str:
    """The integrator to use; raises ValueError for what does not go together."""
    if method not in _METHODS:
        raise ValueError(f"expected method to be {' or '.join(_METHODS)}, got {method!r}")
    if integrator is not None and integrator not in _INTEGRATORS:
        raise ValueError(
            f"expected integrator to be {' or '.join(_INTEGRATORS)}, got {integrator!r}"
        )
    if method == "nuts":
        if integrator == "rotation" or num_steps is not None:
            raise ValueError(
                "NUTS takes leapfrog steps, as many as it finds it needs: for rotations or a "
                'number of steps use method="hmc"'
            )
        return "leapfrog"
    if integrator is None:
        return "leapfrog" if by_model else "rotation"
    if integrator == "rotation" and by_model:
        raise ValueError('rotations need standard normals: use space="functions", or collapse=True')
    return integrator


def _rotation(
    space: Space, num_warmup: int, step_size: float | None, target: float, num_steps: int | None
) -> Kernel:
    return Rotation(
        space=space,
        num_warmup=np.int64(num_warmup),
        step_size=np.float64(math.nan if step_size is None else step_size),
        target=np.float64(target),
        num_steps=np.int64(_ROTATIONS if num_steps is None else num_steps),
    )


__all__ = ["model", "sample"]
