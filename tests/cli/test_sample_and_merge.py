"""bnnpost sample and merge as a user meets them."""

import json
import shutil
import signal
import time

import numpy as np
import pytest
import xarray as xr

import bnnpost
from tests.cli.invocation import invoke, start
from tests.files import contents

pytestmark = pytest.mark.optimised

PROBLEM = ["--num-train", 2, "--num-test", 2, "--noise-std", 0.5, "--depth", 1, "--width", 8]


def sample(path, *arguments, num_samples=100):
    return invoke("sample", *PROBLEM, "--num-samples", num_samples, "--out", path, *arguments)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "run"
    done = sample(path)
    assert done.exit_code == 0, done.stderr
    return path, done


@pytest.fixture
def copy(finished, tmp_path):
    return shutil.copytree(finished[0], tmp_path / "run")


def numbers(path):
    return bnnpost.load(path / "draws.nc").proposal_numbers.tolist()


def test_sample_prints_how_it_went_and_writes_everything(finished):
    path, done = finished
    assert "100 exact, independent draws" in done.stdout and "mean of f" in done.stdout
    assert "expected proposals" in done.stderr
    names = {"run.nc", "run.json", "config.json", "draws.nc", "predictions.nc", "status.json"}
    assert names <= {file.name for file in path.iterdir()}
    draws = bnnpost.load(path / "draws.nc")
    with xr.open_dataset(path / "predictions.nc", engine="h5netcdf") as stored:
        np.testing.assert_array_equal(stored["f"], draws.predict(stored["x_test"].values))
        np.testing.assert_array_equal(stored["log_weight"], np.zeros(100))
        assert stored.attrs["kind"] == "exact"


def test_sample_draws_what_sweep_draws(finished):
    from bnnpost.storage import read_record
    from bnnpost.sweeps import load_config
    from bnnpost.sweeps.problem import load_problem

    config = read_record(finished[0] / "config.json")
    problem = load_problem(load_config(None, config))
    draws = bnnpost.rejection.sample(problem.keys(8).draws, problem.posterior(8), num_samples=100)
    assert numbers(finished[0]) == draws.proposal_numbers.tolist()


def test_a_run_is_extended_and_read_as_json(finished, copy):
    more = sample(copy, "--json", num_samples=250)
    assert more.exit_code == 0, more.stderr
    found = json.loads(more.stdout)
    assert found["info"]["num_samples"] == 250
    assert [row["point"] for row in found["predictions"]] == [0, 1]
    assert numbers(copy)[:100] == numbers(finished[0])


@pytest.mark.parametrize("workers", [(), ("--jobs", 2)])
def test_another_configuration_is_refused(copy, workers):
    done = sample(copy, "--seed", 3, *workers)
    assert done.exit_code == 2
    assert "another configuration (seed 0 → 3)" in done.stderr
    # Without its configuration the run is still known by what it samples, and left as it was.
    (copy / "config.json").unlink()
    before = contents(copy)
    done = sample(copy, "--seed", 3, *workers)
    assert done.exit_code == 1
    assert "another key" in done.stderr
    assert contents(copy) == before


def test_a_budget_that_is_too_small_keeps_what_there_is(copy):
    done = sample(copy, "--max-proposals", 50, "--force", num_samples=10_000)
    assert done.exit_code == 4, done.stderr
    assert "of 10,000 draws: proposals ran out" in done.stderr
    assert 0 < len(numbers(copy)) < 100


@pytest.mark.slow
def test_workers_draw_what_one_process_draws(finished, tmp_path):
    done = sample(tmp_path / "run", "--jobs", 2)
    assert done.exit_code == 0, done.stderr
    assert numbers(tmp_path / "run") == numbers(finished[0])


def test_merge_computes_what_is_missing_or_keeps_fewer(finished, copy):
    (copy / "draws.nc").unlink()
    shutil.rmtree(copy / "blocks")
    merged = invoke("merge", copy)
    assert merged.exit_code == 0, merged.stderr
    assert numbers(copy) == numbers(finished[0])
    assert "100 exact, independent draws" in merged.stdout
    fewer = invoke("merge", copy, "--num-samples", 30, "--json")
    assert json.loads(fewer.stdout)["info"]["num_samples"] == 30
    assert "held 100 draws and now holds 30" in fewer.stderr


def test_merge_takes_blocks_from_copies(finished, copy, tmp_path):
    other = shutil.copytree(copy, tmp_path / "other")
    shutil.rmtree(copy / "blocks")
    none = invoke("merge", copy, "--only-finished")
    assert none.exit_code == 4, none.stderr
    taken = invoke("merge", copy, other, "--only-finished")
    assert taken.exit_code == 0, taken.stderr
    assert "1 block files taken" in taken.stderr
    assert numbers(copy) == numbers(finished[0])


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["sample", *PROBLEM, "--target", "age"], 1, "comes with its target"),
        (["sample", *PROBLEM, "--bound", "capped", "--cap", 99], 2, "is expected to need"),
        (["sample", *PROBLEM[:-2]], 2, "--width"),
        (["sample", *PROBLEM, "--max-proposals", 10**20], 2, "expected at most"),
        (["sample", *PROBLEM, "--cap", "-3"], 2, 'only with bound = "capped"'),
        (["sample", *PROBLEM[:-2], "--width", 0], 2, "at least 1"),
        (["merge"], 1, "holds no run"),
    ],
)
def test_bad_input_has_a_message_and_a_documented_exit_code(tmp_path, arguments, code, words):
    where = [tmp_path / "run"] if arguments[0] == "merge" else ["--out", tmp_path / "run"]
    done = invoke(*arguments, *where)
    assert done.exit_code == code, done.output
    assert words in done.stderr
    assert "Traceback" not in done.output
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_merge_notices_that_the_data_have_changed(tmp_path):
    table, path = tmp_path / "mine.csv", tmp_path / "run"
    rows = np.random.default_rng(0).normal(size=(6, 2))

    def write(factor):
        lines = ["a,b", *(f"{a},{b * factor}" for a, b in rows)]
        table.write_text("\n".join(lines) + "\n")

    write(1.0)
    data = ["--data", table, "--target", "b", "--no-standardise"]
    done = sample(path, *data)
    assert done.exit_code == 0, done.stderr
    before = (path / "predictions.nc").read_bytes()
    write(1.01)
    merged = invoke("merge", path)
    assert merged.exit_code == 1
    assert "y differ" in merged.stderr
    assert before == (path / "predictions.nc").read_bytes()


CHAINS = ("--method", "slice", "--num-warmup", 20)


@pytest.mark.slow
@pytest.mark.parametrize("flags", [(), pytest.param(CHAINS, marks=pytest.mark.slow)])
def test_a_run_is_gone_on_with_from_any_folder(tmp_path, monkeypatch, flags):
    rows = np.random.default_rng(0).normal(size=(6, 2))
    lines = ["a,b", *(f"{a},{b}" for a, b in rows)]
    (tmp_path / "mine.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    done = sample("run", "--data", "mine.csv", "--target", "b", *flags)
    assert done.exit_code == 0, done.stderr
    monkeypatch.chdir(tmp_path / "elsewhere")
    done = sample("../run", "--data", "../mine.csv", "--target", "b", *flags)
    assert done.exit_code == 0, done.stderr
    assert str(tmp_path / "mine.csv") in (tmp_path / "run" / "config.json").read_text()
    if not flags:
        done = invoke("merge", "../run", "--num-samples", 50)
        assert done.exit_code == 0, done.stderr


def test_a_damaged_configuration_is_named(copy):
    (copy / "config.json").write_text("[1]")
    for done in (invoke("merge", copy), sample(copy)):
        assert done.exit_code == 2
        assert "config.json cannot be read" in done.stderr


def test_a_directory_of_other_files_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("precious")
    done = sample(tmp_path)
    assert done.exit_code == 1
    assert "not a run's" in done.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize(
    "stop", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
def test_an_interrupted_run_says_how_to_go_on(copy, stop):
    process = start("sample", *PROBLEM, "--num-samples", 10**7, "--out", copy)
    before = len(list(copy.glob("blocks/*/*.npz")))
    while process.poll() is None and len(list(copy.glob("blocks/*/*.npz"))) == before:
        time.sleep(0.05)
    asked = time.monotonic()
    process.send_signal(stop)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert time.monotonic() - asked < 20  # a second after the block, on a machine with time
    assert "the same command goes on from what is in" in said
    assert json.loads((copy / "status.json").read_text())["state"] == "interrupted"
    assert sample(copy, num_samples=200).exit_code == 0
