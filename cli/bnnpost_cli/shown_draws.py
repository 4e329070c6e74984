"""What sample and merge print of the draws."""

import dataclasses
import json
import math
import sys
from typing import Any

import click

from bnnpost_cli.failures import BUDGET
from bnnpost_cli.tables import plain

# So many test points in the table.
_MOST_ROWS = 20
_HEADS = {"mean": "mean of f", "std": "std of f", "probability": "p", "target": "target"}


def show(draws: Any, problem: Any, out: str, as_json: bool) -> None:
    """Print how the run went and the predictions; leave with code 4 if draws are missing."""
    rows, scores = _rows(draws, problem), _scores(draws, problem)
    if as_json:
        found = {"info": dataclasses.asdict(draws.info), "predictions": rows, "scores": scores}
        if problem.levels:
            found["levels"] = list(problem.levels)
        if problem.record is not None:
            found["data"] = problem.record.as_dict()
        click.echo(json.dumps(plain(found), indent=2))
    else:
        if problem.record is not None:
            click.echo(problem.record.used())
        click.echo(_text(draws, problem, rows))
        for line in _of_targets(problem, scores):
            click.echo(line)
    for message in _doubts(draws.info.chains):
        click.echo(f"bnnpost: NOT CONVERGED: {message}", err=True)
    click.echo(f"draws.nc (for bnnpost.load) and predictions.nc are in {out}", err=True)
    if not draws.info.complete:
        click.echo(f"bnnpost: {_lacking(draws, problem)}", err=True)
        sys.exit(BUDGET)


def _lacking(draws: Any, problem: Any) -> str:
    """What a run did not come to, and what to do."""
    pairs = draws.info.coupled
    if pairs is None:
        return (
            f"{len(draws)} of {problem.config.num_samples} draws are there: allow more "
            "proposals, or let blocks that are missing be computed, to have them all"
        )
    if not pairs.met:
        return (
            f"NOT MET: {pairs.unmet:,} of {len(draws):,} pairs did not meet in {pairs.max_steps:,} "
            "steps, so nothing is known of the distance of these draws from the posterior, which "
            "are kept all the same: raise --max-steps, in another --out, or take a wider network "
            "or more noise"
        )
    return (
        f"NOT NEAR ENOUGH: with so many pairs the limit of the distance came down to "
        f"{pairs.tv_upper:.3g}, and not to {pairs.tolerance:g}: ask for more --num-samples, which "
        "the same command goes on to, or for a larger --tolerance"
    )


def _scores(draws: Any, problem: Any) -> dict[str, float]:
    """Log loss, accuracy or squared error, means over test points."""
    from bnnpost.sweeps.results import point_scores

    return {name: float(one.mean()) for name, one in point_scores(draws, problem).items()}


def _of_targets(problem: Any, scores: dict[str, float]) -> list[str]:
    """What the targets are, where they are classes, and what predictions of them are worth."""
    named = ", ".join(f"{i} {name}" for i, name in enumerate(problem.levels))
    worth = ", ".join(f"{name.replace('_', ' ')} {one:.4f}" for name, one in scores.items())
    lines = [f"classes: {named}"] if named else []
    return [*lines, f"at the test targets: {worth}"] if worth else lines


def _rows(draws: Any, problem: Any) -> list[dict[str, float]]:
    """Posterior mean and std of f at each test point and output, with the target, in its units."""
    import numpy as np

    from bnnpost.numerics.weights import normalised

    if not len(draws):
        return []
    f = draws.predict(problem.x_test)
    weights = normalised(draws.log_weights)
    mean = np.tensordot(weights, f, axes=1)
    std = np.sqrt(np.tensordot(weights, (f - mean) ** 2, axes=1))
    record, targets = problem.described, problem.targets(problem.y_test)
    if problem.likelihood.target_kind == "numbers":
        mean, std = record.moments(mean, std)
        targets = record.scaling.values(targets)
    columns = {"mean": mean, "std": std, "target": targets}
    likelihood = problem.likelihood
    if likelihood.defines("probabilities"):
        chances = np.asarray(likelihood.probabilities(f))
        columns["probability"] = np.tensordot(weights, chances, axes=1)
    return [
        {"point": point, "output": output}
        | record.row(point)
        | {name: float(values[point, output]) for name, values in columns.items()}
        for point, output in np.ndindex(*mean.shape)
    ]


def _text(draws: Any, problem: Any, rows: list[dict[str, float]]) -> str:
    info = draws.info
    where = f"width {problem.config.widths[0]}, {info.space}, in {info.seconds:.1f} s"
    if info.coupled:
        lines = _of_pairs(info, where)
    else:
        lines = _of_chains(info, where) if info.chains else _of_proposals(info, where)
    names = [name for name in _HEADS if not rows or name in rows[0]]
    head = " ".join(f"{_HEADS[name]:>10}" for name in names)
    lines += ["", *_unit(problem)]
    record, several = problem.described, len({row["output"] for row in rows}) > 1
    labels = [record.point(int(row["point"])) for row in rows[:_MOST_ROWS]]
    outputs = [record.output(int(row["output"])) if several else "" for row in rows[:_MOST_ROWS]]
    wide, long = (max(map(len, ["", *one])) for one in (labels, outputs))
    lines.append(f"{'':<{wide}} {'':<{long}} {head}")
    for label, output, row in zip(labels, outputs, rows, strict=False):
        values = " ".join(f"{row[name]:>10.5g}" for name in names)
        lines.append(f"{label:<{wide}} {output:<{long}} {values}")
    if len(rows) > _MOST_ROWS:
        lines.append(f"… {len(rows) - _MOST_ROWS} more in predictions.nc")
    return "\n".join(lines)


def _unit(problem: Any) -> list[str]:
    """What numbers are in, and how the noise stands to that."""
    record = problem.described
    if problem.likelihood.target_kind != "numbers" or not record.target_names:
        return []
    std = problem.likelihood.known_std
    noise = "" if std is None else record.noise(float(std))
    said = [f"in units of {record.unit}"]
    return [*said, f"noise_std {float(std):g} ({noise})"] if noise else said


def _of_proposals(info: Any, where: str) -> list[str]:
    lines = [
        f"{info.num_samples:,} {info.kind} draws of {info.num_proposals:,} proposals, {where}",
        f"log evidence {info.log_evidence:.4f} ± {info.log_evidence_se:.4f}, "
        f"acceptance rate {info.acceptance_rate:.3g}",
    ]
    return [*lines, *_weights(info)] if info.kind == "capped" else lines


def _of_chains(info: Any, where: str) -> list[str]:
    chains = info.chains
    r_hat = "unknown" if math.isnan(chains.r_hat) else f"{chains.r_hat:.3f}"
    if chains.num_chains == 1:
        r_hat += " (of the halves of one chain)"
    steps = ", ".join(f"{step:.3g}" for step in chains.step_size if math.isfinite(step))
    return [
        f"{info.num_samples:,} draws, {chains.num_samples:,} of each of {chains.num_chains} "
        f"chain(s) by {chains.sampler}, {where}",
        f"R-hat of f {r_hat}, of the log density {chains.lp_r_hat:.3f}; effective sample size "
        f"{chains.ess_bulk:,.0f} (bulk), {chains.ess_tail:,.0f} (tail)",
        chains.divergences(),
        chains.sight(),
        f"acceptance rate {info.acceptance_rate:.3g}"
        + (f", step size of each chain {steps}" if steps else ""),
    ]


def _of_pairs(info: Any, where: str) -> list[str]:
    import numpy as np

    pairs = info.coupled
    times = np.array(pairs.meeting_times)
    met = times[times > 0] - pairs.lag
    when = (
        f", half of them within {np.median(met):.0f} steps, all within {met.max():,} beyond a lag "
        f"of {pairs.lag:,}"
        if met.size
        else ""
    )
    return [
        f"{info.num_samples:,} draws of as many pairs of coupled chains after {pairs.step} steps, "
        f"{where}",
        f"total variation from the posterior at most {pairs.tv_upper:.2g} at 95 % (estimated bound "
        f"{pairs.tv:.2g}): independent draws, not exact ones",
        f"{met.size:,} of {times.size:,} pairs met{when}",
        f"a step: {pairs.transition()}; acceptance rate {pairs.acceptance_rate:.3g}",
    ]


def _doubts(chains: Any) -> list[str]:
    """Why chains should not be taken for the posterior, in plain words."""
    if chains is None:
        return []
    from bnnpost.samplers.chains.chain_draws import problems

    found: list[str] = problems(chains)
    return found


def _weights(info: Any) -> list[str]:
    k = "none" if info.pareto_k is None else f"{info.pareto_k:.2f}"
    text = (
        f"effective sample size {info.effective_sample_size:,.0f}, excess mass "
        f"{info.excess_mass:.2%}, Pareto k {k}"
    )
    cost = "the weights' tail is too heavy to say what ignoring them would cost"
    if info.tv_unweighted is not None:
        cost = f"ignoring the weights: TV about {info.tv_unweighted:.3f} where proposals were"
    return [text, f"{cost}; {info.unseen()}"]
