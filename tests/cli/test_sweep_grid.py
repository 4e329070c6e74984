"""The commands of a sweep over a grid: output and exit codes. Units of work take no time here."""

import json

import pytest

from tests.cli.invocation import invoke
from tests.sweeps.fake_work import Fake

pytestmark = pytest.mark.optimised

GRID = """
num_train = 2
num_test = 1
widths = [4, 8]
[grid]
depth = [1, 2]
"""


@pytest.fixture
def fake(monkeypatch):
    # The page needs all of a result; tests/reports has it.
    monkeypatch.setattr("bnnpost.reports.write", lambda run, out=None: "report.html")
    return Fake().install(monkeypatch)


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "grid.toml"
    path.write_text(GRID)
    return path


def test_the_help_of_a_sweep_lists_its_commands():
    text = invoke("sweep", "--help").output
    for word in ("run", "status", "resume", "report", "bnnpost sweep --config diabetes"):
        assert word in text
    for name in ("run", "status", "resume", "report"):
        text = invoke("sweep", name, "--help").output
        assert "Example:  bnnpost sweep" in text, name


@pytest.mark.parametrize("words", [("--config",), ("run",), ("run", "--config")])
def test_a_grid_is_run_reported_and_found_again(fake, config, tmp_path, words):
    done = invoke("sweep", *words, config, "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert "depth  status" in done.stdout and "−1.00 [−1.03, −0.97]" in done.stdout
    assert "[4/4] depth=2, width 8: 7 draws" in done.stderr and "[4/4]" not in done.stdout
    assert len(fake.ran) == 4
    report = invoke("sweep", "report", tmp_path / "out")
    assert report.exit_code == 0 and report.stdout == done.stdout
    status = invoke("sweep", "status", tmp_path / "out")
    assert status.exit_code == 0
    assert "4 of 4 units done" in status.stdout
    found = json.loads(invoke("sweep", "status", tmp_path / "out", "--json").stdout)
    assert found["varying"] == ["depth"] and found["widths"] == [4, 8]
    assert [cell["status"] for cell in found["cells"]] == ["done", "done"]
    assert found["cells"][1]["config"]["depth"] == 2
    again = invoke("sweep", "resume", tmp_path / "out")
    assert again.exit_code == 0 and again.stdout == done.stdout
    assert len(fake.ran) == 4


def test_failures_are_listed_and_resumed(fake, config, tmp_path):
    fake.raises[1, 8] = [ValueError("no such thing")]
    done = invoke("sweep", config, "--out", tmp_path / "out")
    assert done.exit_code == 5, done.output
    assert "bnnpost: depth=1 failed at width 8: no such thing" in done.stderr
    assert f"bnnpost sweep resume {tmp_path / 'out'} tries again what failed" in done.stderr
    status = invoke("sweep", "status", tmp_path / "out").stdout
    assert "    no such thing" in status and "3 of 4 units done" in status
    done = invoke("sweep", "resume", tmp_path / "out", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["cells"][0]["rates"]["tv"]["exponent"] == -1.0


@pytest.mark.parametrize(("hopeless", "code"), [((1,), 5), ((1, 2), 2)])
def test_refused_cells_have_an_exit_code(fake, config, tmp_path, hopeless, code):
    fake.hopeless = hopeless
    done = invoke("sweep", "run", config, "--out", tmp_path / "out")
    assert done.exit_code == code, done.output
    assert "bnnpost: depth=1 was refused: width 8 is expected to need" in done.stderr
    assert f"{len(hopeless)} of 2 cells refused" in done.stderr


def test_the_plan_of_a_grid_with_no_cell_that_would_run_is_printed(config):
    config.write_text(GRID.replace("depth = [1, 2]", 'w_std = ["HalfNormal(1)", "HalfNormal(2)"]'))
    done = invoke("sweep", config, "--dry-run")
    assert done.exit_code == 2, done.output
    assert "mixture of Gaussian processes" in done.stdout
    first, *others = done.stdout.splitlines()
    assert first.endswith("No cell would run.") and " ".join(others).count("refused") == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "CONFIG", "--config", "CONFIG", "--out", "o"], "got two"),
        (["run", "CONFIG"], "--out DIR"),
        (["run", "CONFIG", "--out", "o", "--depth", "3"], "--depth cannot be given as well"),
        (["run", "CONFIG", "--out", "o", "--executor", "inline", "--jobs", "2"], "several jobs"),
        (["run", "CONFIG", "--out", "o", "--executor", "slurm"], "module:factory"),
        (["statu", "o"], "Did you mean status?"),
    ],
)
def test_flags_at_odds_are_refused(config, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    done = invoke("sweep", *[str(config) if one == "CONFIG" else one for one in arguments])
    assert done.exit_code == 2, done.output
    assert words in done.stderr and not (tmp_path / "o").exists()


def test_a_file_is_no_misspelt_command(fake, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("report.toml", "statu"):
        (tmp_path / name).write_text(GRID)
        assert invoke("sweep", name, "--out", f"out-{name}").exit_code == 0
    done = invoke("sweep", "reports.toml", "--out", "o")
    assert done.exit_code == 2 and "no configuration file reports.toml" in done.stderr


def test_there_is_no_status_where_there_is_no_sweep(tmp_path):
    for name in ("status", "report", "resume"):
        done = invoke("sweep", name, tmp_path)
        assert done.exit_code == 1, done.output
        assert "holds no sweep" in done.stderr
