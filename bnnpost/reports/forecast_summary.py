"""What there is to say of a forecast: what draws would cost at each width, and what to do."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from bnnpost.datasets import DataRecord
from bnnpost.reports import words
from bnnpost.reports.expected_costs import advice, cost_table, estimates_table
from bnnpost.samplers.cost import Cost
from bnnpost.summaries.summary import Block, Section, Summary
from bnnpost.sweeps.config import SweepConfig


def summary_of_forecast(
    config: SweepConfig, record: DataRecord | None, costs: Mapping[int, Sequence[Cost]]
) -> Summary:
    """Return the costs of every way of making the draws, by width. record: of the data."""
    first = {width: several[0] for width, several in costs.items()}
    rows = [(width, cost) for width, several in costs.items() for cost in several]
    caption = "Time on this device, once all is compiled"
    blocks: list[Block] = [cost_table("forecast", caption, rows)]
    estimates = estimates_table(first)
    blocks += [advice(first)] if estimates is None else [estimates, advice(first)]
    name = Path(config.data).name
    return Summary(
        title=f"Forecast for {name}",
        kind=f"Forecast · {name}",
        headline=f"Expected for {config.method.in_words(config.num_samples)}.",
        lead=(f"{words.problem(config.as_dict(), record)}.",),
        sections=(Section("Expected cost", "cost", tuple(blocks), brief=True),),
        footer="bnnpost",
    )
