"""A report as one page: verdict, checks, notes, and pictures of every value that was compared."""

import html
import math
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bnnpost.storage import versions, write_text
from bnnpost.verification.panels import BAND, OUTSIDE, Bands, bands, largest_difference, panel
from bnnpost.verification.report import Check, Report

MOST_PANELS = 24
_PIT = "pit"
_STYLE = f"""
body {{ font: 15px/1.5 system-ui, sans-serif; color: #222; background: #fff; margin: 2rem auto;
  max-width: 75rem; padding: 0 1rem; }}
h1 {{ font-size: 1.25rem; border-left: .5rem solid #00876A; padding-left: .75rem; }}
h1.failed {{ border-color: {OUTSIDE}; }}
h2 {{ font-size: 1rem; margin-top: 2rem; }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .87rem; }}
th, td {{ text-align: left; vertical-align: top; padding: .3rem .8rem .3rem 0;
  border-bottom: 1px solid #ddd; }}
td.number {{ text-align: right; white-space: nowrap; }}
tr.failed td:first-child {{ color: {OUTSIDE}; font-weight: 600; }}
.wide {{ overflow-x: auto; }}
.panels {{ display: flex; flex-wrap: wrap; gap: .75rem; }}
.key {{ display: inline-block; width: 1rem; height: .7rem; background: {BAND}; }}
dt {{ font-weight: 600; }} dd {{ margin: 0 0 .4rem; }}
footer {{ color: #666; font-size: .8rem; margin-top: 2rem; }}
"""


def write_html(report: Report, path: str | os.PathLike[str]) -> None:
    """Write the page of `to_html`, whole or not at all.

    Raises FileNotFoundError if the folder does not exist.
    """
    write_text(Path(path), to_html(report))


def to_html(report: Report) -> str:
    """One page without scripts that loads nothing: verdict, checks, notes, PIT pictures.

    Of each value a histogram of the reference's CDF at the candidate's draws and the difference
    between their empirical CDF and the uniform one, with the bands that a right candidate stays
    in; of more than 24 values the 24 with the largest differences.
    """
    return "\n".join(
        [
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>bnnpost verify: {'passed' if report.passed else 'FAILED'}</title>",
            f"<style>{_STYLE}</style>\n</head>\n<body>",
            f'<h1 class="{"passed" if report.passed else "failed"}">{_safe(report.verdict())}</h1>',
            *_compared(report),
            *_table(report),
            *_pictures(report),
            f"<footer>{_safe(', '.join(f'{n} {v}' for n, v in versions().items()))}</footer>",
            "</body>\n</html>\n",
        ]
    )


def _compared(report: Report) -> Iterator[str]:
    yield f"<dl><dt>Candidate</dt><dd>{_safe(report.candidate)}</dd>"
    yield f"<dt>Reference</dt><dd>{_safe(report.reference)}</dd></dl>"
    if report.notes:
        yield "<h2>Notes</h2>\n<ul>"
        yield from (f"<li>{_safe(note)}</li>" for note in report.notes)
        yield "</ul>"


def _table(report: Report) -> Iterator[str]:
    heads = (
        "", "Check", "Statistic", "Where", "p", "adjusted p", "Draws (candidate, reference)",
        "Found 9 times in 10",
    )  # fmt: skip
    yield '<h2>Checks</h2>\n<div class="wide"><table>\n<thead><tr>'
    yield "".join(f"<th>{head}</th>" for head in heads)
    yield "</tr></thead>\n<tbody>"
    for check in report.checks:
        yield _row(check, check.adjusted <= report.level)
    yield "</tbody></table></div>"
    yield (
        f"<p>A check fails where its adjusted p-value is at or below {report.level:g}, which is "
        "the probability that a right candidate fails any of them.</p>"
    )


def _row(check: Check, failed: bool) -> str:
    words = [
        "FAIL" if failed else "ok",
        check.name,
        f"{check.measure} {check.statistic:.3g}",
        check.where,
    ]
    numbers = [
        f"{check.p_value:.2g}",
        f"{check.adjusted:.2g}",
        ", ".join(_count(size) for size in check.effective),
    ]
    cells = [f"<td>{_safe(word)}</td>" for word in words]
    cells += [f'<td class="number">{_safe(number)}</td>' for number in numbers]
    cells.append(f"<td>{_safe(check.smallest)}</td>")
    opening = '<tr class="failed">' if failed else "<tr>"
    return f"{opening}{''.join(cells)}</tr>"


def _count(size: float) -> str:
    return f"{size:,.0f}" if math.isfinite(size) else "exact"


def _pictures(report: Report) -> Iterator[str]:
    yield "<h2>Values one by one</h2>"
    pit = np.asarray(report.pit, np.float64)
    if pit.ndim != 2 or not pit.size:
        yield "<p>There are none to show.</p>"
        return
    columns = [column[np.isfinite(column)] for column in pit.T]
    found = _bands(report, len(pit))
    yield _legend(report, found)
    order = np.argsort([-largest_difference(column) for column in columns], kind="stable")
    shown = order[:MOST_PANELS] if len(order) > MOST_PANELS else np.arange(len(order))
    if len(order) > MOST_PANELS:
        yield (
            f"<p>Of {len(order)} values the {MOST_PANELS} with the largest differences are shown, "
            "the largest first.</p>"
        )
    yield '<div class="panels">'
    yield from (panel(report.columns[i], columns[i], found) for i in shown)
    yield "</div>"


def _bands(report: Report, num_rows: int) -> Bands:
    """Of one value, so that those of all values hold together."""
    found = (check.effective for check in report.checks if _PIT in check.name.lower())
    sizes = next(found, None)
    num_draws, num_reference = (num_rows, math.inf) if sizes is None else sizes
    return bands(num_draws, num_reference, report.level / max(len(report.columns), 1))


def _legend(report: Report, found: Bands) -> str:
    return (
        "<p>Above: histogram of the reference's CDF at the candidate's draws, which is flat for a "
        "right candidate (high at both ends: too wide; in the middle: too narrow; at one end: "
        "shifted). Below: their empirical CDF minus the uniform one. "
        '<span class="key"></span> Where a right candidate stays: with probability '
        f"{1 - report.level:g} or more all bars of all {len(report.columns)} values are inside, "
        "and likewise all curves. The band of the bars has quantiles of binomial counts "
        "(beta-binomial where the reference is of draws), by Bonferroni over bars and values; that "
        "of the curves is the Dvoretzky–Kiefer–Wolfowitz bound with Massart's constant, "
        f"±{found.ecdf:.3g}. The verdict is that of the checks, not of these pictures.</p>"
    )


def _safe(text: str) -> str:
    return html.escape(text, quote=True)
