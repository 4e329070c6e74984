"""What sample and merge print of the draws."""

import dataclasses
import json
import sys
from typing import Any

import click

from bnnpost_cli.failures import BUDGET

# So many test points in the table.
_MOST_ROWS = 20


def show(draws: Any, problem: Any, out: str, as_json: bool) -> None:
    """Print how the run went and the predictions; leave with code 4 if draws are missing."""
    rows = _rows(draws, problem)
    if as_json:
        found = {"info": dataclasses.asdict(draws.info), "predictions": rows}
        click.echo(json.dumps(found, indent=2))
    else:
        click.echo(_text(draws, problem, rows))
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
    lines = [
        f"{info.num_samples:,} {info.kind} draws of {info.num_proposals:,} proposals, width "
        f"{problem.config.widths[0]}, {info.space}, in {info.seconds:.1f} s",
        f"log evidence {info.log_evidence:.4f} ± {info.log_evidence_se:.4f}, "
        f"acceptance rate {info.acceptance_rate:.3g}",
    ]
    if info.kind == "capped":
        lines.append(_weights(info))
    head = f"{'point':>6} {'output':>6} {'mean of f':>10} {'std of f':>10} {'target':>10}"
    lines += ["", head]
    for row in rows[:_MOST_ROWS]:
        values = " ".join(f"{row[name]:>10.4f}" for name in ("mean", "std", "target"))
        lines.append(f"{row['point']:>6} {row['output']:>6} {values}")
    if len(rows) > _MOST_ROWS:
        lines.append(f"… {len(rows) - _MOST_ROWS} more in predictions.nc")
    return "\n".join(lines)


def _weights(info: Any) -> str:
    k = "none" if info.pareto_k is None else f"{info.pareto_k:.2f}"
    text = (
        f"effective sample size {info.effective_sample_size:,.0f}, excess mass "
        f"{info.excess_mass:.2%}, Pareto k {k}"
    )
    if info.tv_unweighted is None:
        return text + "; the weights' tail is too heavy to say what ignoring them would cost"
    return text + f"; ignoring the weights: TV about {info.tv_unweighted:.3f}"
