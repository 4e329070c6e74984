"""The command line as a user meets it: output, exit codes, refusals, interruption."""

import json
import signal
import time

import numpy as np
import pytest

from bnnpost import coupled
from bnnpost_cli.failures import reported
from tests.cli.invocation import invoke, start

pytestmark = pytest.mark.optimised

PROBLEM = ["--num-train", "2", "--num-test", "2", "--widths", "64,128", "--noise-std", "0.5"]
SMALL = [*PROBLEM, "--depth", "1", "--num-samples", "50", "--num-proposals", "2000"]


@pytest.mark.slow
def test_a_users_own_table(tmp_path):
    rng = np.random.default_rng(0)
    rows = ["a,b,target", *(f"{a:.4f},{b:.4f},{a - b:.4f}" for a, b in rng.normal(size=(9, 2)))]
    (tmp_path / "mine.csv").write_text("\n".join(rows) + "\n")
    arguments = ["--data", tmp_path / "mine.csv", "--target", "target", "--num-train", 3]
    arguments += ["--num-test", 2, "--widths", "8", "--num-samples", 20, "--num-proposals", 1000]
    done = invoke("sweep", *arguments, "--out", tmp_path / "run")
    assert done.exit_code == 0, done.stderr
    assert "No rate was fitted: one width was run" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--activation", "rellu"], 2, "did you mean relu"),
        (["--widths", "4,x"], 2, "whole numbers"),
        (["--no-such-flag"], 2, "No such option"),
        (["--config", "absent.toml"], 2, "no configuration file"),
        (["--data", "absent.csv", "--target", "y"], 1, "absent.csv"),
        (["--data", "diabtes"], 1, "diabetes"),
        (["--num-train", "5000"], 1, "rows"),
        (["--num-train", "25", "--noise-std", "0.05", "--widths", "64"], 2, "--force"),
    ],
)
def test_bad_input_has_a_message_and_a_documented_exit_code(tmp_path, arguments, code, words):
    done = invoke("sweep", *SMALL, *arguments, "--out", tmp_path / "run")
    assert done.exit_code == code, done.output
    assert words in done.stderr
    assert "Traceback" not in done.output
    assert not (tmp_path / "run").exists() or not list((tmp_path / "run").glob("width*"))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("x,y\n1,2\n3,nan\n4,5\n", "nan"),
        ("x,y\n1,2\n3,inf\n4,5\n", "inf"),
        ("x,y\n1,2\nred,3\n4,5\n", "red"),
        ("x,y\n1,2\n3\n4,5\n", "line 3"),
        ("x,y\n", "rows"),
        ("", "empty"),
    ],
)
def test_bad_tables_are_named(tmp_path, content, words):
    (tmp_path / "bad.csv").write_text(content)
    data = ["--data", tmp_path / "bad.csv", "--target", "y", "--num-train", 1, "--num-test", 1]
    done = invoke("sweep", *data, "--out", tmp_path / "run")
    assert done.exit_code == 1, done.output
    assert words in done.stderr.lower()
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_interrupted_and_killed_runs_go_on_to_the_same_results(tmp_path):
    whole = invoke("sweep", *SMALL, "--out", tmp_path / "whole", "--json")
    stops = (signal.SIGINT, signal.SIGKILL)
    for stop in stops:
        process = start("sweep", *SMALL, "--out", tmp_path / stop.name)
        while process.poll() is None and not list((tmp_path / stop.name).glob("width_*.nc")):
            time.sleep(0.05)
        process.send_signal(stop)
        _, said = process.communicate(timeout=60)
        if stop is signal.SIGINT:
            assert process.returncode == 130, said
            assert "the same command goes on" in said
        resumed = invoke("sweep", *SMALL, "--out", tmp_path / stop.name, "--json")
        assert resumed.exit_code == 0, resumed.stderr
        assert "[2/2] width 128: 50 draws" in resumed.stderr
        assert "width 64: 50 draws" not in resumed.stderr, "what was there is not run again"
        assert _numbers(resumed.stdout) == _numbers(whole.stdout)


def _numbers(text):
    """Return a sweep's record without the seconds it took, its name and when it was written."""
    record = json.loads(text)
    for row in record["widths"]:
        row.pop("seconds")
    for row in record["forecast"]:
        row.pop("seconds"), row.pop("expected_seconds")
    record.pop("kind")
    record["made"].pop("last_written")
    return record


@pytest.mark.slow
def test_forecast_lists_widths_spaces_bounds_and_advice():
    arguments = ["forecast", *PROBLEM, "--depth", "1", "--widths", "64"]
    done = invoke(*arguments)
    assert done.exit_code == 0, done.stderr
    for word in ("collapsed", "naive", "capped", "effective draws a proposal", "Use strict"):
        assert word in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 100
    found = json.loads(invoke(*arguments, "--json").stdout)["forecast"]
    assert {one["width"] for one in found} == {64}
    assert all(one["proposals"] > 0 and one["seconds"] > 0 for one in found)
    assert {one["bound"] for one in found} == {"collapsed", "naive", "capped"}
    assert not found[0]["prior_scale"]["at_odds"]


HOPELESS = ["--num-train", "25", "--noise-std", "0.05", "--widths", "64"]


@pytest.mark.first
@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (
            [],
            0,
            (
                "It would run.",
                "disk, about",
                "4 of 442 rows are used: 2 train, 2 test",
                "every width: Use strict",
            ),
        ),
        (
            HOPELESS,
            2,
            ("It would be refused: width 64", "over 10⁶ years", "The prior is too narrow"),
        ),
        pytest.param([*HOPELESS, "--force"], 0, ("It would run.",), marks=pytest.mark.slow),
    ],
)
def test_a_dry_run_says_what_would_happen_and_writes_nothing(
    tmp_path, monkeypatch, arguments, code, words
):
    monkeypatch.chdir(tmp_path)
    where = ["--out", "run"] if code == 0 else []
    done = invoke("sweep", *SMALL, *arguments, "--dry-run", *where)
    assert done.exit_code == code, done.output
    for word in words:
        assert word in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 100
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_as_json():
    found = json.loads(invoke("sweep", *SMALL, "--widths", "64", "--dry-run", "--json").stdout)
    assert found["refusal"] is None and found["config"]["num_samples"] == 50
    (width,) = found["widths"]
    assert width["proposals"] > 50 and width["bound"] == "collapsed" and width["advice"]


def test_a_sweep_needs_a_directory_unless_it_is_dry():
    done = invoke("sweep", *SMALL)
    assert done.exit_code == 2
    assert "--out DIR" in done.stderr


def test_kernel_prints_and_writes_the_matrix(tmp_path):
    arguments = ["kernel", "--num-train", 3, "--num-test", 1, "--activation", "relu"]
    found = np.array(json.loads(invoke(*arguments, "--json").stdout))
    assert found.shape == (4, 4)
    assert np.array_equal(found, found.T)
    printed = np.array([line.split() for line in invoke(*arguments).stdout.splitlines()], float)
    assert np.allclose(printed, found, atol=1e-6)
    for name in ("k.csv", "k.npz"):
        assert invoke(*arguments, "--out", tmp_path / name).exit_code == 0
    assert np.array_equal(np.loadtxt(tmp_path / "k.csv", delimiter=","), found)
    assert np.array_equal(np.load(tmp_path / "k.npz")["nngp"], found)
    assert invoke(*arguments, "--out", tmp_path / "k.txt").exit_code == 1
    tangent = json.loads(invoke(*arguments, "--kind", "ntk", "--json").stdout)
    assert np.all(np.diag(tangent) > np.diag(found))
    both = json.loads(invoke(*arguments, "--kind", "both", "--json").stdout)
    assert both == {"nngp": found.tolist(), "ntk": tangent}
    refused = invoke(*arguments, "--kind", "both", "--out", tmp_path / "both.csv")
    assert refused.exit_code == 1
    assert "end in .npz for both kernels" in refused.stderr


@pytest.mark.parametrize(
    ("error", "code"),
    [(coupled.NotMet("too narrow"), 4), (type("NotMet", (RuntimeError,), {})(), 1)],
)
def test_errors_are_known_by_their_class_and_not_by_its_name(error, code):
    with pytest.raises(SystemExit) as left, reported():
        raise error
    assert left.value.code == code


def test_info_lists_what_flags_take():
    text = invoke("info").stdout
    for word in ("diabetes", "digits", "leaky_relu", "jax"):
        assert word in text
    assert json.loads(invoke("info", "--json").stdout)["activations"]
