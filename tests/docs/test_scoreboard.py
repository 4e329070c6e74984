"""The scoreboard: the page is that of the results, these are enough, samplers can be added."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "benchmarks" / "scoreboard.py"
FEWEST_SAMPLERS, FEWEST_POSTERIORS, MOST_HOURS = 12, 8, 6.0


@pytest.fixture
def modules(monkeypatch):
    """The script's modules by name, which are on no path."""
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    names = ("scoreboard", "_scoreboard_chains", "_scoreboard_approximations")
    names += ("_scoreboard_samplers", "_scoreboard_page")
    found = {}
    for name in names:
        spec = importlib.util.spec_from_file_location(name, SCRIPT.with_name(f"{name}.py"))
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, module)
        spec.loader.exec_module(module)
        found[name.removeprefix("_scoreboard_")] = module
    return found


def test_the_page_is_made_of_the_results(modules):
    results = modules["scoreboard"].results()
    page = modules["page"].written(results)
    assert (ROOT / "docs" / "scoreboard.md").read_text(encoding="utf-8") == page


def test_enough_was_run_and_nothing_is_missing(modules):
    results = modules["scoreboard"].results()
    samplers = modules["samplers"].SAMPLERS
    posteriors = modules["scoreboard"].POSTERIORS
    assert len(samplers) >= FEWEST_SAMPLERS
    assert len(posteriors) >= FEWEST_POSTERIORS
    expected = {
        (p, s.name, setting) for p in posteriors for s in samplers for setting in s.settings
    }
    assert {(r["posterior"], r["sampler"], r["setting"]) for r in results} == expected
    # Of one core: two take half of it.
    assert sum(r.get("elapsed", 600.0) for r in results) / 3600 < MOST_HOURS
    assert all(set(s.settings) == set(s.words) for s in samplers)


def test_what_is_exact_passes_and_what_is_not_is_told(modules):
    """Of eighteen right runs by rejection and coupled chains one in six has a false alarm."""
    found = {(r["posterior"], r["sampler"]): r for r in modules["scoreboard"].results()}
    names = modules["scoreboard"].POSTERIORS
    right = [(p, f"{s} (bnnpost)") for p in names for s in ("rejection", "coupled chains")]
    assert sum(found[one]["outcome"] != "passed" for one in right) <= 1
    assert all(found[p, "MC dropout"]["outcome"] != "passed" for p in names)


def test_results_go_on_and_the_latest_counts(modules, tmp_path, monkeypatch):
    path = tmp_path / "results.jsonl"
    lines = [
        {"posterior": "a", "sampler": "b", "setting": "c", "outcome": outcome}
        for outcome in ("failed", "passed")
    ]
    path.write_text("\n".join(map(json.dumps, lines)) + "\n", encoding="utf-8")
    monkeypatch.setattr(modules["scoreboard"], "RESULTS", path)
    assert [one["outcome"] for one in modules["scoreboard"].results()] == ["passed"]


MINE = """
import jax
import bnnpost

def prior(key, posterior, x_test):
    keys = jax.random.split(key, 2000)
    return jax.vmap(lambda one: posterior.network.init(one, posterior.x.shape[1]))(keys)
"""


@pytest.mark.slow
def test_a_sampler_of_ones_own_in_one_command(tmp_path):
    (tmp_path / "mine.py").write_text(MINE, encoding="utf-8")
    command = [sys.executable, str(SCRIPT), "own", "mine.py:prior", "--posterior", "step-erf-2x8"]
    done = subprocess.run(
        [*command, "--zoo", str(tmp_path)],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'cli'}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "step-erf-2x8: FAILED" in done.stdout
    assert "times too large" in done.stdout
    wrong = [*command[:3], "mine.py:nothing"]
    done = subprocess.run(wrong, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert "no function 'nothing'" in done.stderr
