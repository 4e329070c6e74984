"""How dependent the draws of a chain are, and which of them are as good as independent."""

import math

import numpy as np
from jaxtyping import Float

# Autocorrelations of independent draws, times √draws, are standard normals: above this they are
# taken for dependent. What is missed at 2,000 draws has a time below 1.2.
_DEPENDENT = 4.0
_LAGS_LOOKED_AT = 3
# Autocorrelation times between draws that are taken for independent, correlated by about exp(−4);
# and between those that are counted as what they are worth, by about exp(−2).
APART, NEAR = 2.0, 1.0
# Draws of a chain of which anything can be said.
_FEWEST = 4


def effective_sizes(chains: Float[np.ndarray, "c d q"]) -> Float[np.ndarray, " q"]:
    """Effective sample size of the mean of each of q quantities, over all chains together.

    chains [chain, draw, quantity]. c·d/τ, with τ = −1 + 2 Σ ρ_t over Geyer's (1992) initial
    monotone sequence and ρ_t the autocorrelation that counts differences between chains
    (Vehtari et al. 2021, eqs. 10 to 13). NaN for a quantity that never changes.
    """
    num_chains, length, _ = chains.shape
    rho = _autocorrelations(chains)
    with np.errstate(invalid="ignore"):
        pairs = rho[: length // 2 * 2].reshape(-1, 2, rho.shape[1]).sum(axis=1)
        alive = np.cumprod(pairs > 0, axis=0)
        monotone = np.minimum.accumulate(np.where(alive, pairs, 0.0), axis=0)
        times = np.maximum(2 * monotone.sum(axis=0) - 1, 1 / np.log10(max(chains[..., 0].size, 10)))
        return np.where(np.isfinite(rho[0]), num_chains * length / times, np.nan)


def autocorrelation_times(chains: Float[np.ndarray, "c d q"]) -> Float[np.ndarray, " q"]:
    """Integrated autocorrelation time τ of each quantity within its chains, in draws.

    As above, but for differences between chains' means, which are another matter. 1 where none
    of the first lags shows any autocorrelation: an estimate of τ would then be noise. At least 1.
    """
    num_chains, length, num_quantities = chains.shape
    if length < _FEWEST:
        return np.ones(num_quantities)
    within = chains - chains.mean(axis=1, keepdims=True)
    lags = _autocorrelations(within)[1 : 1 + _LAGS_LOOKED_AT]
    seen = np.max(lags, axis=0) * math.sqrt(num_chains * length) > _DEPENDENT
    times = num_chains * length / effective_sizes(within)
    return np.where(seen, np.maximum(times, 1.0), 1.0)


def thinned_chains(
    chains: Float[np.ndarray, "c d q"], time: float, apart: float = APART
) -> Float[np.ndarray, "draw q"]:
    """Draws so many autocorrelation times apart, of all chains in turn; all if time is 1."""
    return chains[:, :: _step(time, apart)].reshape(-1, chains.shape[2])


def _step(time: float, apart: float) -> int:
    return 1 if time <= 1 else math.ceil(apart * time)


def thinned_time(chains: Float[np.ndarray, "c d q"], time: float, apart: float) -> float:
    """The autocorrelation time of what `thinned_chains` leaves, in draws that are left; at least 1.

    The largest of those that the thinned quantities show and of that of a geometric decay with
    this time.
    """
    if time <= 1:
        return 1.0
    step = _step(time, apart)
    left = ((time - 1) / (time + 1)) ** step
    return max((1 + left) / (1 - left), float(autocorrelation_times(chains[:, ::step]).max()))


def _autocorrelations(chains: Float[np.ndarray, "c d q"]) -> Float[np.ndarray, "d q"]:
    """At each lag, over all chains; NaN for a quantity that never changes."""
    num_chains, length, _ = chains.shape
    covariance = _autocovariances(chains)
    unbiased = length / max(length - 1, 1)
    between = np.var(chains.mean(axis=1), axis=0, ddof=1) if num_chains > 1 else 0.0
    total = covariance[0] + between
    with np.errstate(invalid="ignore", divide="ignore"):
        return 1 - (covariance[0] - covariance) * unbiased / np.where(total > 0, total, np.nan)


def _autocovariances(chains: Float[np.ndarray, "c d q"]) -> Float[np.ndarray, "d q"]:
    """Mean over chains of the autocovariance at each lag, divided by the length throughout."""
    length = chains.shape[1]
    centred = chains - chains.mean(axis=1, keepdims=True)
    spectrum = np.fft.rfft(centred, 2 * length, axis=1)
    full = np.fft.irfft(np.abs(spectrum) ** 2, 2 * length, axis=1)
    return full[:, :length].mean(axis=0) / length
