"""The plan of a sweep (bnnpost sweep --dry-run) as text and as JSON."""

import dataclasses
import math
from typing import Any

from bnnpost_cli import tables


def as_text(plan: Any, force: bool) -> str:
    """Settings, expected cost at each width, advice and whether it would run."""
    parts = ["Plan of the sweep; nothing was run or written", _settings(plan)]
    if plan.forecasts:
        parts += [_widths(plan), tables.advice(plan.forecasts, plan.config.num_samples)]
    if plan.finished:
        parts.append(f"Finished already, and read back: {', '.join(map(str, plan.finished))}")
    reason = "" if force else plan.refusal.partition("\n")[0]
    verdict = f"It would be refused: {reason}" if reason else "It would run."
    if not plan.forecasts:
        verdict = "Nothing is left to run."
    return "\n\n".join([*parts, tables.wrapped(verdict)])


def as_json(plan: Any, force: bool) -> dict[str, Any]:
    """The same as plain data."""
    widths = [
        {
            "width": width,
            **dataclasses.asdict(plan.option(width)),
            "proposals": plan.proposals(width),
            "seconds": plan.option(width).seconds(plan.config.num_samples),
            "comparison_seconds": plan.comparisons.get(width),
            "source": one.source,
            "advice": one.advice(plan.config.num_samples).splitlines(),
        }
        for width, one in plan.forecasts.items()
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
    plain: dict[str, Any] = tables.plain(found)
    return plain


def _settings(plan: Any) -> str:
    from bnnpost.reports import words

    config, method = plan.config, plan.config.method
    outputs = "1 output" if plan.num_outputs == 1 else f"{plan.num_outputs} outputs"
    rows = {
        "data": f"{config.data}: {plan.record.used()}; {outputs}",
        "network": words.network(config.as_dict()),
        "targets": words.likelihood(config.as_dict(), plan.record),
        "draws": f"{config.num_samples:,} a width, bound {method.bound}, space {method.space}, "
        f"readout {'integrated out' if method.collapse else 'drawn'}",
        "limit": f"compared over {config.num_proposals:,} further proposals a width",
        "random": f"seed {config.seed}, {method.precision} precision",
        "disk": f"about {size(plan.disk_bytes)}",
    }
    if method.max_proposals is not None:
        rows["draws"] += f", at most {method.max_proposals:,} proposals"
    return "\n".join(f"  {name:<8} {text}" for name, text in rows.items())


def _widths(plan: Any) -> str:
    from bnnpost.spelling import duration

    lines = [f"{'width':>7} {tables.HEAD}   comparison"]
    for width, one in plan.forecasts.items():
        cells = tables.cells(one, plan.option(width), plan.config.num_samples)
        compared = duration(plan.comparisons[width])
        lines.append(f"{width:>7} {cells:<47}{compared:>13}")
    total = plan.total_seconds
    whole = "unknown" if math.isnan(total) else duration(total)
    foot = (
        f"Time: of the draws, and of comparing with the limit; together {whole}, on this device, "
        "once all is compiled: that takes some seconds more a width, the first time."
    )
    return "\n".join([*lines, tables.wrapped(foot)])


def size(number: int) -> str:
    """A number of bytes, to be read."""
    rounded = float(f"{number:.1e}")
    units = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))
    unit, name = next((one for one in units if rounded >= one[0]), (1, "bytes"))
    return f"{rounded / unit:g} {name}"
