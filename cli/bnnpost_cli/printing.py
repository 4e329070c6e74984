"""A summary on stdout, as text or as JSON."""

import json
from typing import Any

import click


def print_summary(summary: Any, as_json: bool, *, doubts: bool = True) -> None:
    """Print a summary. doubts: whether the text has them; else the caller prints them."""
    from bnnpost.summaries.text import as_text

    text = json.dumps(summary.to_dict(), indent=2) if as_json else as_text(summary, doubts=doubts)
    click.echo(text)
