"""Whether two sets of draws are of one posterior by their own records, before any statistics."""

import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from bnnpost.arguments import shown
from bnnpost.draws.draws_files import FORMAT
from bnnpost.likelihoods.records import to_record
from bnnpost.networks import to_spec
from bnnpost.networks.spec_aliases import all_in_own_names
from bnnpost.posterior import Posterior
from bnnpost.storage import read_dataset

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


def of_file(path: Path) -> Description | None:
    """What the draws in a file of `Draws.save` are of; None for any other or a damaged file."""
    if path.suffix != ".nc" or not path.is_file():
        return None
    try:
        data = read_dataset(path)
        if data.attrs.get("format") != FORMAT:
            return None
        network, likelihood = (json.loads(data.attrs[n]) for n in ("network", "likelihood"))
        known = all_in_own_names(network) if isinstance(network, list) else None
    except (KeyError, OSError, TypeError, ValueError):  # who reads the draws will say what is wrong
        return None
    return Description(
        known,
        likelihood if "type" in likelihood else None,
        data["x"].values,
        data["y"].values,
    )


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
