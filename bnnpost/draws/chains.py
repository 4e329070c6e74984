"""Independent draws stored as four equal pseudo-chains, so that ArviZ's summaries work."""

import numpy as np

NUM_PSEUDO_CHAINS = 4


def num_left_out(num_draws: int) -> int:
    """How many draws at the end do not fit in equal chains."""
    return num_draws % _num_chains(num_draws)


def pseudo_chains(values: np.ndarray) -> np.ndarray:
    """Values [sample, …] as [chain, draw, …]: contiguous quarters, in proposal order.

    The last one to three draws are left out where their number is no multiple of four;
    fewer than four draws make one chain.
    """
    num_chains = _num_chains(len(values))
    length = len(values) // num_chains
    return values[: num_chains * length].reshape(num_chains, length, *values.shape[1:])


def in_chains(values: np.ndarray, num_chains: int | None) -> np.ndarray:
    """Values [sample, …], chain after chain, as [chain, draw, …]; pseudo-chains where None."""
    if num_chains is None:
        return pseudo_chains(values)
    return values.reshape(num_chains, -1, *values.shape[1:])


def _num_chains(num_draws: int) -> int:
    return NUM_PSEUDO_CHAINS if num_draws >= NUM_PSEUDO_CHAINS else 1
