"""Likelihoods as plain data for files, both ways; nothing in a record is executed."""

import inspect
from collections.abc import Mapping
from typing import Any

from bnnpost import likelihoods
from bnnpost.likelihoods.base import Likelihood
from bnnpost.numerics.scalar_laws import law_of_record, law_record


def known() -> dict[str, type[Likelihood]]:
    """The likelihoods of the package, by the names of their classes."""
    kinds = {name: getattr(likelihoods, name) for name in likelihoods.__all__}
    return {name: kind for name, kind in kinds.items() if not inspect.isabstract(kind)}


def parameters(kind: type[Likelihood]) -> tuple[str, ...]:
    """Names of the arguments that a likelihood is made with."""
    return tuple(inspect.signature(kind).parameters)


def to_record(likelihood: Likelihood) -> dict[str, object]:
    """{"type": class, argument: number, text or law}; ValueError for a class of the user's."""
    kind = type(likelihood)
    if known().get(kind.__name__) is not kind:
        raise ValueError(f"{kind.__name__} is not one of bnnpost's likelihoods")
    values = {name: getattr(likelihood, name) for name in parameters(kind)}
    return {"type": kind.__name__} | {k: _plain(v) for k, v in values.items() if v is not None}


def _plain(value: Any) -> object:
    if isinstance(value, str):
        return value
    if hasattr(value, "arg_constraints"):
        return law_record(value)
    return float(value)


def from_record(record: Mapping[str, Any]) -> Likelihood:
    """The likelihood that `to_record` described; ValueError for anything else."""
    name = record.get("type")
    if name not in known():
        raise ValueError(f"expected one of bnnpost's likelihoods, got {name!r}")
    return made(known()[name], {key: value for key, value in record.items() if key != "type"})


def made(kind: type[Likelihood], arguments: Mapping[str, Any]) -> Likelihood:
    """A likelihood of arguments that are numbers, text or records of laws."""
    return kind(
        **{k: law_of_record(v) if isinstance(v, Mapping) else v for k, v in arguments.items()}
    )
