"""Whether a text that was printed is one that is kept: the same words, and numbers nearly so."""

import math
import re
from collections.abc import Callable

_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?")


def to_two_percent(one: str, other: str) -> bool:
    """Whether two numbers, as they are spelled, differ by at most 2 % or 0.005."""
    return math.isclose(float(one), float(other), rel_tol=0.02, abs_tol=0.005)


def alike(expected: str, got: str, near: Callable[[str, str], bool] = to_two_percent) -> bool:
    """Whether two texts have the same words, and numbers that are near each other.

    … stands for any words, on several lines too.
    """
    parts: list[list[str]] = [[]]
    for word in _words(expected):
        if word == "…":
            parts.append([])
        else:
            parts[-1].append(word)
    words, place = _words(got), 0
    if len(parts) == 1:
        return _same(parts[0], words, near)
    for number, part in enumerate(parts):
        last = len(words) - len(part)
        places = [0] if number == 0 else [last] if number == len(parts) - 1 else range(place, last)
        found = [i for i in places if i >= place and _same(part, words[i : i + len(part)], near)]
        if not found:
            return False
        place = found[0] + len(part)
    return True


def _words(text: str) -> list[str]:
    spaced = re.sub(r"([][(){},;:=%]|…)", r" \1 ", re.sub(r"(?<=\d),(?=\d{3})", "", text))
    return spaced.split()


def _same(expected: list[str], got: list[str], near: Callable[[str, str], bool]) -> bool:
    pairs = zip(expected, got, strict=False)
    return len(expected) == len(got) and all(_same_word(one, other, near) for one, other in pairs)


def _same_word(expected: str, got: str, near: Callable[[str, str], bool]) -> bool:
    one, other = expected.rstrip("."), got.rstrip(".")
    if _NUMBER.fullmatch(one) and _NUMBER.fullmatch(other):
        return near(one, other)
    return expected == got
