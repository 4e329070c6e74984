"""How many independent draws correlated ones are worth."""

import numpy as np
from jaxtyping import Float


def effective_sizes(chains: Float[np.ndarray, "c d q"]) -> Float[np.ndarray, " q"]:
    """Effective sample size of the mean of each of q quantities, over all chains together.

    chains [chain, draw, quantity]. c·d/τ, with τ = −1 + 2 Σ ρ_t over Geyer's (1992) initial
    monotone sequence and ρ_t the autocorrelation that counts differences between chains
    (Vehtari et al. 2021, eqs. 10 to 13). NaN for a quantity that never changes.
    """
    num_chains, length, _ = chains.shape
    covariance = _autocovariances(chains)
    within = covariance[0] * length / max(length - 1, 1)
    between = np.var(chains.mean(axis=1), axis=0, ddof=1) if num_chains > 1 else 0.0
    total = covariance[0] + between
    with np.errstate(invalid="ignore", divide="ignore"):
        rho = 1 - (within - covariance * length / max(length - 1, 1)) / total
        pairs = rho[: length // 2 * 2].reshape(-1, 2, rho.shape[1]).sum(axis=1)
        alive = np.cumprod(pairs > 0, axis=0)
        monotone = np.minimum.accumulate(np.where(alive, pairs, 0.0), axis=0)
        times = np.maximum(2 * monotone.sum(axis=0) - 1, 1 / np.log10(max(chains[..., 0].size, 10)))
        return np.where(total > 0, num_chains * length / times, np.nan)


def _autocovariances(chains: Float[np.ndarray, "c d q"]) -> Float[np.ndarray, "d q"]:
    """Mean over chains of the autocovariance at each lag, divided by the length throughout."""
    length = chains.shape[1]
    centred = chains - chains.mean(axis=1, keepdims=True)
    spectrum = np.fft.rfft(centred, 2 * length, axis=1)
    full = np.fft.irfft(np.abs(spectrum) ** 2, 2 * length, axis=1)
    return full[:, :length].mean(axis=0) / length
