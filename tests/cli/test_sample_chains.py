"""bnnpost sample by chains, as a user meets it."""

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

PROBLEM = ["--num-train", 2, "--num-test", 2, "--noise-std", 0.5, "--depth", 1, "--width", 8]
CHAINS = ["--method", "pcn", "--chains", 2, "--warmup", 50]


def sample(path, *arguments, num_samples=150):
    return invoke(
        "sample", *PROBLEM, *CHAINS, "--num-samples", num_samples, "--out", path, *arguments
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


def test_chains_are_summed_up_and_everything_is_written(finished):
    path, done = finished
    for word in (
        "300 draws by 2 chains of pCN, width",
        "R-hat of f",
        "Effective draws, bulk",
        "0 of 300 transitions met a density that is NaN",
        "Acceptance rate",
        "Step size",
        "mean of f",
    ):
        assert word in done.stdout
    names = {"run.nc", "run.json", "config.json", "draws.nc", "predictions.nc", "status.json"}
    assert names | {"blocks", "states"} <= {file.name for file in path.iterdir()}
    draws = bnnpost.load(path / "draws.nc")
    with xr.open_dataset(path / "predictions.nc", engine="h5netcdf") as stored:
        np.testing.assert_array_equal(stored["f"], draws.predict(stored["x_test"].values))


@pytest.mark.slow
def test_warmup_is_measured(tmp_path):
    done = sample(tmp_path / "run", "--warmup", "measured", "--json")
    assert done.exit_code == 0, done.output
    assert 0 < json.loads(done.stdout)["info"]["chains"]["num_warmup"] < 1000


def test_chains_are_extended_and_read_as_json(finished, copy):
    more = sample(copy, "--json", num_samples=170)
    assert more.exit_code == 0, more.stderr
    info = json.loads(more.stdout)["info"]
    assert info["chains"]["num_samples"] == 170 and info["log_evidence"] is None
    before, after = (bnnpost.load(path / "draws.nc") for path in (finished[0], copy))
    for name, array in before.given.items():
        chains = after.given[name].reshape(2, 170, *array.shape[1:])[:, :150]
        np.testing.assert_array_equal(chains, array.reshape(chains.shape))


def test_chains_that_have_not_converged_are_done_and_that_is_said_aloud(tmp_path):
    done = sample(tmp_path / "run", "--step-size", 0.01, num_samples=128)
    assert done.exit_code == 0
    assert "NOT CONVERGED: R-hat" in done.stderr and "not be taken for the posterior" in done.stderr
    assert "Warning" not in done.stderr


def test_one_chain_is_no_evidence_of_anything(tmp_path):
    done = sample(tmp_path / "run", "--chains", 1, num_samples=128)
    assert done.exit_code == 0
    assert "of the halves of one chain" in done.stdout
    assert "NOT CONVERGED: one chain" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--method", "slice", "--step-size", 0.1], 2, "step_size does not apply to method slice"),
        (["--max-tree-depth", 3], 2, "max_tree_depth does not apply to method pcn"),
        (["--scheduler", "s"], 2, "scheduler does not apply to method pcn: it is for rejection"),
        (["--force"], 2, "force does not apply"),
        (["--bound", "capped"], 2, "bound does not apply"),
        (["--max-proposals", 9], 2, "max_proposals does not apply"),
        (["--method", "rejection"], 2, "num_chains does not apply to method rejection"),
        (["--method", "gibbs"], 2, "is not one of"),
        (["--chains", 0], 2, "num_chains: expected at least 1"),
        (["--warmup", -1], 2, "num_warmup"),
        (["--warmup", "long"], 2, "expected a whole number or measured, got 'long'"),
        (["--method", "nuts", "--warmup", "measured"], 2, "chains that move standard normals"),
        (["--thinning", 0], 2, "thinning"),
        (["--target-accept", 1.5], 2, "target_accept"),
        (["--step-size", 0], 2, "step_size"),
        (["--step-size", 1.5], 2, "step_size"),
        (
            ["--method", "hmc", "--space", "weights", "--integrator", "rotation"],
            2,
            "rotations need",
        ),
        (["--method", "nuts", "--max-tree-depth", 0], 2, "max_tree_depth"),
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
        (["--warmup", 60], 1, "other settings (num_warmup 50 → 60)"),
        (["--method", "slice"], 1, "other settings (sampler 'pcn' → 'slice')"),
    ],
)
def test_another_run_is_refused_and_left_alone(copy, arguments, code, words):
    before = contents(copy)
    done = sample(copy, *arguments)
    assert done.exit_code == code, done.output
    assert words in done.stderr
    assert contents(copy) == before


def test_rejection_and_merge_leave_chains_alone(copy):
    before = contents(copy)
    by_rejection = invoke("sample", *PROBLEM, "--out", copy)
    assert by_rejection.exit_code == 1
    assert "another kind of sampler" in by_rejection.stderr
    merged = invoke("merge", copy)
    assert merged.exit_code == 2
    assert "nothing to merge" in merged.stderr
    assert contents(copy) == before


def test_settings_of_chains_may_be_in_a_file(tmp_path, copy):
    file = tmp_path / "mine.toml"
    keys = {"num_train": 2, "num_test": 2, "noise_std": 0.5, "depth": 1, "widths": [8]}
    keys |= {"num_samples": 150, "num_chains": 2, "num_warmup": 50}
    text = "".join(f"{name} = {value}\n" for name, value in keys.items())
    file.write_text(text + 'method = "pcn"\n')
    done = invoke("sample", "--config", file, "--out", copy)
    assert done.exit_code == 0, done.stderr
    file.write_text(text + 'method = "pcm"\n')
    wrong = invoke("sample", "--config", file, "--out", copy)
    assert wrong.exit_code == 2 and "method: expected one of" in wrong.stderr


def test_the_methods_of_the_command_are_those_of_the_library():
    from bnnpost.samplers.methods import METHODS

    assert f"[{'|'.join(METHODS)}]" in invoke("sample", "--help").output


@pytest.mark.slow
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_stopped_chains_go_on_to_the_same_draws(tmp_path, stop):
    path = tmp_path / "run"
    process = start("sample", *PROBLEM, *CHAINS, "--num-samples", 10**6, "--out", path)
    while process.poll() is None and not list(path.glob("blocks/*.npz")):
        time.sleep(0.05)
    process.send_signal(stop)
    _, said = process.communicate(timeout=60)
    if stop != signal.SIGKILL:
        assert process.returncode == 130, said
        assert "the same command goes on from what is in" in said
        assert json.loads((path / "status.json").read_text())["state"] == "interrupted"
    assert sample(path, num_samples=3000).exit_code == 0
    assert sample(tmp_path / "whole", num_samples=3000).exit_code == 0
    draws, whole = (bnnpost.load(one / "draws.nc") for one in (path, tmp_path / "whole"))
    for name, array in draws.given.items():
        np.testing.assert_array_equal(array, whole.given[name])
