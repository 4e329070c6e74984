"""The reference's distribution function at each draw: uniform numbers if the draws are right."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

# Places of the distribution function's table, and components that it averages, at most.
_NUM_PLACES, _MOST_COMPONENTS = 513, 8_000
# The reference's own error is looked at where its distribution function is within these.
_INNER = (0.02, 0.98)
# A normal deviate that is exceeded one time in ten.
_ONE_IN_TEN = 1.2816


@dataclass(frozen=True)
class Distribution:
    """The distribution function of one column of the reference.

    places, values: a table of it. error: variance of its estimate times the reference's draws,
    over F (1 − F): 1 for an empirical one, less for a mixture of wide Gaussians.
    """

    places: Float[np.ndarray, " p"]
    values: Float[np.ndarray, " p"]
    error: float

    def at(self, f: Float[np.ndarray, " draw"]) -> Float[np.ndarray, " draw"]:
        """F(f)."""
        return np.interp(f, self.places, self.values, left=0.0, right=1.0)


def of_draws(values: Float[np.ndarray, " draw"]) -> Distribution:
    """The empirical distribution function, with F = (rank − ½)/draws at the draws."""
    ordered = np.sort(values)
    return Distribution(ordered, (np.arange(len(values)) + 0.5) / len(values), 1.0)


def of_components(
    means: Float[np.ndarray, " draw"], variances: Float[np.ndarray, " draw"]
) -> Distribution:
    """That of the mixture of Gaussians."""
    from scipy.special import ndtr

    count = len(means)
    used = slice(None, None, max(1, -(-count // _MOST_COMPONENTS)))
    means, std = means[used], np.sqrt(variances[used])
    centre, spread = means.mean(), np.sqrt(np.mean(std**2) + means.var())
    # Closer together in the middle; out to eight standard deviations or the outermost component.
    reach = max(8.0, float(np.max((np.abs(means - centre) + 6 * std) / spread)))
    grid = np.sinh(np.linspace(-1, 1, _NUM_PLACES) * np.arcsinh(reach))
    places = centre + spread * grid
    each = ndtr((places[:, None] - means) / std)
    values = each.mean(axis=1)
    inner = (values > _INNER[0]) & (values < _INNER[1])
    ratios = each[inner].var(axis=1) / (values[inner] * (1 - values[inner]))
    return Distribution(places, values, float(ratios.max()) * count / len(means))


def kolmogorov(uniforms: Float[np.ndarray, " draw"], effective: float) -> tuple[float, float]:
    """Largest distance of the empirical distribution from uniform, and its p-value.

    effective: draws that the distance's error is worth, both sides' errors counted. p by
    Stephens's correction of Kolmogorov's law (1970).
    """
    from scipy.special import kolmogorov as law

    ordered, count = np.sort(uniforms), len(uniforms)
    above = np.arange(1, count + 1) / count - ordered
    below = ordered - np.arange(count) / count
    distance = float(max(np.max(above), np.max(below)))
    root = np.sqrt(effective)
    return distance, float(law(distance * (root + 0.12 + 0.11 / root)))


def found_nine_times_in_ten(level: float, effective: float) -> float:
    """The distance at one place that is found at this level in nine of ten runs."""
    from scipy.special import kolmogi

    return float(kolmogi(level) + _ONE_IN_TEN / 2) / np.sqrt(effective)
