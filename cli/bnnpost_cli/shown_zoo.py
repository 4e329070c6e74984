"""The zoo as plain text of at most 100 columns."""

from collections.abc import Mapping, Sequence
from typing import Any


def table(entries: Sequence[Any]) -> str:
    """A line a posterior."""
    rows = [("name", "data", "network", "likelihood", "draws")]
    for one in entries:
        rows.append(
            (
                one.name,
                f"{one.data}, {one.num_train} points",
                one.network.words,
                str(one.likelihood["type"]),
                f"{one.num_samples:,} {'exact' if one.bound == 'strict' else 'weighted'}",
            )
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join([*lines, "network: hidden layers × units; t: Student-t weights"])


def description(entry: Any) -> str:
    """What the posterior is."""
    likelihood = dict(entry.likelihood)
    kind = likelihood.pop("type")
    settings = ", ".join(f"{key} {value}" for key, value in likelihood.items())
    rows = {
        "data": f"{entry.data}: {entry.num_train} training and {entry.num_test} test points",
        **_network(entry.network),
        "likelihood": f"{kind}{', ' if settings else ''}{settings}",
        "draws": f"{entry.num_samples:,} by {entry.method}, seed {entry.seed}",
    }
    return "\n".join([f"{entry.name}: {entry.summary}", *_lines(rows)])


def _network(network: Any) -> dict[str, str]:
    if hasattr(network, "tables"):
        first, *others = map(_table, network.tables)
        return {"network": first, **{" " * n: one for n, one in enumerate(others, start=1)}}
    readout = network.readout_w_std
    return {
        "network": f"{network.activation}, depth {network.depth}, width {network.width}, "
        f"w_std {_w_std(network.w_std)}, b_std {network.b_std:.4g}"
        + ("" if readout is None else f", readout w_std {readout:.4g}"),
        "weights": _laws(network),
    }


def _table(layer: Mapping[str, Any]) -> str:
    settings = ", ".join(f"{name} {value}" for name, value in layer.items() if name != "type")
    return f"{layer['type']} {settings}".rstrip()


def _w_std(given: Any) -> str:
    return f"from {_law(given)}" if isinstance(given, Mapping) else f"{given:.4g}"


def _laws(network: Any) -> str:
    if network.prior is None:
        return "normal"
    law = _law(network.prior)
    readout = law if network.readout_prior is None else _law(network.readout_prior)
    return law if readout == law else f"{law}; readout: {readout}"


def _law(record: Mapping[str, Any]) -> str:
    numbers = ", ".join(f"{key} {value:g}" for key, value in record["parameters"].items())
    return f"{record['law']}({numbers})"


def record(found: Mapping[str, Any]) -> str:
    """How the reference was made, and what was checked."""
    from bnnpost.draws.info import unseen_words

    rows = {
        "kind": f"{found['kind']}, bound {found['bound']}, {found['num_samples']:,} draws of "
        f"{found['num_proposals']:,} proposals in {found['seconds']:.0f} s",
        "evidence": f"log p(y) {found['log_evidence']:.5g} ± {found['log_evidence_se']:.1g} nats",
        "versions": ", ".join(f"{name} {v}" for name, v in found["versions"].items()),
        "processor": str(found["processor"]),
    }
    if found["kind"] == "capped":
        rows["weights"] = (
            f"Pareto k {found['pareto_k']:.2f}, worth {found['effective_sample_size']:,.0f} "
            f"equally weighted draws, {found['excess_mass']:.1%} of the mass cut off by the cap; "
            f"{unseen_words(float(found.get('unseen_mass_upper', 1.0)))}"
        )
    checks = [
        f"  {'ok' if one['passed'] else 'FAIL':<4} {one['name']:<13} {one['found']:.3g}, passes "
        f"{_side(one)} {one['limit']:.3g} ({one['measure']})"
        for one in found["checks"]
    ]
    return "\n".join(["built:", *_lines(rows), "checks:", *checks])


def _side(check: Mapping[str, Any]) -> str:
    """Of the limit, where what was found is good."""
    if "p-value" in check["measure"]:
        return "above"
    return "at" if check["limit"] == 0 else "up to"


def _lines(rows: Mapping[str, str]) -> list[str]:
    return [f"  {name:<10} {text}" for name, text in rows.items()]
