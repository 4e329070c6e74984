"""bnnpost sample by coupled chains, as a user meets it."""

import dataclasses
import html
import json
import shutil
import signal
import time

import numpy as np
import pytest
import xarray as xr

import bnnpost
from bnnpost.reports.draws_run import read_run
from bnnpost.reports.draws_summary import summary_of_draws
from bnnpost.samplers.coupled import pair_draws
from bnnpost.samplers.coupled.bounds import Bound
from bnnpost.samplers.coupled.pair_run import StoredPairs
from bnnpost.sweeps import load_config
from tests.cli.invocation import invoke, start
from tests.files import contents

PROBLEM = ["--num-train", 2, "--num-test", 2, "--noise-std", 0.5, "--depth", 1, "--width", 8]
PAIRS = ["--method", "coupled", "--tolerance", 0.08]


def sample(path, *arguments, num_samples=60):
    return invoke(
        "sample", *PROBLEM, *PAIRS, "--num-samples", num_samples, "--out", path, *arguments
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "run"
    done = sample(path)
    assert done.exit_code == 0, done.stderr
    return path, done


@pytest.fixture
def copy(finished, tmp_path):
    return shutil.copytree(finished[0], tmp_path / "run")


def test_pairs_are_summed_up_and_everything_is_written(finished):
    path, done = finished
    for word in (
        "60 independent draws of a network of width 8: 60 pairs of coupled chains after",
        "Total variation from the posterior  at most 0.0",
        "at 95 %",
        "Coupled draws: at a measured distance",
        "mean of f",
    ):
        assert word in done.stdout
    names = {"run.nc", "run.json", "config.json", "draws.nc", "predictions.nc", "status.json"}
    assert names | {"blocks", "log.txt"} <= {file.name for file in path.iterdir()}
    draws = bnnpost.load(path / "draws.nc")
    with xr.open_dataset(path / "predictions.nc", engine="h5netcdf") as stored:
        np.testing.assert_array_equal(stored["f"], draws.predict(stored["x_test"].values))


def test_pairs_are_added_to_and_read_as_json(finished, copy):
    more = sample(copy, "--json", num_samples=64)
    assert more.exit_code == 0, more.stderr
    info = json.loads(more.stdout)["info"]
    assert info["kind"] == "coupled" and info["log_evidence"] is None
    before = bnnpost.load(finished[0] / "draws.nc").info.coupled.meeting_times
    assert tuple(info["coupled"]["meeting_times"][:60]) == before
    assert len(info["coupled"]["meeting_times"]) == 64
    files = {file: file.read_bytes() for file in (copy / "blocks").iterdir()}
    looser = sample(copy, "--tolerance", 0.2, num_samples=64)
    assert looser.exit_code == 0, looser.stderr
    assert files == {file: file.read_bytes() for file in (copy / "blocks").iterdir()}


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--chains", 2], 2, "num_chains does not apply to method coupled"),
        (["--warmup", 2], 2, "num_warmup does not apply"),
        (["--thinning", 2], 2, "thinning does not apply"),
        (["--target-accept", 0.5], 2, "target_accept does not apply to method coupled"),
        (["--bound", "capped"], 2, "bound does not apply"),
        (["--max-proposals", 9], 2, "max_proposals does not apply to method coupled"),
        (["--jobs", 2], 2, "jobs does not apply"),
        (["--force"], 2, "force does not apply"),
        (["--method", "pcn"], 2, "tolerance does not apply to method pcn: it is for coupled"),
        (["--method", "rejection", "--lag", 3], 2, "does not apply to method rejection"),
        (["--method", "hmc", "--max-steps", 3], 2, "does not apply to method hmc"),
        (["--tolerance", 0], 2, "tolerance"),
        (["--lag", 0], 2, "lag: expected at least 1"),
        (["--max-steps", 0], 2, "max_steps: expected at least 1"),
        (["--step-size", 0.5], 2, "step_size does not apply to method coupled"),
        (["--kernel", "nuts"], 2, "kernel: expected one of auto, hmc, pcn, slice"),
        (["--tolerance", 0.01], 2, "at least 404 samples, or a larger tolerance"),
        (["--samples", 10**10], 2, "of memory, and"),
    ],
)
def test_what_does_not_apply_is_a_usage_error_and_makes_no_directory(
    tmp_path, arguments, code, words
):
    done = sample(tmp_path / "run", *arguments)
    assert done.exit_code == code, done.output
    assert words in done.stderr
    assert "Traceback" not in done.output
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--seed", 3], 2, "another configuration (seed 0 → 3)"),
        (["--lag", 3], 1, "other settings (lag None → 3)"),
    ],
)
def test_another_run_is_refused_and_left_alone(copy, arguments, code, words):
    before = contents(copy)
    done = sample(copy, *arguments)
    assert done.exit_code == code, done.output
    assert words in done.stderr
    assert contents(copy) == before


def test_settings_may_be_in_a_file(tmp_path, copy):
    file = tmp_path / "mine.toml"
    keys = {"num_train": 2, "num_test": 2, "noise_std": 0.5, "depth": 1, "widths": [8]}
    keys |= {"num_samples": 60, "tolerance": 0.08}
    file.write_text("".join(f"{n} = {value}\n" for n, value in keys.items()) + 'method = "coupled"')
    done = invoke("sample", "--config", file, "--out", copy)
    assert done.exit_code == 0, done.stderr


@pytest.mark.slow
def test_pilots_that_do_not_meet_end_with_code_4_and_leave_nothing(tmp_path):
    done = sample(tmp_path / "run", "--max-steps", 2)
    assert done.exit_code == 4
    assert "do not meet in 2 steps" in done.stderr
    assert not (tmp_path / "run").exists()


def test_pairs_that_do_not_meet_are_kept_and_that_is_said(copy, monkeypatch):
    """As though some did not: the bound is 1 then."""
    right = StoredPairs.read

    def read(self, count):
        for kept in right(self, count):
            unmet = {n: one._replace(meeting=np.array(-1)) for n, one in kept.outcomes.items()}
            yield kept._replace(outcomes={**kept.outcomes, 0: unmet[0]})

    monkeypatch.setattr(StoredPairs, "read", read)
    done = sample(copy)
    assert done.exit_code == 4, done.output
    assert "NOT MET: 1 of 60 pairs did not meet" in done.stderr
    assert "1 did not meet: no bound on their distance" in " ".join(done.stdout.split())
    assert "at most 1.0, at 95 %" in done.stdout and "Not met" in done.stdout
    assert "exact posterior" not in done.output
    status = json.loads((copy / "status.json").read_text())
    assert status["state"] == "exhausted"
    page = invoke("report", copy)
    assert page.exit_code == 0, page.output
    assert "1 of 60 pairs did not meet" in (copy / "report.html").read_text()


def test_where_none_has_met_nothing_is_said_of_when(finished):
    info = bnnpost.load(finished[0] / "draws.nc").info
    pairs = dataclasses.replace(info.coupled, meeting_times=(-1,) * 60, tv=1.0, tv_upper=1.0)
    run = read_run(finished[0])
    told = summary_of_draws(dataclasses.replace(run, info=dataclasses.replace(info, coupled=pairs)))
    assert told.to_dict()["info"]["num_met"] == 0
    assert told.to_dict()["info"]["until"].startswith("none")
    assert "did not meet: no bound" in pairs.summary()


def test_a_limit_above_the_tolerance_is_said(copy, monkeypatch):
    monkeypatch.setattr(
        pair_draws, "tv_bound", lambda *given: Bound(np.ones(15) * 0.01, np.linspace(1, 0.09, 15))
    )
    done = sample(copy)
    assert done.exit_code == 4, done.output
    assert "is 0.09, above the tolerance 0.08. Ask for more --num-samples" in done.stderr
    assert "after 14 steps" in done.stdout  # where it is lowest


@pytest.mark.slow
def test_report_and_verify_take_the_directory(finished, copy, tmp_path):
    made = invoke("report", copy)
    assert made.exit_code == 0 and "not there" not in made.stderr, made.output
    page = html.unescape((copy / "report.html").read_text())
    assert "60 pairs of coupled chains" in page and "Forecast" not in page
    assert 'method = "coupled"' in page and "Draws by coupled chains" in page
    exact = invoke("sample", *PROBLEM, "--num-samples", 60, "--out", tmp_path / "exact")
    assert exact.exit_code == 0, exact.output
    verdict = invoke("verify", copy, tmp_path / "exact")
    assert verdict.exit_code == 0, verdict.output
    assert verdict.stdout.startswith("PASSED")
    backwards = invoke("verify", tmp_path / "exact", copy)
    assert backwards.exit_code == 0, backwards.output
    assert "against a reference of coupled chains, each draw's law at most 0.0" in backwards.stdout


@pytest.mark.slow
def test_forecast_tells_what_pairs_take_and_where_they_do_not_meet():
    asked = [
        "--method",
        "coupled",
        "--tolerance",
        0.08,
        "--num-samples",
        60,
        "--max-steps",
        60,
        "--kernel",
        "hmc",
    ]
    told = invoke("forecast", *PROBLEM, *asked)
    assert told.exit_code == 0, told.output
    assert "Expected for 60 draws by coupled chains, within 0.08" in told.stdout
    assert "Draws will be after about" in told.stdout and "of memory" in told.stdout
    as_json = invoke("forecast", *PROBLEM, "--json", *asked)
    [row] = json.loads(as_json.stdout)["forecast"]
    assert row["width"] == 8 and row["not_met"] is None
    assert row["step"] >= row["lag"] and len(row["meeting_times"]) == 8
    assert row["seconds"] == pytest.approx(60 * row["seconds_per_pair"])


@pytest.mark.slow
def test_forecast_of_chains_tells_the_time_of_their_transitions():
    asked = ["--method", "pcn", "--warmup", 300, "--num-samples", 200, "--thinning", 2]
    told = invoke("forecast", *PROBLEM, *asked)
    assert told.exit_code == 0, told.output
    assert "Expected for 4 chains of 200 draws by pcn" in told.stdout
    assert "known only once they have run" in " ".join(told.stdout.split())
    [row] = json.loads(invoke("forecast", *PROBLEM, "--json", *asked).stdout)["forecast"]
    assert (row["width"], row["num_chains"], row["num_warmup"]) == (8, 4, 300)
    assert row["seconds"] == pytest.approx(700 * row["seconds_per_transition"])


@pytest.mark.slow
def test_forecast_where_pairs_do_not_meet_and_of_what_has_none():
    narrow = invoke(
        "forecast", *PROBLEM, "--json", "--method", "coupled", "--tolerance", 0.08,
        "--num-samples", 60, "--max-steps", 2,
    )  # fmt: skip
    assert narrow.exit_code == 4
    assert "do not meet in 2 steps" in json.loads(narrow.stdout)["forecast"][0]["not_met"]
    few = invoke("forecast", *PROBLEM, "--method", "coupled", "--num-samples", 60)
    assert few.exit_code == 2 and "at least 404 samples" in few.stderr
    other = invoke("forecast", *PROBLEM, "--tolerance", 0.1)
    assert other.exit_code == 2 and "does not apply to method rejection" in other.stderr


def test_a_file_beside_its_configuration_is_found(tmp_path):
    (tmp_path / "mine.csv").write_text("a,b\n" + "".join(f"{i},{i % 3}\n" for i in range(8)))
    (tmp_path / "mine.toml").write_text('data = "mine.csv"\ntarget = "b"\nnum_train = 2\n')
    config = load_config(tmp_path / "mine.toml", {"method": "coupled"})
    assert config.data == str(tmp_path / "mine.csv") and config.method.name == "coupled"


@pytest.mark.slow
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_stopped_pairs_go_on_to_the_same_draws(tmp_path, stop):
    path = tmp_path / "run"
    process = start("sample", *PROBLEM, *PAIRS, "--num-samples", 10**6, "--out", path)
    while process.poll() is None and not list(path.glob("blocks/*.npz")):
        time.sleep(0.05)
    process.send_signal(stop)
    _, said = process.communicate(timeout=60)
    if stop != signal.SIGKILL:
        assert process.returncode == 130, said
        assert "the same command goes on from what is in" in said
        assert json.loads((path / "status.json").read_text())["state"] == "interrupted"
    assert sample(path, num_samples=300).exit_code == 0
    assert sample(tmp_path / "whole", num_samples=300).exit_code == 0
    draws, whole = (bnnpost.load(one / "draws.nc") for one in (path, tmp_path / "whole"))
    for name, array in draws.given.items():
        np.testing.assert_array_equal(array, whole.given[name])
