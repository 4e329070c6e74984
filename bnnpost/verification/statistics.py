"""What is ranked: function values, the log likelihood, the distance from the mean, the noise."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from bnnpost.likelihoods.base import log_likelihoods
from bnnpost.numerics.precision import in_double_precision
from bnnpost.posterior import Posterior
from bnnpost.verification.answers import Answer
from bnnpost.verification.autocorrelation import effective_sizes
from bnnpost.verification.scores import normal_scores
from bnnpost.verification.teacher import Teacher

LOG_LIKELIHOOD, DISTANCE, NOISE_STD = "log likelihood", "distance from the mean", "noise std"


def selected(log_weights: Float[np.ndarray, " s"], count: int, place: float) -> np.ndarray:
    """Places of `count` draws, each chosen as often as its weight says, as few twice as can be.

    Systematic: at (i + place)/count of the summed weights, with `place` uniform in [0, 1). Of
    equally weighted draws evenly spaced ones, so that a chain is thinned as far as it can be.
    """
    weights = np.exp(log_weights - np.max(log_weights))
    edges = np.cumsum(weights) / weights.sum()
    places = (np.arange(count) + place) / count
    return np.minimum(np.searchsorted(edges, places, side="right"), len(edges) - 1)


def rank(
    truth: Float[np.ndarray, " q"], draws: Float[np.ndarray, "l q"], places: Float[np.ndarray, " q"]
) -> Int[np.ndarray, " q"]:
    """How many draws are less than the truth; one place of those with equal draws at random.

    places: uniform in [0, 1), one for each quantity.
    """
    below, equal = np.sum(draws < truth, axis=0), np.sum(draws == truth, axis=0)
    return below + np.floor(places * (equal + 1)).astype(int)  # type: ignore[no-any-return]


def distances_from_mean(
    truth: Float[np.ndarray, " p"], draws: Float[np.ndarray, "l p"]
) -> Float[np.ndarray, " l+1"]:
    """Mean squared distance from the mean, in standard deviations, of the truth and each draw.

    Mean and standard deviation of each value are of the truth and the draws together, which
    makes all of them exchangeable if the truth is one more draw, whatever their law (where tails
    are heavy the furthest draws decide, which finds less but is as valid). It tells at many values
    at once whether draws spread as they should. Values that never change are left out.
    """
    together = np.concatenate([truth[None], draws])
    std = together.std(axis=0)
    changing = std > 0
    scores = (together - together.mean(axis=0))[:, changing] / std[changing]
    return np.sum(scores**2, axis=1) / max(int(changing.sum()), 1)


@dataclass(frozen=True)
class Statistics:
    """Which function values are ranked, by their places in [point · output].

    names: of all statistics, in the order of `Ranked.ranks`.
    """

    chosen: Int[np.ndarray, " v"]
    names: tuple[str, ...]
    with_noise: bool

    @classmethod
    def of(
        cls,
        posterior: Posterior,
        num_test: int,
        num_values: int,
        with_noise: bool,
        copies: int = 1,
    ) -> "Statistics":
        """num_values: of the values at the training and of those at the test inputs, at most.

        copies: how often the training inputs come before the test inputs.
        """
        num_outputs, chosen, names = posterior.num_outputs, [], []
        for name, first, count in (
            ("x", 0, posterior.num_points),
            ("x_test", copies * posterior.num_points, num_test),
        ):
            size = count * num_outputs
            for place in np.linspace(0, size - 1, min(size, num_values)).round().astype(int):
                point, output = divmod(int(place), num_outputs)
                chosen.append(first * num_outputs + int(place))
                names.append(f"f({name}[{point}])" + f"[{output}]" * (num_outputs > 1))
        names += [LOG_LIKELIHOOD, DISTANCE, *[NOISE_STD] * with_noise]
        return cls(np.array(chosen), tuple(names), with_noise)


@dataclass(frozen=True)
class Ranked:
    """Of one dataset: the rank of each statistic, how many independent draws there were, and
    which statistics had the same value in the truth and in all draws."""

    ranks: Int[np.ndarray, " q"]
    effective_size: float
    tied: np.ndarray


def ranked(teacher: Teacher, answer: Answer, statistics: Statistics, num_draws: int) -> Ranked:
    """Ranks of the teacher among `num_draws` of the draws.

    Raises FloatingPointError where the log likelihood is NaN.
    """
    truth = np.concatenate([teacher.f_train, teacher.f_test])
    found = _values(answer.values, answer.noise_std, teacher, statistics)
    noise_std = None if teacher.noise_std is None else np.array([teacher.noise_std])
    own = _values(truth[None], noise_std, teacher, statistics)[0]
    place, *places = _uniform(teacher.ties_key, len(statistics.names) + 1)
    few = selected(answer.log_weights, num_draws, place)
    far = distances_from_mean(truth.ravel(), answer.values[few].reshape(num_draws, -1))
    at = statistics.names.index(DISTANCE)
    own, draws = np.insert(own, at, far[0]), np.insert(found[few], at, far[1:], axis=1)
    tied = np.all(draws == own, axis=0)
    size = _effective_size(found, answer)
    return Ranked(rank(own, draws, np.array(places)), size, tied)


def _values(
    values: Float[np.ndarray, "s p k"],
    noise_std: Float[np.ndarray, " s"] | None,
    teacher: Teacher,
    statistics: Statistics,
) -> Float[np.ndarray, "s q"]:
    """Every statistic but the distance."""
    posterior = teacher.posterior
    train = values[:, : posterior.num_points]
    targets = posterior.targets
    if statistics.with_noise:
        assert noise_std is not None
        logs = _given_noise(train, targets, noise_std)
    else:
        logs = log_likelihoods(posterior.likelihood, train, targets)
    if np.isnan(logs).any():
        raise FloatingPointError(
            f"the log likelihood of {int(np.isnan(logs).sum())} of {len(logs)} draws is NaN"
        )
    parts = [values.reshape(len(values), -1)[:, statistics.chosen], logs[:, None]]
    if noise_std is not None and statistics.with_noise:
        parts.append(noise_std[:, None])
    return np.concatenate(parts, axis=1)


def _given_noise(
    outputs: Float[np.ndarray, "s n k"], targets: np.ndarray, noise_std: Float[np.ndarray, " s"]
) -> Float[np.ndarray, " s"]:
    """log p(targets | outputs, noise_std), but for a constant that all draws share."""
    squares = np.sum((outputs - targets) ** 2, axis=(1, 2))
    return -0.5 * squares / noise_std**2 - targets.size * np.log(noise_std)  # type: ignore[no-any-return]


@in_double_precision
def _uniform(key: Array, count: int) -> list[float]:
    return np.asarray(jax.random.uniform(key, (count,), jnp.float64)).tolist()  # type: ignore[no-any-return]


def _effective_size(found: Float[np.ndarray, "s q"], answer: Answer) -> float:
    """The least of the statistics; of independent draws what their weights leave of them.

    Of normal scores (Vehtari et al. 2021), since a statistic may have no variance.
    """
    if answer.num_chains is None:
        return answer.independent
    scores = np.stack([normal_scores(column) for column in found.T], axis=1)
    sizes = effective_sizes(scores.reshape(answer.num_chains, -1, found.shape[1]))
    known = sizes[np.isfinite(sizes)]
    return float(known.min()) if known.size else 1.0
