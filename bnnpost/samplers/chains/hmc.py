"""Hamiltonian Monte Carlo: numpyro's NUTS and HMC in weight space, and in function space."""

from collections.abc import Callable
from typing import Any

from jaxtyping import Array

from bnnpost.draws import Draws
from bnnpost.posterior import Posterior, require_posterior
from bnnpost.samplers.chains import entry
from bnnpost.samplers.kernels.numpyro_sampler import Hamiltonian, describe


def model(posterior: Posterior, *, observed: bool = True) -> Callable[..., None]:
    """The posterior as a numpyro model, for any of numpyro's samplers.

    The model takes the targets as an argument y of the shape of the posterior's, which it has by
    default. observed=False: without y it draws them, as `numpyro.infer.Predictive` and packages
    for simulation-based calibration expect.

    Sites "layer0.weights" [fan_in, width], "layer0.biases" [width] and so on, before
    w_std/√fan_in and b_std multiply them; "layer0.w_std" or "layer0.w_var" where a scale is
    random; "noise_std" or "noise_var" where the noise is; "f" [point, output], deterministic:
    function values at the training inputs; "y" [point, target], observed. Fixed parameters are no
    sites. Follows JAX's x64 flag.

    Weights are not identifiable (units may be exchanged, signs flipped): look at "f".
    Raises TypeError for something that is no posterior; the model ValueError for y of another
    shape, or not of this likelihood, and TypeError where it is to draw y and the likelihood does
    not say how.
    """
    require_posterior(posterior)

    def described(y: object | None = posterior.targets if observed else None) -> None:
        describe(posterior, None if y is None else posterior.checked_targets(y))

    return described


def sample(
    key: Array,
    posterior: Posterior,
    *,
    method: str = "nuts",
    integrator: str | None = None,
    num_steps: int | None = None,
    step_size: float | None = None,
    target_accept: float = 0.8,
    max_tree_depth: int = 10,
    **options: Any,
) -> Draws:
    """Chains by NUTS or HMC: the baseline in weight space, or faster in function space.

    space "weights", the default, runs numpyro on `hmc.model(posterior)`, every weight a coordinate.
    space "functions" moves the standard normals behind the functions, the readout integrated out
    (the repriorisation of Hron et al. 2022, arXiv 2206.07673, at a cost linear in width);
    space="weights" with collapse=True is that of the paper, which moves the hidden weights.

    method "nuts" (no trajectory length to choose) or "hmc". integrator of "hmc": "leapfrog"
    (numpyro's), or, where standard normals are moved, "rotation" (the default there), which
    turns them exactly and kicks by the gradient of the weight. num_steps: in a trajectory of
    "hmc"; by default 3 rotations, or leapfrog steps up to length π/2. step_size: adapted in warmup
    towards target_accept unless given. options, draws and errors as in `chains.sample`;
    `sample_stats` has energy, divergences and steps.
    """

    kernel = Hamiltonian(method, integrator, step_size, target_accept, num_steps, max_tree_depth)
    return entry.sample(key, posterior, kernel, **options)


__all__ = ["model", "sample"]
