"""Forecasts as plain text of at most 100 columns."""

import math
import textwrap
from typing import Any

_COLUMNS = 100


HEAD = f"{'acceptance':>11} {'proposals':>12} {'time':>15}  from"


def cells(one: Any, option: Any, num_samples: int) -> str:
    """The columns of `HEAD` for one option of a forecast; ? where the pilot cannot tell."""
    from bnnpost.samplers.forecast import is_judged
    from bnnpost.spelling import count, duration

    if option.bound == "capped" and not is_judged(one):
        return f"{'?':>11} {'?':>12} {'?':>15}  pilot"
    number, seconds = option.proposals(num_samples), option.seconds(num_samples)
    hopeless = not math.isfinite(number)
    return (
        f"{_power(option.log10_acceptance):>11} "
        f"{'> 10³⁰⁰' if hopeless else count(number):>12} "
        f"{'–' if seconds is None else duration(seconds):>15}  "
        f"{'pilot' if option.bound == 'capped' else one.source}"
    )


def _power(log10: float) -> str:
    """An acceptance rate by its log: 10^-1.7; 0 where nothing is accepted."""
    return f"10^{log10:.1f}" if math.isfinite(log10) else "0"


def advice(found: dict[int, Any], num_samples: int) -> str:
    """The advice for each width, what several widths share said once, wrapped."""
    widths: dict[str, list[int]] = {}
    for width, one in found.items():
        for sentence in one.advice(num_samples).splitlines():
            widths.setdefault(sentence, []).append(width)
    lines = ["Advice"]
    # What is one width's comes first, what is every width's last.
    for sentence, concerned in sorted(widths.items(), key=lambda item: len(item[1])):
        label = "every width" if len(concerned) == len(found) else _widths(concerned)
        text = sentence if len(found) == 1 else f"{label}: {sentence}"
        lines += textwrap.wrap(text, _COLUMNS, initial_indent="  ", subsequent_indent="    ")
    return "\n".join(lines)


def _widths(widths: list[int]) -> str:
    return f"width{'s' if len(widths) > 1 else ''} {', '.join(map(str, widths))}"


def wrapped(text: str) -> str:
    """Each line of the text wrapped."""
    return "\n".join(part for line in text.splitlines() for part in textwrap.wrap(line, _COLUMNS))


def plain(value: Any) -> Any:
    """Plain data for JSON: numbers that are not finite become null."""
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
