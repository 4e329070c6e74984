"""What a verification found, from what `bnnpost verify --json` printed."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from bnnpost.summaries.summary import Summary
from bnnpost.verification.causes import Cause
from bnnpost.verification.effects import Effect
from bnnpost.verification.report import Check, Report

# Values of the pictures are not in JSON.
_KEYS = [field.name for field in dataclasses.fields(Report) if field.name != "pit"]


class NotAVerdict(ValueError):
    """A record that is not what `bnnpost verify --json` prints."""


def summary_of_verdict(record: object) -> Summary:
    """Return the summary of a verification, whose values are not there to be drawn.

    record: what `bnnpost verify --json` printed. Raises NotAVerdict for anything else.
    """
    if not isinstance(record, Mapping) or not record.keys() & _KEYS:
        raise NotAVerdict("is not a verification")
    if missing := [key for key in _KEYS if key not in record]:
        raise NotAVerdict(
            f"is not a verification of this version: expected the keys {', '.join(_KEYS)}, got "
            f"none of {', '.join(missing)}; run bnnpost verify --json again"
        )
    try:
        return _report(record).describe()
    except (TypeError, KeyError, ValueError, AttributeError, IndexError) as error:
        raise NotAVerdict(f"has values that no verification has ({error})") from None


def _report(record: Mapping[str, Any]) -> Report:
    return Report(
        level=record["level"],
        checks=tuple(map(_check, record["checks"])),
        candidate=record["candidate"],
        reference=record["reference"],
        columns=tuple(record["columns"]),
        pit=np.empty((0, 0)),
        notes=tuple(record["notes"]),
        doubt=record["doubt"],
        effects=tuple(Effect(**effect) for effect in record["effects"]),
        causes=tuple(Cause(cause["words"], _effect(cause)) for cause in record["causes"]),
    )


def _effect(owner: Mapping[str, Any]) -> Effect | None:
    """Return the effect of a cause or a check, if it has one."""
    return None if owner["effect"] is None else Effect(**owner["effect"])


def _check(record: Mapping[str, Any]) -> Check:
    """Return a check; numbers that JSON could not hold were infinite or not numbers."""
    own = {field.name: record[field.name] for field in dataclasses.fields(Check)}
    for key in ("statistic", "p_value", "adjusted"):
        own[key] = math.nan if own[key] is None else float(own[key])
    sizes = tuple(math.inf if size is None else float(size) for size in own["effective"])
    return Check(**{**own, "effective": sizes, "effect": _effect(record)})
