"""Likelihoods as plain data for files, both ways; nothing in a record is executed."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from bnnpost.likelihoods.base import Likelihood
from bnnpost.likelihoods.discrete import Bernoulli, Categorical, Poisson
from bnnpost.likelihoods.gaussian import Gaussian
from bnnpost.likelihoods.noise import GaussianUnknownNoise, Laplace, StudentT

_KNOWN: dict[str, Callable[..., Likelihood]] = {
    kind.__name__: kind
    for kind in (
        Bernoulli,
        Categorical,
        Gaussian,
        GaussianUnknownNoise,
        Laplace,
        Poisson,
        StudentT,
    )
}


def to_record(likelihood: Likelihood) -> dict[str, object]:
    """{"type": class, argument: number, text or law}; ValueError for a class of the user's."""
    name = type(likelihood).__name__
    if _KNOWN.get(name) is not type(likelihood):
        raise ValueError(f"{name} is not one of bnnpost's likelihoods")
    values = {key: getattr(likelihood, key) for key in inspect.signature(_KNOWN[name]).parameters}
    return {"type": name} | {k: _plain(v) for k, v in values.items() if v is not None}


def _plain(value: Any) -> object:
    if isinstance(value, str):
        return value
    if hasattr(value, "arg_constraints"):
        return _law_record(value)
    return float(value)


def _law_record(law: Any) -> dict[str, object]:
    import numpyro.distributions as laws

    name = type(law).__name__
    parameters = {key: getattr(law, key) for key in law.arg_constraints}
    if getattr(laws, name, None) is type(law) and not any(map(np.ndim, parameters.values())):
        record: dict[str, object] = {
            "law": name,
            "parameters": {key: float(v) for key, v in parameters.items()},
        }
        if _same(law, record):
            return record
    raise ValueError(f"{name} is not a law from numpyro.distributions that its numbers make again")


def _same(law: Any, record: Mapping[str, Any]) -> bool:
    """Whether a record makes the same law: some have more to them than their parameters."""
    try:
        again: Any = _law(record)
    except (TypeError, ValueError):
        return False
    values = np.array([0.1, 0.7, 3.0])
    return bool(np.allclose(again.log_prob(values), law.log_prob(values), equal_nan=True))


def from_record(record: Mapping[str, Any]) -> Likelihood:
    """The likelihood that `to_record` described; ValueError for anything else."""
    arguments = dict(record)
    name = arguments.pop("type", None)
    if name not in _KNOWN:
        raise ValueError(f"expected one of bnnpost's likelihoods, got {name!r}")
    return _KNOWN[name](
        **{k: _law(v) if isinstance(v, Mapping) else v for k, v in arguments.items()}
    )


def _law(record: Mapping[str, Any]) -> object:
    import numpyro.distributions as laws

    kind = getattr(laws, str(record.get("law")), None)
    if not (isinstance(kind, type) and issubclass(kind, laws.Distribution)):
        raise ValueError(f"expected a law of numpyro.distributions, got {record.get('law')!r}")
    return kind(**record["parameters"])
