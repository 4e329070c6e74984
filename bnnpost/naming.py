"""What an error says of a name that is not known."""

import difflib
from collections.abc import Sequence

from bnnpost.arguments import shown

# Beyond, names are compared for minutes, and none that is known is as long.
LONGEST = 200


def unknown(kind: str, given: object, known: Sequence[str]) -> str:
    """An error message for a name that is not known; it names the close ones, or all."""
    wanted = shown(given) if not isinstance(given, str) else given[:LONGEST]
    close = difflib.get_close_matches(wanted.lower(), [k.lower() for k in known], n=3, cutoff=0.5)
    spelled = [k for k in known if k.lower() in close]
    hint = f"did you mean {' or '.join(spelled)}?" if spelled else f"known are {', '.join(known)}"
    return f"unknown {kind} {shown(given)}: {hint}"
