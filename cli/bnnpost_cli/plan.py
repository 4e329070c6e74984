"""The plan of a sweep (bnnpost sweep --dry-run) as text and as JSON."""

import math
from typing import Any

from bnnpost_cli import tables


def as_text(plan: Any, force: bool) -> str:
    """Settings, expected cost at each width, advice and whether it would run."""
    parts = ["Plan of the sweep; nothing was run or written", _settings(plan)]
    if plan.costs:
        parts += [_widths(plan), tables.advice(plan.costs)]
    if plan.finished:
        parts.append(f"Finished already, and read back: {', '.join(map(str, plan.finished))}")
    return "\n\n".join([*parts, tables.wrapped(_verdict(plan, force))])


def _verdict(plan: Any, force: bool) -> str:
    if not plan.costs:
        return "Nothing is left to run."
    if plan.refusal and not force:
        return f"It would be refused: {plan.refusal.splitlines()[0]}"
    if plan.failures:
        return f"It would run, but fail at {tables.listed(list(plan.failures))}."
    return "It would run."


def as_json(plan: Any, force: bool) -> dict[str, Any]:
    """The same as plain data."""
    from bnnpost.summaries.values import plain

    widths = [
        {"width": width, **cost.record, "comparison_seconds": plan.comparisons.get(width)}
        for width, cost in plan.costs.items()
    ]
    found = {
        "config": plan.config.as_dict(),
        "data": plan.record.as_dict(),
        "widths": widths,
        "finished": list(plan.finished),
        "seconds": plan.total_seconds,
        "disk_bytes": plan.disk_bytes,
        "refusal": (not force and plan.refusal) or None,
    }
    record: dict[str, Any] = plain(found)
    return record


def _settings(plan: Any) -> str:
    from bnnpost.reports import words

    config, method = plan.config, plan.config.method
    outputs = "1 output" if plan.num_outputs == 1 else f"{plan.num_outputs} outputs"
    by_the_draws = "compared by the draws themselves"
    of_proposals = f"compared over {config.num_proposals:,} further proposals a width"
    rows = {
        "data": f"{config.data}: {plan.record.used()}; {outputs}",
        "network": words.network(config.as_dict()),
        "targets": words.likelihood(config.as_dict(), plan.record),
        "draws": f"{method.in_words(config.num_samples)}, at each width",
        "method": ", ".join(
            f"{name} {str(value).lower() if isinstance(value, bool) else value}"
            for name, value in method.options().items()
        ),
        "limit": of_proposals if method.by_proposals else by_the_draws,
        "random": f"seed {config.seed}",
        "disk": f"about {size(plan.disk_bytes)}",
    }
    return "\n".join(tables.indented(f"  {name:<8} {text}", 11) for name, text in rows.items())


def _widths(plan: Any) -> str:
    from bnnpost.spelling import duration

    rows = []
    for width, cost in plan.costs.items():
        compared = plan.comparisons.get(width)
        more = {} if compared is None else {"comparison": duration(compared)}
        rows.append({"width": str(width), **cost.columns, **more})
    total = plan.total_seconds
    whole = "unknown" if math.isnan(total) else duration(total)
    parts = (
        "of the draws, and of comparing with the limit; together"
        if plan.comparisons
        else "of the draws; in all"
    )
    foot = (
        f"Time: {parts} {whole}, on this device, once all is compiled: that takes some seconds "
        "more a width, the first time."
    )
    return f"{tables.by_heads(rows)}\n{tables.wrapped(foot)}"


def size(number: int) -> str:
    """A number of bytes, to be read."""
    rounded = float(f"{number:.1e}")
    units = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))
    unit, name = next((one for one in units if rounded >= one[0]), (1, "bytes"))
    return f"{rounded / unit:g} {name}"
