"""The page of a verification from what `bnnpost verify --json` printed, without its pictures."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from bnnpost.verification import html
from bnnpost.verification.causes import Cause
from bnnpost.verification.effects import Effect
from bnnpost.verification.report import Check, Report

# Effects and causes are not in files of versions before them.
_NAMES = {field.name for field in dataclasses.fields(Report)} - {"pit", "effects", "causes"}


def is_verdict(found: object) -> bool:
    """Whether keys and values are a verification's."""
    return isinstance(found, dict) and found.keys() >= _NAMES


def to_html(found: Mapping[str, Any]) -> str:
    """The page; numbers that JSON could not hold were infinite."""
    checks = tuple(_check(one) for one in found["checks"])
    values = {name: found[name] for name in _NAMES - {"checks"}}
    values |= {name: tuple(values[name]) for name in ("columns", "notes")}
    values["effects"] = tuple(Effect(**one) for one in found.get("effects", ()))
    values["causes"] = tuple(
        Cause(one["words"], _effect(one["effect"])) for one in found.get("causes", ())
    )
    return html.to_html(Report(checks=checks, pit=np.empty((0, 0)), **values))


def _effect(one: Mapping[str, Any] | None) -> Effect | None:
    return None if one is None else Effect(**one)


def _check(one: Mapping[str, Any]) -> Check:
    sizes = tuple(math.inf if size is None else float(size) for size in one["effective"])
    numbers = {
        name: math.nan if one[name] is None else float(one[name])
        for name in ("statistic", "p_value", "adjusted")
    }
    effect = _effect(one.get("effect"))
    return Check(**{**one, **numbers, "effective": sizes, "effect": effect})
