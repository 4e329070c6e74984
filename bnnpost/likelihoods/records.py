"""Likelihoods as plain data for files, both ways; nothing in a record is executed."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from bnnpost.likelihoods.base import Likelihood
from bnnpost.likelihoods.discrete import Bernoulli, Categorical, Poisson
from bnnpost.likelihoods.gaussian import Gaussian
from bnnpost.likelihoods.noise import GaussianUnknownNoise, Laplace, StudentT
from bnnpost.numerics.scalar_laws import law_of_record, law_record

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
        return law_record(value)
    return float(value)


def from_record(record: Mapping[str, Any]) -> Likelihood:
    """The likelihood that `to_record` described; ValueError for anything else."""
    arguments = dict(record)
    name = arguments.pop("type", None)
    if name not in _KNOWN:
        raise ValueError(f"expected one of bnnpost's likelihoods, got {name!r}")
    return _KNOWN[name](
        **{k: law_of_record(v) if isinstance(v, Mapping) else v for k, v in arguments.items()}
    )
