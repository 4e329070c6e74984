"""Simulation-based calibration of any sampler, at any size of the posterior.

Talts, Betancourt, Simpson, Vehtari and Gelman (2018, arXiv 1804.06788); data-dependent
quantities as in Modrák et al. (2023, arXiv 2211.02383); bands of Säilynoja, Bürkner and Vehtari
(2022, arXiv 2107.10522); around data that were seen by Säilynoja, Schmitt, Bürkner and Vehtari
(2025, arXiv 2502.03279).
"""

import time

import numpy as np
from jaxtyping import Array

from bnnpost.arguments import positive_integer
from bnnpost.draws import Draws
from bnnpost.numerics.random import require_key
from bnnpost.posterior import Posterior, require_posterior
from bnnpost.samplers.progress import Progress
from bnnpost.verification import answers, teacher, uniformity
from bnnpost.verification.answers import Answer, Sampler
from bnnpost.verification.around import SeenNetworks
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
    around: Draws | None = None,
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

    around: independent draws of the posterior itself (exact, capped or coupled), for a check around
    the data that were seen, where samplers may do worse than over the prior (posterior SBC). Each
    dataset's teacher is then one of these draws, none twice, new targets at the training inputs
    are drawn given it and its noise std, and the sampler is to sample the posterior given the data
    seen and the new ones: each input comes twice, the seen targets first. Of weighted draws each
    is kept with probability weight / largest weight. The error rate below is that of exact draws:
    with coupled ones it is higher by at most num_datasets times their distance in total variation,
    and of capped ones it is only as good as the weights. Observations must be independent given
    outputs (and one noise std).

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
    ValueError for bad arguments, for fewer draws than num_draws, for so few datasets that no ranks
    could fail at this level, and for draws around which nothing can be said: dependent ones, of
    another posterior, without the noise std that is needed, or fewer than there are datasets.
    """
    started = time.perf_counter()
    require_key(key)
    _check(posterior, sampler, level)
    _check_positive(num_datasets=num_datasets, num_draws=num_draws, num_values=num_values)
    teacher.check_can_simulate(posterior.likelihood)
    points = None if x_test is None else posterior.checked_test_points(x_test)
    num_test = 0 if points is None else len(points)
    unknown = posterior.likelihood.defines("sample_with_noise")
    copies = 1 if around is None else 2
    statistics = Statistics.of(posterior, num_test, num_values, unknown, copies)
    _check_counts(len(statistics.names), num_datasets, num_draws, level)
    seen = None if around is None else SeenNetworks.of(key, around, posterior, points, num_datasets)
    teachers, found = teacher.Teachers(posterior, points, seen), list[Ranked]()
    with Progress(num_datasets, enabled=progress, label="datasets", unit="dataset") as bar:
        for number in range(num_datasets):
            taught = teachers.draw(key, number)
            answer = _answered(sampler, taught, points, number, around is not None)
            if not found and statistics.with_noise and answer.noise_std is None:
                statistics = Statistics.of(posterior, num_test, num_values, False, copies)
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
        around="" if seen is None else seen.words,
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


def _check_positive(**counts: int) -> None:
    for name, count in counts.items():
        positive_integer(name, count)


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


def _answered(
    sampler: Sampler, taught: Teacher, points: np.ndarray | None, number: int, around: bool
) -> Answer:
    arguments = f"number={number}" + ", around=around" * around
    repeat = (
        f"To repeat it: taught = bnnpost.verification.teacher.draw(key, posterior, {arguments}) "
        "with the same key and posterior, then sampler(taught.sampler_key, taught.posterior)"
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
