"""Whether two sets of draws are of one posterior by their own records, before any statistics."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from bnnpost.arguments import shown
from bnnpost.draws import Draws
from bnnpost.likelihoods.records import to_record
from bnnpost.networks import to_spec
from bnnpost.posterior import Posterior
from bnnpost.verification.sets import FromFile

_MOST = 4


@dataclass(frozen=True)
class Description:
    """A posterior as plain data: its layers, its likelihood and its training data.

    network, likelihood: None where they hold code of the user's own, which cannot be compared.
    """

    network: list[Mapping[str, Any]] | None
    likelihood: Mapping[str, Any] | None
    x: Float[np.ndarray, "n *f"]
    y: Float[np.ndarray, "n k"]


def of_posterior(posterior: Posterior) -> Description:
    """What a posterior is."""
    try:
        network: list[Mapping[str, Any]] | None = list(to_spec(posterior.network))
    except ValueError:  # code of the user's own
        network = None
    try:
        likelihood: Mapping[str, Any] | None = to_record(posterior.likelihood)
    except ValueError:
        likelihood = None
    return Description(network, likelihood, posterior.x, posterior.targets)


def known_of(given: object) -> Description | None:
    """What draws, a file of them or a posterior say of themselves; None of anything else."""
    if isinstance(given, FromFile):
        given = given.contents
    if isinstance(given, Draws):
        given = given.posterior
    return of_posterior(given) if isinstance(given, Posterior) else None


def check_same(candidate: Description | None, reference: Description | None) -> None:
    """Raise ValueError that names what differs; what is not known (None) passes."""
    told = differences(candidate, reference)
    if told:
        raise ValueError(
            "the candidate's draws are of another posterior than the reference's, by their own "
            f"records, so that a verdict would say nothing of the sampler: {told}. Give "
            "two runs of one configuration"
        )


def differences(candidate: Description | None, reference: Description | None) -> str:
    """What differs, in words; "" where nothing is known to."""
    if candidate is None or reference is None:
        return ""
    found = list(_differences(candidate, reference))
    more = f"; and {len(found) - _MOST} more" if len(found) > _MOST else ""
    return "; ".join(found[:_MOST]) + more


def _differences(candidate: Description, reference: Description) -> Iterator[str]:
    """Each in words: what the candidate has, and what the reference has."""
    for what, one, other in (
        ("training inputs", candidate.x, reference.x),
        ("training targets", candidate.y, reference.y),
    ):
        if one.shape != other.shape:
            yield f"{what} of shape {list(one.shape)}, the reference's {list(other.shape)}"
        elif not np.array_equal(one, other):
            row = int(np.argwhere(one != other)[0][0])
            yield f"{what} that differ first in row {row}"
    if candidate.likelihood is not None and reference.likelihood is not None:
        yield from _of_tables("likelihood", candidate.likelihood, reference.likelihood)
    if candidate.network is not None and reference.network is not None:
        yield from _of_layers(candidate.network, reference.network)


def _of_layers(one: list[Mapping[str, Any]], other: list[Mapping[str, Any]]) -> Iterator[str]:
    if len(one) != len(other):
        yield f"network of {len(one)} layers, the reference's of {len(other)}"
        return
    for position, (layer, its) in enumerate(zip(one, other, strict=True)):
        yield from _of_tables(f"layer {position}", layer, its)


def _of_tables(what: str, one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[str]:
    if one.get("type") != other.get("type"):
        yield f"{what} {one.get('type')}, the reference's {other.get('type')}"
        return
    for key in dict.fromkeys(itertools.chain(one, other)):
        mine, its = one.get(key), other.get(key)
        if mine != its:
            name = f"{what} ({one['type']}) {key}"
            yield f"{name} {_said(mine)}, the reference's {_said(its)}"


def _said(value: object) -> str:
    return "none" if value is None else shown(value)
