"""What a sampler gave back, as function values at the training inputs and then at x_test."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Array, Float

from bnnpost.draws import Draws
from bnnpost.numerics.weights import WeightSum
from bnnpost.posterior import Posterior
from bnnpost.verification.teacher import Teacher

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


def read(result: object, taught: Teacher, x_test: np.ndarray | None) -> Answer:
    """The draws in what a sampler gave back for the teacher's posterior.

    Raises TypeError for what is neither draws nor numbers, ValueError for wrong shapes and for
    values that are NaN or infinite.
    """
    if isinstance(result, Draws):
        return _of_draws(result, taught, x_test)
    predict = getattr(result, "predict", None)
    if predict is None:
        values, num_chains = _checked(result, taught)
        return _plain(values, num_chains, np.zeros(len(values)))
    x = taught.posterior.x
    points = x if x_test is None else np.concatenate([x, x_test])
    values, num_chains = _checked(predict(points), taught)
    weights = np.asarray(getattr(result, "log_weights", np.zeros(len(values))), np.float64)
    if weights.shape != (len(values),) or np.isnan(weights).any() or np.max(weights) == -np.inf:
        raise ValueError(
            f"expected log_weights of shape ({len(values)},), not NaN and not all −∞, got "
            f"shape {weights.shape}"
        )
    return _plain(values, num_chains, weights)


def _plain(values: np.ndarray, num_chains: int | None, log_weights: np.ndarray) -> Answer:
    size = WeightSum().add(log_weights).effective_sample_size()
    return Answer(values, log_weights, num_chains, None, size)


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
    _check_finite(values)
    chains, info = draws.info.num_chains, draws.info
    independent = len(draws) if info.kind in ("exact", "chain", "prior") else None
    return Answer(
        values,
        draws.log_weights,
        chains,
        _noise_std(draws),
        float(info.effective_sample_size if independent is None else independent),
    )


def _noise_std(draws: Draws) -> Float[np.ndarray, " s"] | None:
    if not draws.posterior.likelihood.shares_noise:
        return None
    try:
        return draws.noise_std()
    except ValueError:  # not drawn by this sampler
        return None


def _checked(result: object, taught: Teacher) -> tuple[Float[np.ndarray, "s p k"], int | None]:
    """Values [sample, point, output], chain after chain, and the number of chains."""
    try:
        values = np.asarray(result, np.float64)
    except (TypeError, ValueError):
        raise TypeError(
            "expected bnnpost Draws, an array of function values, or an object with "
            f"predict(x), got {type(result).__name__}"
        ) from None
    shape = values.shape
    num_train, num_outputs = taught.f_train.shape
    num_points = num_train + len(taught.f_test)
    one_column = num_outputs == 1 and values.shape[-2:] != (num_points, 1)
    if one_column and values.shape[-1:] == (num_points,):
        values = values[..., None]
    if values.ndim not in (3, 4) or values.shape[-2:] != (num_points, num_outputs):
        raise ValueError(
            f"expected function values [sample, {num_points}, {num_outputs}] or [chain, sample, "
            f"{num_points}, {num_outputs}] (points: the {num_train} training inputs, "
            f"then x_test; the last axis may be missing for one output), got shape {shape}"
        )
    _check_finite(values)
    num_chains = len(values) if values.ndim == 4 else None
    return values.reshape(-1, num_points, num_outputs), num_chains


def _check_finite(values: np.ndarray) -> None:
    bad = int(values.size - np.isfinite(values).sum())
    if bad:
        raise ValueError(f"{bad:,} of {values.size:,} function values are NaN or infinite")
