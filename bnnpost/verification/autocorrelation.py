"""How dependent the draws of a chain are, and which of them are as good as independent."""

import math

import numpy as np
from jaxtyping import Float

Chains = Float[np.ndarray, "chain draw column"]

# Autocorrelations of independent draws, times √draws, are standard normals: above this they are
# taken for dependent. What is missed at 2,000 draws has a time below 1.2.
_DEPENDENT = 4.0
_LAGS_LOOKED_AT = 3
# Draws this many autocorrelation times apart are correlated by about exp(−4).
_APART = 2.0


def autocorrelation_times(chains: Chains) -> Float[np.ndarray, " column"]:
    """Integrated autocorrelation time of each column, in draws; at least 1.

    τ = 1 + 2 Σ ρ_t, with ρ from all chains together, differences between their means
    included, and the sum cut off by Geyer's initial monotone sequence (Gelman et al. 2013,
    section 11.5; Vehtari et al. 2021). Columns without any autocorrelation to be seen in the
    first lags have 1.
    """
    num_chains, length, num_columns = chains.shape
    if length < 4:
        return np.ones(num_columns)
    covariances = _autocovariances(chains)
    within = covariances[:, 0].mean(axis=0) * length / (length - 1)
    between = np.var(chains.mean(axis=1), axis=0, ddof=1) if num_chains > 1 else 0.0
    total = within * (length - 1) / length + between
    with np.errstate(invalid="ignore", divide="ignore"):
        correlations = 1.0 - (within - covariances.mean(axis=0)) / total
    correlations[0] = 1.0
    times = np.array([_geyer(c) for c in correlations.T])
    seen = _are_dependent(chains, correlations)
    return np.where(seen, np.maximum(times, 1.0), 1.0)


def _autocovariances(chains: Chains) -> Float[np.ndarray, "chain lag column"]:
    """Of each chain about its own mean, divided by its length, by Fourier transform."""
    length = chains.shape[1]
    size = 2 ** math.ceil(math.log2(2 * length))
    spectrum = np.fft.rfft(chains - chains.mean(axis=1, keepdims=True), size, axis=1)
    return np.fft.irfft(np.abs(spectrum) ** 2, size, axis=1)[:, :length] / length


def _geyer(correlations: Float[np.ndarray, " lag"]) -> float:
    """1 + 2 Σ ρ over pairs of lags while their sums are positive, made monotone."""
    pairs = correlations[: len(correlations) // 2 * 2].reshape(-1, 2).sum(axis=1)
    negative = np.flatnonzero(~(pairs > 0))
    kept = pairs[: negative[0]] if len(negative) else pairs
    return float(2 * np.minimum.accumulate(kept).sum() - 1) if len(kept) else 1.0


def _are_dependent(chains: Chains, correlations: np.ndarray) -> np.ndarray:
    lags = correlations[1 : 1 + _LAGS_LOOKED_AT]
    count = chains.shape[0] * chains.shape[1]
    return np.max(lags, axis=0) * math.sqrt(count) > _DEPENDENT


def thinned(chains: Chains, time: float) -> Float[np.ndarray, "draw column"]:
    """Draws two autocorrelation times apart, of all chains one after another; all if time is 1."""
    step = 1 if time <= 1 else math.ceil(_APART * time)
    return chains[:, ::step].reshape(-1, chains.shape[2])
