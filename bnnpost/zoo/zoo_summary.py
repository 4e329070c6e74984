"""What there is to say of the zoo: all of its posteriors in a table, and each with its record."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bnnpost.summaries.summary import (
    Block,
    Fact,
    Facts,
    Section,
    ShownColumn,
    ShownTable,
    Summary,
)
from bnnpost.summaries.values import Number, Span, counted, lasted, measured
from bnnpost.zoo.entries import Entry, Layers, Perceptron

_COLUMNS = (
    ShownColumn("name", "name", words=True),
    ShownColumn("shown data", "data", words=True, record=False),
    ShownColumn("shown network", "network", words=True, record=False),
    ShownColumn("shown likelihood", "likelihood", words=True, record=False),
    ShownColumn("shown draws", "draws", words=True, record=False),
)
_CHECK_COLUMNS = (
    ShownColumn("verdict", "", words=True),
    ShownColumn("name", "check", words=True),
    ShownColumn("found", "found"),
    ShownColumn("passes", "passes", words=True),
    ShownColumn("measure", "measure", words=True),
)
_LAYER_COLUMNS = (
    ShownColumn("type", "layer", words=True),
    ShownColumn("settings", "settings", words=True),
)


def summary_of_zoo(entries: Sequence[Entry]) -> Summary:
    """Return a table of the posteriors, a row each."""
    caption = "Network: hidden layers × units; t: Student-t weights"
    rows = tuple(_zoo_row(entry) for entry in entries)
    table = ShownTable("posteriors", caption, _COLUMNS, rows, printed=len(rows))
    return Summary(
        title="The zoo",
        kind="Reference posteriors",
        headline=f"{len(rows)} posteriors, with draws to hold any sampler against.",
        sections=(Section("Posteriors", "posteriors", (table,), brief=True),),
        footer="bnnpost",
    )


def _zoo_row(entry: Entry) -> dict[str, object]:
    kind = "exact" if entry.bound == "strict" else "weighted"
    return {
        "shown data": f"{entry.data}, {entry.num_train} points",
        "shown network": entry.network.words,
        "shown likelihood": str(entry.likelihood["type"]),
        "shown draws": f"{entry.num_samples:,} {kind}",
        **entry.as_dict(),
    }


def summary_of_entry(
    entry: Entry, record: Mapping[str, Any] | None = None, absent: str = ""
) -> Summary:
    """Return the description of a posterior, and how its reference was made and checked.

    record: of its reference, as plain data; None if there is none. absent: why, then.
    """
    blocks = [Facts("description", tuple(_description(entry)), entry.as_dict())]
    sections = [Section("Description", "description", (*blocks, *_layers(entry)), brief=True)]
    if record is not None:
        sections.append(Section("Reference", "reference", tuple(_reference(record)), brief=True))
    return Summary(
        title=entry.name,
        kind="Reference posterior",
        headline=f"{entry.name}: {entry.summary}",
        lead=(absent,) if absent else (),
        sections=tuple(sections),
        footer="bnnpost",
        data={"record": None},
    )


def _description(entry: Entry) -> Iterator[Fact]:
    """Yield what the posterior is, in words; by the same keys JSON has it as plain data."""
    points = f"{entry.num_train} training and {entry.num_test} test points"
    yield Fact("data", "data", f"{entry.data}: {points}")
    if isinstance(entry.network, Layers):
        yield Fact("network", "network", f"{entry.network.words}, layer by layer below")
    else:
        yield Fact("network", "network", _network(entry.network))
        yield Fact("weights", "weights", _weight_distributions(entry.network))
    likelihood = dict(entry.likelihood)
    kind = likelihood.pop("type")
    yield Fact("likelihood", "likelihood", [kind, *_settings(likelihood)])
    made = f"{entry.num_samples:,} by {entry.method}"
    yield Fact("method", "draws", made)
    yield Fact("seed", "seed", entry.seed)


def _network(network: Perceptron) -> str:
    readout = network.readout_w_std
    return (
        f"{network.activation}, depth {network.depth}, width {network.width}, "
        f"w_std {_w_std(network.w_std)}, b_std {network.b_std:.4g}"
        + ("" if readout is None else f", readout w_std {readout:.4g}")
    )


def _w_std(value: float | Mapping[str, Any]) -> str:
    return f"from {_distribution(value)}" if isinstance(value, Mapping) else f"{value:.4g}"


def _weight_distributions(network: Perceptron) -> str:
    """Return the distributions of the weights, before they are scaled."""
    if network.prior is None:
        return "normal"
    hidden = _distribution(network.prior)
    readout = hidden if network.readout_prior is None else _distribution(network.readout_prior)
    return hidden if readout == hidden else f"{hidden}; readout: {readout}"


def _distribution(record: Mapping[str, Any]) -> str:
    numbers = ", ".join(f"{key} {value:g}" for key, value in record["parameters"].items())
    return f"{record['law']}({numbers})"


def _settings(settings: Mapping[str, object]) -> list[str]:
    return [f"{name} {value}" for name, value in settings.items()]


def _layers(entry: Entry) -> Iterator[ShownTable]:
    """Yield the layers of a network that is a list of them; JSON has them in its description."""
    if isinstance(entry.network, Layers):
        rows = []
        for layer in entry.network.tables:
            others = {name: value for name, value in layer.items() if name != "type"}
            rows.append({"type": layer["type"], "settings": _settings(others)})
        yield ShownTable("", "", _LAYER_COLUMNS, tuple(rows), printed=len(rows))


def _reference(record: Mapping[str, Any]) -> Iterator[Block]:
    evidence = measured(record["log_evidence"], record["log_evidence_se"], digits=5)
    facts = [
        Fact("kind", "kind", f"{record['kind']}, bound {record['bound']}"),
        Fact("num_samples", "draws", counted(record["num_samples"])),
        Fact("num_proposals", "proposals", counted(record["num_proposals"])),
        Fact("seconds", "time", lasted(record["seconds"])),
        Fact("log_evidence", "log p(y), nats", evidence),
        Fact("versions", "versions", record["versions"]),
        Fact("processor", "processor", record["processor"]),
        *(_weights(record) if record["kind"] == "capped" else ()),
    ]
    yield Facts("record", tuple(facts), record)
    rows = tuple({**check, **_verdict(check)} for check in record["checks"])
    yield ShownTable("", "Checks", _CHECK_COLUMNS, rows, printed=len(rows))


def _weights(record: Mapping[str, Any]) -> Iterator[Fact]:
    """Yield what the weights of capped draws are worth."""
    from bnnpost.draws.info import unseen_words

    k = Number(record["pareto_k"], digits=2, form="places")
    worth, lost = record["effective_sample_size"], record["excess_mass"]
    yield Fact("pareto_k", "Pareto k", k)
    yield Fact("effective_sample_size", "equally weighted draws", counted(worth))
    yield Fact("excess_mass", "mass cut off by the cap", Number(lost, digits=1, form="percent"))
    unseen = unseen_words(float(record["unseen_mass_upper"]))
    yield Fact("unseen_mass_upper", "where no proposal was", unseen)


def _verdict(check: Mapping[str, Any]) -> dict[str, object]:
    return {
        "verdict": "ok" if check["passed"] else Span("FAIL", "wrong"),
        "found": measured(check["found"]),
        "passes": f"{_side(check)} {check['limit']:.3g}",
    }


def _side(check: Mapping[str, Any]) -> str:
    """Return on which side of its limit a good value is."""
    if "p-value" in check["measure"]:
        return "above"
    return "at" if check["limit"] == 0 else "up to"
