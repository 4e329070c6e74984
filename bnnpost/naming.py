"""What an error says of a name that is not known."""

import difflib


def unknown(kind: str, given: object, known: list[str]) -> str:
    """An error message for a name that is not known; it names the close ones."""
    close = difflib.get_close_matches(
        str(given).lower(), [k.lower() for k in known], n=3, cutoff=0.5
    )
    spelled = [k for k in known if k.lower() in close]
    hint = f"did you mean {' or '.join(spelled)}? " if spelled else ""
    return f"unknown {kind} {given!r}: {hint}known are {', '.join(known)}"
