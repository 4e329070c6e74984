"""Simulation-based calibration of any sampler, at any size of the posterior.

Talts, Betancourt, Simpson, Vehtari and Gelman (2018, arXiv 1804.06788); data-dependent
quantities as in Modrák et al. (2023, arXiv 2211.02383); bands of Säilynoja, Bürkner and Vehtari
(2022, arXiv 2107.10522).
"""

import time

import numpy as np
from jaxtyping import Array

from bnnpost.arguments import positive_integer
from bnnpost.numerics.random import require_key
from bnnpost.posterior import Posterior, require_posterior
from bnnpost.samplers.progress import Progress
from bnnpost.verification import answers, teacher, uniformity
from bnnpost.verification.answers import Answer, Sampler
from bnnpost.verification.calibration_record import Calibration
from bnnpost.verification.statistics import Ranked, Statistics, ranked
from bnnpost.verification.teacher import Teacher


class SamplerFailed(RuntimeError):
    """A sampler raised an error, or returned what are no draws, on a simulated dataset."""


def calibrate(
    key: Array,
    sampler: Sampler,
    posterior: Posterior,
    *,
    num_datasets: int = 100,
    x_test: object | None = None,
    num_draws: int = 99,
    num_values: int = 3,
    level: float = 0.01,
    progress: bool = False,
) -> Calibration:
    """Whether a sampler's draws are from the posterior, told from data whose truth is known.

    For each dataset a network is drawn from the prior, and targets at the posterior's inputs
    from the likelihood given it (the posterior's own targets play no part). That network, the
    teacher, is an exact posterior draw, so its rank among the sampler's draws is uniform on
    0 … num_draws if the sampler is right. A few datasets of a large posterior make the
    teacher-student check: valid at any size, with coarse p-values.

    sampler(key, posterior) is called with each dataset's posterior and returns `Draws` of any
    kind; or function values at the training inputs, then at x_test, [sample, point, output] or
    [chain, sample, point, output], the last axis at will for one output; or parameters as
    `network.init` gives them, stacked [sample, …] or [chain, sample, …]; or an object with
    `predict(x)` that gives these and perhaps `log_weights`. num_draws: among how many of each
    dataset's draws the truth is ranked. Chains are thinned to as many, and must be worth as
    many independent draws; weighted draws are chosen by their weights. Ties are broken at
    random. num_values: how many function values at the training inputs, and how many at x_test,
    are ranked. Besides, the log likelihood (function values alone do not tell the posterior from
    the prior), the distance from the mean in all function values, and, where the sampler draws
    it, the noise std of `GaussianUnknownNoise`, given which the log likelihood then is.

    Each statistic is tested four ways (`verification.uniformity.TESTS`), and p-values are
    multiplied by the number of tests and statistics (Bonferroni), so that a right sampler fails
    with probability at most `level`, whatever the dependence. A dataset depends on the key and
    its number alone: with more datasets the first ones stay.

    Raises SamplerFailed with the dataset's number if the sampler raises an error or returns
    what are no draws; TypeError for a likelihood that does not say how observations are drawn;
    ValueError for bad arguments, for fewer draws than num_draws, and for so few datasets that
    no ranks could fail at this level.
    """
    started = time.perf_counter()
    require_key(key)
    _check(posterior, sampler, level)
    for name, count in (
        ("num_datasets", num_datasets),
        ("num_draws", num_draws),
        ("num_values", num_values),
    ):
        positive_integer(name, count)
    teacher.check_can_simulate(posterior.likelihood)
    points = None if x_test is None else posterior.checked_test_points(x_test)
    num_test = 0 if points is None else len(points)
    unknown = posterior.likelihood.defines("sample_with_noise")
    statistics = Statistics.of(posterior, num_test, num_values, unknown)
    _check_counts(len(statistics.names), num_datasets, num_draws, level)
    teachers, found = teacher.Teachers(posterior, points), list[Ranked]()
    with Progress(num_datasets, enabled=progress, label="datasets", unit="dataset") as bar:
        for number in range(num_datasets):
            taught = teachers.draw(key, number)
            answer = _answered(sampler, taught, points, number)
            if not found and statistics.with_noise and answer.noise_std is None:
                statistics = Statistics.of(posterior, num_test, num_values, False)
            found.append(_ranked(taught, answer, statistics, num_draws, number))
            bar.show(number + 1, "")
    return Calibration(
        level=level,
        names=statistics.names,
        ranks=np.stack([one.ranks for one in found]),
        num_draws=num_draws,
        effective_sizes=np.array([one.effective_size for one in found]),
        tied=np.mean([one.tied for one in found], axis=0),
        seconds=time.perf_counter() - started,
    )


def _check(posterior: object, sampler: object, level: object) -> None:
    require_posterior(posterior)
    if not callable(sampler):
        raise TypeError(
            "expected a sampler such as lambda key, posterior: bnnpost.pcn.sample(key, "
            f"posterior), got {type(sampler).__name__}"
        )
    if isinstance(level, bool) or not isinstance(level, float) or not 0 < level < 1:
        raise ValueError(f"expected level to be a probability between 0 and 1, got {level!r}")


def _check_counts(num_statistics: int, num_datasets: int, num_draws: int, level: float) -> None:
    """Raise ValueError where no ranks at all could fail."""
    tests = num_statistics * len(uniformity.TESTS)
    least = min(1.0, tests * uniformity.smallest_p_value(num_datasets, num_draws))
    if least > level:
        needed = int(np.ceil((2 * tests / level) ** (1 / num_datasets)))
        raise ValueError(
            f"{num_datasets} dataset(s) and {num_draws} draws can show nothing at level {level}: "
            f"the smallest p-value, corrected for {tests} tests, is {least:.2g}. Raise "
            f"num_datasets, or num_draws to {needed} or more"
        )


def _answered(sampler: Sampler, taught: Teacher, points: np.ndarray | None, number: int) -> Answer:
    repeat = (
        f"To repeat it: taught = bnnpost.verification.teacher.draw(key, posterior, "
        f"number={number}) with the same key and posterior, then "
        "sampler(taught.sampler_key, taught.posterior)"
    )
    try:
        return answers.answer_of(sampler(taught.sampler_key, taught.posterior), taught, points)
    except Exception as error:
        raise SamplerFailed(
            f"the sampler failed on dataset {number}: {type(error).__name__}: {error}. {repeat}"
        ) from error


def _ranked(
    taught: Teacher, answer: Answer, statistics: Statistics, num_draws: int, number: int
) -> Ranked:
    if len(answer.values) < num_draws:
        raise ValueError(
            f"the sampler gave {len(answer.values)} draws for dataset {number}, and the truth is "
            f"to be ranked among {num_draws}: have it return more, or pass a smaller num_draws"
        )
    if statistics.with_noise and answer.noise_std is None:
        raise ValueError(
            f"the draws of dataset {number} have no noise_std, those before had: expected the same "
            "kind of draws for each dataset"
        )
    try:
        return ranked(taught, answer, statistics, num_draws)
    except FloatingPointError as error:
        raise SamplerFailed(f"{error} (dataset {number})") from error
