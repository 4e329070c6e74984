"""What there is to say of a forecast: what draws would cost at each width, and what to do."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from bnnpost.datasets import DataRecord
from bnnpost.reports import words
from bnnpost.samplers.cost import Cost
from bnnpost.summaries.summary import (
    Block,
    Fact,
    Notes,
    Section,
    ShownColumn,
    ShownTable,
    Summary,
)
from bnnpost.summaries.values import counted
from bnnpost.sweeps.config import SweepConfig

WIDTH = ShownColumn("width", "width")
_FAILURE = ShownColumn("not_met", "Why not", words=True, long=True)
_NO_MORE: Mapping[str, object] = {}


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


def cost_table(
    key: str,
    caption: str,
    costs: Iterable[tuple[int, Cost]],
    columns: Sequence[ShownColumn] = (),
    more: Mapping[int, Mapping[str, object]] | None = None,
) -> ShownTable:
    """Return a row for each width and cost, with all that JSON has of it.

    columns: further ones at the right. more: what rows have besides, by width.
    """
    pairs = list(costs)
    facts = [fact for _, cost in pairs for fact in cost.facts]
    rows = tuple(
        {"width": counted(width), **cost.row, **(more or {}).get(width, _NO_MORE)}
        for width, cost in pairs
    )
    all_columns = (WIDTH, *_columns(facts), *columns, _FAILURE)
    return ShownTable(key, caption, all_columns, rows, printed=len(rows))


def estimates_table(costs: Mapping[int, Cost]) -> ShownTable | None:
    """Return what estimates over all proposals are worth; None if a method makes no proposals.

    JSON has it in the rows of `cost_table`.
    """
    facts = [fact for cost in costs.values() for fact in cost.of_estimates]
    if not facts:
        return None
    rows = tuple({"width": counted(width), **cost.row} for width, cost in costs.items())
    caption = "Estimates over all proposals (importance.estimate), by the pilot"
    return ShownTable("", caption, (WIDTH, *_columns(facts)), rows, printed=len(rows))


def _columns(facts: Iterable[Fact]) -> list[ShownColumn]:
    """Return a column for each kind of fact, in the order in which they come first."""
    by_key = {fact.key: fact for fact in facts}
    return [
        ShownColumn(fact.key, fact.label, words=isinstance(fact.value, str))
        for fact in by_key.values()
    ]


def advice(costs: Mapping[int, Cost]) -> Notes:
    """Return the sentences of costs by width, with what several widths share said once.

    Those of failures are in `cost_table`.
    """
    widths: dict[str, list[int]] = {}
    for width, cost in costs.items():
        for sentence in () if cost.failure else cost.sentences:
            widths.setdefault(sentence, []).append(width)
    texts = []
    # What is one width's comes first, what is every width's last.
    for sentence, concerned in sorted(widths.items(), key=lambda item: len(item[1])):
        label = "every width" if len(concerned) == len(costs) else widths_text(concerned)
        texts.append(sentence if len(costs) == 1 else f"{label}: {sentence}")
    return Notes(tuple(texts), title="Advice")


def widths_text(widths: Sequence[int]) -> str:
    """Return widths as part of a sentence."""
    return f"width{'s' if len(widths) > 1 else ''} {', '.join(map(str, widths))}"
