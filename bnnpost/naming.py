"""What an error says of a name that is not known."""

import difflib
import itertools
from collections.abc import Iterable, Sequence

from bnnpost.arguments import shown

# Beyond, names are compared for minutes, and none that is known is as long; at about 10 µs each.
LONGEST, _COMPARED = 200, 20_000


def close_names(given: str, known: Iterable[str]) -> list[str]:
    """The known names that a wrong one may stand for, the closest first; case does not count."""
    by_lower = {name.lower(): name for name in itertools.islice(known, _COMPARED)}
    close = difflib.get_close_matches(given[:LONGEST].lower(), by_lower, cutoff=0.5)
    return [by_lower[name] for name in close]


def unknown(kind: str, given: object, known: Sequence[str]) -> str:
    """An error message for a name that is not known; it names the close ones, or all."""
    close = close_names(given if isinstance(given, str) else shown(given), known)
    hint = f"did you mean {' or '.join(close)}?" if close else f"known are {', '.join(known)}"
    return f"unknown {kind} {shown(given)}: {hint}"
