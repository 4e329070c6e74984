"""What a sampler gave back, as function values at the training inputs and then at x_test."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Array, Float

from bnnpost.draws import Draws
from bnnpost.numerics.weights import WeightSum
from bnnpost.posterior import Posterior
from bnnpost.verification.parameter_values import (
    PARAMETERS,
    Functions,
    is_parameters,
    with_values,
)
from bnnpost.verification.sets import TEST, TRAIN
from bnnpost.verification.shapes import Sizes, fit
from bnnpost.verification.teacher import Teacher
from bnnpost.verification.unusable import check_usable

# Draws, function values, or an object that predicts.
Sampler: TypeAlias = Callable[[Array, Posterior], Any]


@dataclass(frozen=True)
class Answer:
    """Draws of one dataset.

    values: function values, at the training inputs first. log_weights: zeros where equal.
    num_chains: None for draws that are said to be independent. noise_std: of noise of unknown
    size, where the sampler draws it. independent: how many independent draws it says it has.
    """

    values: Float[np.ndarray, "s p k"]
    log_weights: Float[np.ndarray, " s"]
    num_chains: int | None
    noise_std: Float[np.ndarray, " s"] | None
    independent: float


def answer_of(result: object, taught: Teacher, x_test: np.ndarray | None) -> Answer:
    """The draws in what a sampler gave back for the teacher's posterior.

    Raises ValueError for what is neither draws nor numbers, for wrong shapes and weights, and for
    values that are NaN or infinite.
    """
    if isinstance(result, Draws):
        return _of_draws(result, taught, x_test)
    predict = getattr(result, "predict", None)
    x = taught.posterior.x
    given = (
        result if predict is None else predict(x if x_test is None else np.concatenate([x, x_test]))
    )
    if is_parameters(given):
        given = _values_of(given, taught, x_test)
    num_train, num_outputs = taught.f_train.shape
    sizes = Sizes(num_train + len(taught.f_test), 0, num_outputs)
    label = f"function values at the {num_train} training inputs, then x_test,"
    chains = fit(label, given, sizes, names=(TEST,))[1]
    check_usable({TEST: chains})
    values = chains.reshape(-1, *chains.shape[2:])
    has_chains = np.asarray(given).shape[:2] == chains.shape[:2]
    weights = np.asarray(getattr(result, "log_weights", np.zeros(len(values))), np.float64)
    if weights.shape != (len(values),) or np.isnan(weights).any() or np.max(weights) == -np.inf:
        raise ValueError(
            f"expected log_weights of shape ({len(values)},), not NaN and not all −∞, got "
            f"shape {weights.shape}"
        )
    size = WeightSum().add(weights).effective_sample_size()
    return Answer(values, weights, len(chains) if has_chains else None, None, size)


def _values_of(parameters: object, taught: Teacher, x_test: np.ndarray | None) -> np.ndarray:
    """Of parameters, at the training inputs and then at x_test."""
    posterior = taught.posterior
    functions = Functions(posterior.network, x_test, posterior.x)
    found: Any = with_values({PARAMETERS: parameters}, functions)
    values = [found[name] for name in (TRAIN, TEST) if name in found]
    return np.concatenate(values, axis=2)


def _of_draws(draws: Draws, taught: Teacher, x_test: np.ndarray | None) -> Answer:
    parts = [draws.training_outputs()]
    parts += [] if x_test is None else [draws.predict(x_test)]
    wanted = [taught.f_train.shape] + ([] if x_test is None else [taught.f_test.shape])
    found = [part.shape[1:] for part in parts]
    if found != wanted:
        raise ValueError(
            f"the draws have values of shapes {found}, expected {wanted}: sample the posterior "
            "that the sampler is called with"
        )
    values = np.concatenate(parts, axis=1)
    check_usable({TEST: values[None]})
    info = draws.info
    is_equal = info.is_independent and not np.ptp(draws.log_weights)
    return Answer(
        values,
        draws.log_weights,
        info.num_chains,
        _noise_std(draws),
        float(len(draws) if is_equal else info.effective_sample_size),
    )


def _noise_std(draws: Draws) -> Float[np.ndarray, " s"] | None:
    if not draws.posterior.likelihood.shares_noise:
        return None
    try:
        return draws.noise_std()
    except ValueError:  # not drawn by this sampler
        return None
