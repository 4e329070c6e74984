"""Summaries in which every text is one that would do harm on a page that does not escape it."""

import dataclasses
from collections.abc import Mapping

from bnnpost.summaries.summary import Nested, Summary

BAD = "<script>alert('1')</script> & \"quoted\" "
# Fields that hold a choice or a place in the page, and no text of a user's.
_CHOICES = {"key", "by", "tone", "style", "address", "form", "failed"}


def spoilt(summary: Summary) -> Summary:
    """Return the summary with BAD before every text that it holds."""
    return _spoilt(summary, Summary)


def _spoilt(value, owner, name=""):
    if isinstance(value, str):
        choice = name in _CHOICES or (name == "kind" and owner is not Summary)
        return value if choice or not value else f"{BAD}{value}"
    if isinstance(value, Nested):

        def part(i):
            summary = value.part(i)
            return None if summary is None else spoilt(summary)

        return dataclasses.replace(value, part=part)
    if dataclasses.is_dataclass(value):
        fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        kind = type(value)
        return dataclasses.replace(value, **{n: _spoilt(v, kind, n) for n, v in fields.items()})
    if isinstance(value, Mapping):
        return {key: _spoilt(member, owner) for key, member in value.items()}
    if isinstance(value, tuple | list):
        if name in ("marks", "legend"):  # a text with its tone, style or number
            text = 0 if name == "marks" and owner is Summary else 1
            return tuple(
                tuple(f"{BAD}{m}" if i == text else m for i, m in enumerate(pair)) for pair in value
            )
        return tuple(_spoilt(member, owner, name) for member in value)
    if callable(value):
        return lambda: _spoilt(value(), owner, name)
    return value
