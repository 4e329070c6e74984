"""Priors and scales of a layer as plain data for layer lists, both ways."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from bnnpost.networks.priors import (
    LAYERWISE,
    PER_INPUT,
    Fixed,
    IndependentEntries,
    Scale,
    WeightPrior,
)
from bnnpost.numerics.law_records import law_of_record, law_record

_FIXED, _PER = "fixed", "per"


def prior_record(prior: WeightPrior) -> dict[str, object]:
    """{"law": …}, or {"fixed": number or list}; ValueError for a prior of the user's own."""
    if type(prior) is IndependentEntries:
        return law_record(prior.law)
    if type(prior) is Fixed:
        return {_FIXED: np.asarray(prior.values, np.float64).tolist()}
    raise ValueError(f"{type(prior).__name__} is a prior of its own, which is code")


def prior_of_record(record: object) -> object:
    """What `Dense` takes as a prior, from what `prior_record` gave; laws themselves pass."""
    if not isinstance(record, Mapping):
        return record
    if set(record) == {_FIXED}:
        return Fixed(record[_FIXED])
    return law_of_record(record)


def scale_record(scale: Any) -> object:
    """A number, or the law of a scale; with "per": "input" if each input unit has one."""
    if not isinstance(scale, Scale):
        return float(scale)
    per = {_PER: scale.per} if scale.per == PER_INPUT else {}
    return {**law_record(scale.law), **per}


def scale_of_record(record: object, *, of_variance: bool = False) -> object:
    """What `Dense` takes as w_std or b_std, from what `scale_record` gave; numbers pass.

    Raises ValueError for an unknown "per".
    """
    if not isinstance(record, Mapping):
        return record
    rest = dict(record)
    per = rest.pop(_PER, LAYERWISE)
    if per not in (LAYERWISE, PER_INPUT):
        raise ValueError(f"expected per to be {LAYERWISE!r} or {PER_INPUT!r}, got {per!r}")
    return Scale(law_of_record(rest), of_variance=of_variance, per=per)
