"""Samplers that people use, as they use them, against posteriors of the zoo: who is right.

    python benchmarks/scoreboard.py run                      # what docs/scoreboard.jsonl lacks
    python benchmarks/scoreboard.py run --sampler SGLD --posterior step-erf-2x8 --again
    python benchmarks/scoreboard.py page                     # docs/scoreboard.md from the results
    python benchmarks/scoreboard.py own my_module.py:sampler # a sampler of yours beside them

Each cell is a process of its own on one core, with ten minutes at most; its result is one line of
the file, written when it is there, so that an interrupted run goes on. Seconds are of the
processor, compilation included, and so hardly depend on what else runs. Hours in all.

A sampler of yours is sampler(key, posterior, x_test) and returns what `bnnpost.verify` takes:
parameters stacked over draws or chains, vectors of `posterior.flat`, or function values.
"""

import importlib.metadata
import importlib.util
import json
import math
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from bnnpost.verification.effects import MEAN, STD, Effect, worst
from bnnpost.verification.report import Report

HERE = Path(__file__).resolve().parent
RESULTS = Path(os.environ.get("SCOREBOARD_RESULTS", HERE.parent / "docs" / "scoreboard.jsonl"))
PAGE = HERE.parent / "docs" / "scoreboard.md"
ZOO = HERE.parent / "runs" / "zoo"
# With a few words for the head of a table.
POSTERIORS = {
    "sine-tanh-1x1": "one unit",
    "sine-relu-1x1": "two modes",
    "step-erf-2x8": "a step",
    "nile-tanh-3x16-outliers": "t noise",
    "diabetes-erf-1x64": "width 64",
    "diabetes-tanh-2x8-t-hidden": "t weights",
    "diabetes-erf-1x32-scales": "scales",
    "cancer-relu-1x16": "2 classes",
    "wine-tanh-2x32": "3 classes",
}
LEVEL, LONGEST = 0.01, 600
PACKAGES = ("bnnpost", "jax", "numpyro", "blackjax", "optax")
ONE_CORE = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"


@dataclass(frozen=True)
class Cell:
    """One run: a sampler's setting on a posterior."""

    posterior: str
    sampler: str
    setting: str


@click.group(help=__doc__)
def main() -> None:
    sys.path.insert(0, str(HERE))


@main.command()
@click.option("--sampler", "chosen", multiple=True, help="Only these; again for more.")
@click.option("--posterior", "posteriors", multiple=True, type=click.Choice(list(POSTERIORS)))
@click.option("--again", is_flag=True, help="Also what is there already.")
@click.option("--jobs", default=os.cpu_count(), show_default=True, help="Cells at a time.")
@click.option("--zoo", default=ZOO, type=click.Path(path_type=Path), help="References.")
def run(chosen, posteriors, again, jobs, zoo) -> None:
    """Run the cells that have no result yet."""
    from _scoreboard_samplers import SAMPLERS

    cells = [
        Cell(posterior, sampler.name, setting)
        for posterior in posteriors or POSTERIORS
        for sampler in SAMPLERS
        for setting in sampler.settings
        if not chosen or sampler.name in chosen
    ]
    held = set() if again else {_cell_of(result) for result in results()}
    left = [cell for cell in cells if cell not in held]
    click.echo(f"{len(left)} cells to run of {len(cells)}", err=True)
    _references(zoo, {cell.posterior for cell in left})
    _in_parallel(left, jobs, zoo)


@main.command()
def page() -> None:
    """Write docs/scoreboard.md from the results."""
    from _scoreboard_page import written

    PAGE.write_text(written(results()), encoding="utf-8")
    click.echo(PAGE)


@main.command()
@click.argument("where", metavar="FILE.py:FUNCTION")
@click.option("--posterior", "posteriors", multiple=True, type=click.Choice(list(POSTERIORS)))
@click.option("--zoo", default=ZOO, type=click.Path(path_type=Path), help="References.")
def own(where, posteriors, zoo) -> None:
    """Try a sampler of yours; nothing is stored."""
    call = _loaded(where)
    _references(zoo, posteriors or POSTERIORS)
    for posterior in posteriors or POSTERIORS:
        _say(measured(posterior, call, {}, zoo) | {"posterior": posterior})


@main.command(hidden=True)
@click.argument("posterior")
@click.argument("sampler")
@click.argument("setting")
@click.argument("zoo", type=click.Path(path_type=Path))
def cell(posterior, sampler, setting, zoo) -> None:
    """One result as JSON, on the last line of stdout."""
    from _scoreboard_samplers import SAMPLERS

    found = next(one for one in SAMPLERS if one.name == sampler)
    result = measured(posterior, found.call, found.settings[setting], zoo)
    click.echo(json.dumps(result))


def results() -> list[dict[str, Any]]:
    """The latest result of each cell."""
    if not RESULTS.exists():
        return []
    lines = RESULTS.read_text(encoding="utf-8").splitlines()
    return list({_cell_of(found): found for found in map(json.loads, lines)}.values())


def _cell_of(result: dict[str, Any]) -> Cell:
    return Cell(result["posterior"], result["sampler"], result["setting"])


def measured(
    name: str, call: Callable[..., object], settings: dict[str, Any], zoo: Path
) -> dict[str, Any]:
    """What one run of a sampler was worth, in plain data."""
    import jax
    import numpy as np
    from _scoreboard_chains import NotApplicable

    import bnnpost
    from bnnpost.storage import processor

    posterior, x_test = bnnpost.zoo.posterior(name)
    run_key, verify_key = jax.random.split(jax.random.key(20))
    versions = {package: importlib.metadata.version(package) for package in PACKAGES}
    base = {"versions": versions, "processor": processor()}
    started = time.process_time()
    try:
        drawn = jax.block_until_ready(call(run_key, posterior, x_test, **settings))
    except NotApplicable as error:
        return {**base, "outcome": "not applicable", "why": str(error)}
    except Exception as error:
        return {**base, "outcome": "failed", "why": _short(error)}
    base["seconds"] = time.process_time() - started
    if isinstance(drawn, np.ndarray | jax.Array):
        drawn = {"parameters": drawn}  # which may be as long as values
    try:
        tree = bnnpost.to_arviz(drawn, posterior, x_test)["posterior"]
        values = {each: np.asarray(tree[each], np.float64) for each in ("f", "f_train")}
        given = drawn if isinstance(drawn, bnnpost.Draws) else values
        report = bnnpost.verify(verify_key, given, zoo / f"{name}.nc", level=LEVEL)
    except ValueError as error:
        return {**base, "outcome": "refused", "why": _short(error)}
    return {**base, **_worth(report, values)}


def _worth(report: Report, values: dict[str, Any]) -> dict[str, Any]:
    """A verdict, sizes, and how many independent draws these values are as good as."""
    import numpy as np

    from bnnpost.verification.autocorrelation import effective_sizes

    chains = np.concatenate([v.reshape(*v.shape[:2], -1) for v in values.values()], axis=2)
    sizes = effective_sizes(chains)
    effects = [[e.kind, e.where, *map(_rounded, (e.size, e.low, e.high))] for e in report.effects]
    return {
        "outcome": "passed" if report.passed else "failed checks",
        "verdict": report.verdict(),
        "p": min(report.p_values.values()),
        "effects": effects,
        "draws": int(np.prod(chains.shape[:2])),
        "effective": float(np.nanmin(sizes)) if np.any(np.isfinite(sizes)) else 0.0,
    }


def worst_of(result: dict[str, Any], prefix: str = "f") -> list[Effect]:
    """Mean and standard deviation that are furthest off, of the values that begin so."""
    found = [Effect(*one) for one in result.get("effects", ()) if one[1].startswith(prefix)]
    each = (worst(found, kind) for kind in (MEAN, STD))
    return [effect for effect in each if effect is not None]


def _rounded(value: float) -> float:
    return float(f"{value:.3g}")


def _short(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:200]}"


def _references(zoo: Path, names: Iterable[str]) -> None:
    import bnnpost

    for name in names:
        if not (zoo / f"{name}.nc").exists():
            bnnpost.zoo.build(name, zoo, progress=True)


def _in_parallel(cells: list[Cell], jobs: int, zoo: Path) -> None:
    """Threads that each keep one core busy with one process at a time."""
    waiting: queue.SimpleQueue[Cell] = queue.SimpleQueue()
    for one in cells:
        waiting.put(one)
    lock = threading.Lock()

    def work(core: int) -> None:
        while True:
            try:
                one = waiting.get_nowait()
            except queue.Empty:
                return
            result = _in_process(one, core, zoo)
            with lock:
                with RESULTS.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(result) + "\n")
                _say(result)

    cores = sorted(os.sched_getaffinity(0))
    threads = [
        threading.Thread(target=work, args=(cores[i % len(cores)],), daemon=True)
        for i in range(jobs)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _in_process(one: Cell, core: int, zoo: Path) -> dict[str, Any]:
    command = [sys.executable, __file__, "cell", one.posterior, one.sampler, one.setting, str(zoo)]
    started = time.time()
    base = {"posterior": one.posterior, "sampler": one.sampler, "setting": one.setting}
    base["date"] = time.strftime("%Y-%m-%d")
    try:
        done = subprocess.run(
            ["taskset", "-c", str(core), *command],
            capture_output=True,
            text=True,
            timeout=LONGEST,
            env=os.environ | {"XLA_FLAGS": ONE_CORE, "JAX_PLATFORMS": "cpu"},
        )
    except subprocess.TimeoutExpired:
        return {**base, "outcome": "out of time", "why": f"more than {LONGEST} s"}
    base["elapsed"] = round(time.time() - started, 1)
    if done.returncode:
        why = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return {**base, "outcome": "failed", "why": why[:200]}
    return {**base, **json.loads(done.stdout.splitlines()[-1])}


def _say(result: dict[str, Any]) -> None:
    """One line about a cell."""
    name = " ".join(result[key] for key in ("posterior", "sampler", "setting") if key in result)
    told = result.get("verdict") or f"{result['outcome']}: {result.get('why', '')}"
    told += "".join(f"; {effect}" for effect in worst_of(result))
    if "seconds" in result:
        told += f"; {result['seconds']:.0f} s"
    if math.isfinite(result.get("effective", math.nan)):
        told += f", {result['effective']:.0f} effective draws"
    click.echo(f"{name}: {told}")


def _loaded(where: str) -> Callable[..., object]:
    path, _, name = where.rpartition(":")
    spec = importlib.util.spec_from_file_location("own_sampler", path)
    if not path or spec is None or spec.loader is None or not Path(path).exists():
        raise click.UsageError(f"expected FILE.py:FUNCTION, got {where!r}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not callable(getattr(module, name, None)):
        raise click.UsageError(f"{path} has no function {name!r}")
    return getattr(module, name)


if __name__ == "__main__":
    main()
