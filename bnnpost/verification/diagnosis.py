"""What a report says of a candidate that failed: how wrong it is, and what it looks like."""

import math
from collections.abc import Mapping

import jax
import numpy as np

from bnnpost.likelihoods import Gaussian
from bnnpost.likelihoods.base import log_likelihoods
from bnnpost.posterior import Posterior
from bnnpost.samplers import prior
from bnnpost.verification.alterations import moments_of
from bnnpost.verification.causes import Background, Cause, causes_of
from bnnpost.verification.compared import Compared
from bnnpost.verification.jackknife import Rows
from bnnpost.verification.prior_changes import PriorChange, prior_changes
from bnnpost.verification.sets import TEST, TRAIN, columns_of, side_by_side

# Draws of each side that patterns are looked for in.
_MOST = 10_000
# Draws of the prior, made where a candidate is wider than the posterior by this in logs.
_NUM_PRIOR, _WIDER, _PRIOR = 4_000, 0.1, 0x7072696F


def causes_for(both: Compared) -> tuple[Cause, ...]:
    """Patterns in the errors of a candidate; none where tails are heavy: moments say nothing."""
    if np.any(both.heavy):
        return ()
    candidate, reference = _candidate(both), _reference(both)
    wider = np.mean(np.log(moments_of(candidate)[1] / moments_of(reference)[1])) > _WIDER
    posterior = both.reference.posterior
    if posterior is None:
        known = Background()
    else:
        known = Background(
            lambda: _prior_rows(both, posterior) if wider else None,
            lambda: _prior_changes(both, posterior),
            _noise_std(posterior),
            _fan_ins(posterior),
        )
    chains = both.chains if len(both.chains) > 1 else None
    return causes_of(both.columns, candidate, reference, known, chains)


def _evenly(count: int) -> np.ndarray:
    return np.linspace(0, count - 1, min(count, _MOST)).round().astype(int)


def _candidate(both: Compared) -> Rows:
    rows = both.chains.reshape(-1, len(both.columns))
    few = _evenly(len(rows))
    train = both.candidate.values.get(TRAIN)
    train = None if train is None else train.reshape(-1, *train.shape[2:])[few]
    return Rows(rows[few], rows[few], np.zeros_like(rows[few]), _logs(both, train))


def _reference(both: Compared) -> Rows:
    few = _evenly(len(both.draws))
    train = both.reference.values.get(TRAIN)
    logs = _logs(both, None if train is None else train[few])
    return Rows(both.draws[few], both.means[few], both.variances[few], logs)


def _logs(both: Compared, train: np.ndarray | None) -> np.ndarray | None:
    """log p(y | f) of function values at the training inputs; None where it is not known."""
    posterior = both.reference.posterior
    if posterior is None or train is None or posterior.likelihood.shares_noise:
        return None
    return log_likelihoods(posterior.likelihood, train, posterior.targets)


def _noise_std(posterior: Posterior) -> float | None:
    likelihood = posterior.likelihood
    return float(likelihood.noise_std) if isinstance(likelihood, Gaussian) else None


def _fan_ins(posterior: Posterior) -> tuple[int, ...]:
    """Of every layer with weights, each size once."""
    arrays = jax.eval_shape(
        lambda: posterior.network.init(jax.random.key(0), posterior.x.shape[1:])
    )
    return tuple(dict.fromkeys(math.prod(one.weights.shape[:-1]) for one in arrays))


def _prior_rows(both: Compared, posterior: Posterior) -> Rows:
    draws = prior.sample(jax.random.key(_PRIOR), posterior, num_samples=_NUM_PRIOR)
    values = {TRAIN: draws.training_outputs()}
    if TEST in both.reference.values and both.reference.x_test is not None:
        values[TEST] = draws.predict(both.reference.x_test)
    rows = _in_columns(both, values)
    return Rows(rows, rows, np.zeros_like(rows))


def _prior_changes(both: Compared, posterior: Posterior) -> list[PriorChange]:
    x_test = both.reference.x_test
    if x_test is None and any(not name.startswith(TRAIN) for name in both.columns):
        return []
    inputs = {TRAIN: posterior.x} if x_test is None else {TEST: x_test, TRAIN: posterior.x}
    changes = prior_changes(posterior, np.concatenate(list(inputs.values())))
    ends = np.cumsum([len(x) for x in inputs.values()])[:-1]

    def ordered(values: np.ndarray) -> np.ndarray:
        return _in_columns(both, dict(zip(inputs, np.split(values, ends, axis=1), strict=True)))

    return [PriorChange(one.words, ordered(one.means), ordered(one.log_stds)) for one in changes]


def _in_columns(both: Compared, values: Mapping[str, np.ndarray]) -> np.ndarray:
    """Values [row, point, output] of sets in the columns that are compared."""
    names = [name for name in (TEST, TRAIN) if name in values]
    columns = list(columns_of({name: values[name].shape[1:] for name in names}))
    return side_by_side(values, names)[:, [columns.index(name) for name in both.columns]]
