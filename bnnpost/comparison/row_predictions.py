"""What draws say of targets at many inputs: moments, quantiles, class probabilities, row by row.

Rows are taken in blocks, so that no array has all draws at all rows. Where the readout is
integrated out f at a row is a mixture of Gaussians, one a draw, and so is the target under Gaussian
noise: its moments and quantiles are then the mixture's own, and those of the draws elsewhere.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import Float
from scipy.special import ndtr, ndtri

from bnnpost.draws import Draws
from bnnpost.numerics.precision import in_double_precision
from bnnpost.numerics.weights import normalised, weighted_quantile
from bnnpost.samplers.progress import Progress

Columns = dict[str, Float[np.ndarray, "m *k"]]
# Rows at a time: the time a row takes is least at about as many.
_BLOCK = 32
# Folded into the draws' key for the noise of observations.
_NOISE = 0x6E6F6973
# Halvings of the interval that a quantile lies in.
_HALVINGS = 50


def row_predictions(
    draws: Draws,
    x: Float[np.ndarray, "m f"],
    quantiles: Sequence[float] = (0.05, 0.5, 0.95),
    *,
    progress: bool = False,
) -> Columns:
    """By name, arrays [row, output], with the draws' weights.

    Of targets that are numbers or counts: mean and std of the target, noise included; f_mean and
    f_std of f, without it; and for each level of quantiles its quantile, named "q05" for 0.05. Of
    classes "probability", of each class, or of 1 for each output. A row's numbers in another list
    of rows are the same but for the noise of the draws. Raises ValueError for no draws, levels
    outside 0 to 1, and a likelihood that does not say how observations are drawn.
    """
    _check(draws, quantiles)
    weights, parts = normalised(draws.log_weights), []
    with Progress(len(x), enabled=progress, label="predicted", unit="row", delay=1.0) as bar:
        for start in range(0, len(x), _BLOCK):
            block = x[start : start + _BLOCK]
            parts.append(_block(draws, block, weights, quantiles, start // _BLOCK))
            bar.show(start + len(block))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def quantile_name(level: float) -> str:
    """q05 for 0.05, q97.5 for 0.975."""
    percent = float(f"{100 * level:.10g}")
    return f"q{'0' if percent < 10 else ''}{percent:g}"


def _check(draws: Draws, quantiles: Sequence[float]) -> None:
    likelihood = draws.posterior.likelihood
    if not len(draws):
        raise ValueError("there are no draws to predict with")
    wrong = [level for level in quantiles if not 0 < level < 1]
    if wrong:
        raise ValueError(f"quantiles: expected levels between 0 and 1, got {wrong[0]:g}")
    if not (likelihood.defines("probabilities") or _is_gaussian(draws) or likelihood.can_sample):
        raise ValueError(
            f"{type(likelihood).__name__} does not say how observations are drawn: define "
            "sample(self, key, outputs) to predict"
        )


def _is_gaussian(draws: Draws) -> bool:
    """Whether the noise of each draw is Gaussian, of a size that it knows."""
    likelihood = draws.posterior.likelihood
    return likelihood.known_std is not None or likelihood.shares_noise


def _block(
    draws: Draws,
    x: Float[np.ndarray, "m f"],
    weights: Float[np.ndarray, " s"],
    quantiles: Sequence[float],
    number: int,
) -> Columns:
    likelihood = draws.posterior.likelihood
    if likelihood.defines("probabilities"):
        chances = _probabilities(likelihood, draws.predict(x))
        return {"probability": np.tensordot(weights, chances, axes=1)}
    means, variances = _components(draws, x)
    found = dict(zip(("f_mean", "f_std"), _moments(means, variances, weights), strict=True))
    if _is_gaussian(draws):
        noise_std = draws.noise_std() if likelihood.shares_noise else likelihood.known_std
        noisy = variances + np.reshape(np.asarray(noise_std, np.float64) ** 2, (-1, 1, 1))
        mean, std = _moments(means, noisy, weights)
        at = {
            quantile_name(level): _mixture_quantile(means, np.sqrt(noisy), weights, level)
            for level in quantiles
        }
        return {"mean": mean, "std": std, **found, **at}
    key = jax.random.fold_in(jax.random.fold_in(draws.key, _NOISE), number)
    observed = draws.predictive(key, x)
    mean, std = _moments(observed, np.zeros_like(observed), weights)
    if likelihood.noise_law is not None:  # whose noise has mean 0 and a std of its own
        noise_var = float(getattr(likelihood, "noise_std", np.nan)) ** 2
        mean, std = found["f_mean"], np.sqrt(found["f_std"] ** 2 + noise_var)
    at = {quantile_name(level): weighted_quantile(observed, weights, level) for level in quantiles}
    return {"mean": mean, "std": std, **found, **at}


@in_double_precision
def _probabilities(likelihood: Any, f: Float[np.ndarray, "s m k"]) -> np.ndarray:
    return np.asarray(likelihood.probabilities(jax.numpy.asarray(f)))


def _components(draws: Draws, x: Float[np.ndarray, "m f"]) -> tuple[np.ndarray, np.ndarray]:
    """Means and variances of f given each draw, [draw, row, output]; 0 where f itself is drawn."""
    if not draws.space.collapse:
        f = draws.predict(x)
        return f, np.zeros_like(f)
    mixture = draws.mixture(x)
    shape = (*mixture.means.shape[:2], -1)
    return mixture.means, np.broadcast_to(mixture.variances.reshape(shape), mixture.means.shape)


def _moments(
    means: Float[np.ndarray, "s m k"],
    variances: Float[np.ndarray, "s m k"],
    weights: Float[np.ndarray, " s"],
) -> tuple[Float[np.ndarray, "m k"], Float[np.ndarray, "m k"]]:
    """Mean and std of a mixture."""
    mean = np.tensordot(weights, means, axes=1)
    return mean, np.sqrt(np.tensordot(weights, variances + (means - mean) ** 2, axes=1))


def _mixture_quantile(
    means: Float[np.ndarray, "s m k"],
    stds: Float[np.ndarray, "s m k"],
    weights: Float[np.ndarray, " s"],
    level: float,
) -> Float[np.ndarray, "m k"]:
    """Where the distribution function of a mixture of Gaussians is `level`, by bisection.

    It lies between the least and the largest of the components' own.
    """
    own = means + stds * ndtri(level)
    low, high = own.min(axis=0), own.max(axis=0)
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        below = np.tensordot(weights, ndtr((middle - means) / stds), axes=1) < level
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return 0.5 * (low + high)


def in_own_units(found: Mapping[str, np.ndarray], scaling: Any) -> Columns:
    """The same in the units of the columns of targets, whose scaling this is."""
    spreads = {"std", "f_std"}
    return {
        name: (scaling.spreads if name in spreads else scaling.values)(one)
        for name, one in found.items()
    }
