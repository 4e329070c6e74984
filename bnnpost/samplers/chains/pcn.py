"""Preconditioned Crank–Nicolson in function space."""

from typing import Any

from jaxtyping import Array

from bnnpost.draws import Draws
from bnnpost.posterior import Posterior
from bnnpost.samplers.chains import entry
from bnnpost.samplers.kernels.crank_nicolson import CrankNicolson


def sample(
    key: Array,
    posterior: Posterior,
    *,
    step_size: float | None = None,
    target_accept: float = 0.3,
    **options: Any,
) -> Draws:
    """Chains by preconditioned Crank–Nicolson on the standard normals behind the functions.

    g′ = √(1−β²) g + β ν with ν standard normal, accepted with probability min(1, w(g′)/w(g)), w
    the weight that is left once the readout is integrated out (Cotter et al. 2013; for wide
    networks Pezzetti et al. 2024, arXiv 2408.14325). step_size: β in (0, 1]; by default adapted in
    warmup towards target_accept. options, draws and errors as in `chains.sample`; space "weights"
    moves all weights but the readout's (the repriorisation of Hron et al. 2022), with
    collapse=False those as well.
    """
    kernel = CrankNicolson(step_size, target_accept)
    return entry.sample(key, posterior, kernel, **options)
