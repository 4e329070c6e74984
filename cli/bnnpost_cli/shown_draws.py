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


def show(draws: Any, problem: Any, out: str, as_json: bool) -> None:
    """Print how the run went and the predictions; leave with code 4 if draws are missing."""
    rows = _rows(draws, problem)
    if as_json:
        found = {"info": dataclasses.asdict(draws.info), "predictions": rows}
        click.echo(json.dumps(plain(found), indent=2))
    else:
        click.echo(_text(draws, problem, rows))
    for message in _doubts(draws.info.chains):
        click.echo(f"bnnpost: NOT CONVERGED: {message}", err=True)
    click.echo(f"draws.nc (for bnnpost.load) and predictions.nc are in {out}", err=True)
    if not draws.info.complete:
        click.echo(
            f"bnnpost: {len(draws)} of {problem.config.num_samples} draws are there: allow more "
            "proposals, or let blocks that are missing be computed, to have them all",
            err=True,
        )
        sys.exit(BUDGET)


def _rows(draws: Any, problem: Any) -> list[dict[str, float]]:
    """Posterior mean and std of f at each test point and output, with the target."""
    import numpy as np

    from bnnpost.numerics.weights import normalised

    if not len(draws):
        return []
    f = draws.predict(problem.x_test)
    weights = normalised(draws.log_weights)
    mean = np.tensordot(weights, f, axes=1)
    std = np.sqrt(np.tensordot(weights, (f - mean) ** 2, axes=1))
    target = problem.y_test.reshape(mean.shape)
    return [
        {
            "point": point,
            "output": output,
            "mean": float(mean[point, output]),
            "std": float(std[point, output]),
            "target": float(target[point, output]),
        }
        for point, output in np.ndindex(*mean.shape)
    ]


def _text(draws: Any, problem: Any, rows: list[dict[str, float]]) -> str:
    info = draws.info
    where = f"width {problem.config.widths[0]}, {info.space}, in {info.seconds:.1f} s"
    lines = _of_chains(info, where) if info.chains else _of_proposals(info, where)
    head = f"{'point':>6} {'output':>6} {'mean of f':>10} {'std of f':>10} {'target':>10}"
    lines += ["", head]
    for row in rows[:_MOST_ROWS]:
        values = " ".join(f"{row[name]:>10.4f}" for name in ("mean", "std", "target"))
        lines.append(f"{row['point']:>6} {row['output']:>6} {values}")
    if len(rows) > _MOST_ROWS:
        lines.append(f"… {len(rows) - _MOST_ROWS} more in predictions.nc")
    return "\n".join(lines)


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


def _doubts(chains: Any) -> list[str]:
    """Why chains should not be taken for the posterior, in plain words."""
    if chains is None:
        return []
    from bnnpost.samplers.chains.results import problems

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
