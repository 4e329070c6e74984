"""bnnpost verify as a user meets it: what it reads, prints and writes, and its exit codes."""

import json
import math
import sys
import types

import numpy as np
import pytest
import xarray as xr

from bnnpost.storage import DIGEST, dataset_digest
from bnnpost.sweeps import SweepConfig
from bnnpost.sweeps.problem import Problem
from bnnpost.sweeps.sampling import predictions
from bnnpost.verification.candidates import candidate_of
from bnnpost.verification.columns import write_csv
from bnnpost.verification.references import opened
from bnnpost.verification.report import Check, Report
from tests.cli.invocation import invoke
from tests.samplers import cases
from tests.samplers.cases import X_TEST, Case, X


def stand_in(key, candidate, reference, x_test=None, *, level=0.01):
    """As `bnnpost.verify`, by one z-score of each mean."""
    known = opened(reference)
    found = candidate_of(
        candidate,
        num_test=None if x_test is None else len(x_test),
        num_train=known.posterior.num_points,
        num_outputs=1,
        x_test=None if x_test is None else known.posterior.checked_test_points(x_test),
        key=key,
    )
    values, others = found.values["f"][..., 0].reshape(-1, 2), known.predict(x_test)[..., 0]
    z = (values.mean(0) - others.mean(0)) / others.std(0) * math.sqrt(len(values))
    p = math.erfc(np.max(np.abs(z)) / math.sqrt(2))
    check = Check("mean", "z", float(np.max(np.abs(z))), p, min(1, 2 * p), (len(values), math.inf))
    pit = np.clip(np.searchsorted(np.sort(others[:, 0]), values) / len(others), 0, 1)
    words = f"{found.source}: {len(values)} draws in {found.num_chains} chains"
    return Report(level, (check,), words, repr(known), ("f[0]", "f[1]"), pit, found.notes)


@pytest.fixture(autouse=True)
def _stand_in(monkeypatch, request):
    """Seconds less a test; those of the verdict itself have the library's own."""
    if request.node.originalname.startswith("test_verdicts"):
        return
    module = types.SimpleNamespace(verify=stand_in)
    monkeypatch.setitem(sys.modules, "bnnpost.verification.verify", module)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """What a run of bnnpost sample leaves behind, as far as it is read."""
    path, draws = tmp_path_factory.mktemp("run"), cases.standard_draws()
    draws.save(path / "draws.nc")
    problem = Problem(SweepConfig(), X, Case().targets, X_TEST, np.zeros(2))
    write_whole(path / "predictions.nc", predictions(draws, problem))
    return path


def write_whole(path, values):
    digest = {DIGEST: dataset_digest(values)}
    values.assign_attrs(digest).to_netcdf(path, engine="h5netcdf")


@pytest.fixture(scope="module")
def values():
    """Right function values at the test inputs."""
    return cases.standard_draws().predict(X_TEST)[::4]


@pytest.fixture
def right(values, tmp_path):
    np.savez(tmp_path / "right.npz", f=values)
    return tmp_path / "right.npz"


@pytest.fixture
def wrong(values, tmp_path):
    np.savez(tmp_path / "wrong.npz", f=values + 0.3)
    return tmp_path / "wrong.npz"


def test_help_opens_with_examples_and_names_the_exit_code():
    done = invoke("verify", "--help")
    assert done.exit_code == 0
    assert done.stdout.index("Example:  bnnpost verify mine.npz") < done.stdout.index("--x-test")
    text = " ".join(done.stdout.split())
    assert "Exit code 3" in text and "[default: 0.01" in text
    assert "3 verify" in invoke("--help").stdout


def test_a_right_candidate_passes(run, right):
    done = invoke("verify", right, run)
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("PASSED: ")
    assert "right.npz" in done.stdout and "mean" in done.stdout
    first, *others = done.stderr.splitlines()
    assert first == f"reading {right} and {run / 'draws.nc'}"
    assert all(line.startswith("comparing: after") for line in others)


def test_a_wrong_candidate_fails_with_code_3_and_still_writes_its_report(run, wrong, tmp_path):
    done = invoke("verify", wrong, run, "--html", tmp_path / "report.html")
    assert done.exit_code == 3, done.output
    assert done.stdout.startswith("FAILED: mean")
    assert "FAILED" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "report.html" in done.stderr


def test_json(run, wrong):
    done = invoke("verify", wrong, run, "--json", "--level", 0.05, "--seed", 3)
    assert done.exit_code == 3
    found = json.loads(done.stdout)
    assert found["passed"] is False and found["level"] == 0.05
    assert found["checks"][0]["name"] == "mean"
    assert found["checks"][0]["effective"][1] is None  # infinite
    assert "jax" in found["versions"] and "pit" not in found
    assert found["verdict"].startswith(found["headline"]) and found["marks"][0]["tone"] == "bad"


@pytest.mark.parametrize("ending", ["csv", "csv with a header", "npy"])
def test_test_inputs_from_a_file(run, right, tmp_path, ending):
    path = tmp_path / f"inputs.{ending.split()[0]}"
    if ending == "npy":
        np.save(path, X_TEST)
    else:
        header = "a,b,c,d" if "header" in ending else ""
        np.savetxt(path, X_TEST, delimiter=",", fmt="%.17g", header=header, comments="")
    done = invoke("verify", right, run / "draws.nc", "--x-test", path)
    assert done.exit_code == 0, done.output


@pytest.mark.slow
@pytest.mark.parametrize("form", ["directory", "draws.nc", "predictions.nc", "view.nc", "csv"])
def test_forms_of_the_candidate(run, values, tmp_path, form):
    candidate = run if form == "directory" else run / form
    if form == "csv":
        candidate = tmp_path / "values.csv"
        write_csv(candidate, {"f": values[None]})
    elif form == "view.nc":
        candidate = tmp_path / form
        data = {"f": (("chain", "draw", "point", "output"), values[None])}
        xr.DataTree.from_dict({"/posterior": xr.Dataset(data)}).to_netcdf(candidate)
    done = invoke("verify", candidate, run)
    assert done.exit_code == 0, done.output


def test_bad_data_is_code_1(run, right, values, tmp_path):
    np.savez(tmp_path / "nan.npz", f=np.where(values > 1, np.nan, values))
    np.savez(tmp_path / "other.npz", f=np.concatenate([values, values], axis=1))
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad.csv").write_text("f[0],f[1]\n1,red\n")
    np.savetxt(tmp_path / "inputs.csv", X_TEST[:, :3], delimiter=",")
    for arguments, words in (
        ((tmp_path / "nan.npz", run), "NaN or infinite"),
        ((tmp_path / "other.npz", run), "shape (500, 4, 1)"),
        ((tmp_path / "bad.csv", run), "line 2"),
        ((tmp_path / "absent.npz", run), "no file"),
        ((right, tmp_path / "absent"), "no file or directory"),
        ((tmp_path / "empty", run), "no draws.nc"),
        ((right, tmp_path / "empty"), "no draws.nc"),
        ((right, right), "right.npz"),
        ((right, run, "--x-test", tmp_path / "inputs.csv"), "x_test"),
        ((right, run, "--x-test", tmp_path / "absent.csv"), "absent.csv"),
        ((right, run, "--x-test", right), "end in .csv or .npy"),
        ((right, run, "--html", tmp_path / "absent" / "report.html"), "no folder"),
        ((right, run, "--html", right), "is not a bnnpost report"),
    ):
        done = invoke("verify", *arguments)
        assert done.exit_code == 1, (arguments, done.output)
        assert words in done.stderr and "Traceback" not in done.output


def test_a_damaged_run_is_code_1(run, right, tmp_path):
    damaged = tmp_path / "run"
    damaged.mkdir()
    (damaged / "draws.nc").write_bytes((run / "draws.nc").read_bytes())
    (damaged / "predictions.nc").write_bytes(b"not netCDF")
    done = invoke("verify", right, damaged)
    assert done.exit_code == 1 and "predictions.nc" in done.stderr


@pytest.mark.parametrize("flags", [["--level", 0], ["--level", 1], ["--seed", "x"], ["--nope"], []])
def test_bad_flags_are_code_2(run, right, flags):
    arguments = [right, run, *flags] if flags else [right]
    assert invoke("verify", *arguments).exit_code == 2


def test_verdicts_of_the_library(run, tmp_path):
    # Each right candidate fails with probability 0.01, by a fixed seed; stds 1.5 times too large
    # are 7 standard errors off in 200 draws.
    with xr.open_dataset(run / "predictions.nc", engine="h5netcdf") as stored:
        values = stored["f"].values
        write_whole(tmp_path / "others.nc", stored.isel(sample=slice(200, None)).load())
    for given, code, words in (
        (values[:200], 0, "PASSED: "),
        (1.5 * values[:200], 3, "FAILED: "),
        (values[100:300], 1, "the reference's too"),
    ):
        np.savez(tmp_path / "values.npz", f=given)
        done = invoke("verify", tmp_path / "values.npz", tmp_path / "others.nc")
        assert done.exit_code == code, done.output
        assert words in done.output
        assert code == 1 or ("200 draws" in done.stdout and "found 9 times in 10" in done.stdout)


@pytest.mark.slow
def test_verdicts_on_runs_of_bnnpost_sample(tmp_path):
    # The false-alarm rate of each verdict is 0.01, with fixed seeds.
    flags = ["--num-train", 3, "--num-test", 2, "--width", 8, "--depth", 1, "--noise-std", 0.5]
    for method, size in (("rejection", 4000), ("pcn", 2000)):
        out = tmp_path / method
        done = invoke(
            "sample",
            *flags,
            "--method",
            method,
            "--num-samples",
            size,
            "--out",
            out,
            "--seed",
            size,
        )
        assert done.exit_code == 0, done.stderr
    for candidate in (tmp_path / "pcn", tmp_path / "pcn" / "predictions.nc"):
        done = invoke("verify", candidate, tmp_path / "rejection", "--json")
        assert done.exit_code == 0, done.output
        found = json.loads(done.stdout)
        assert found["passed"] and "4 chains" in found["candidate"]
        # The same file of draws has values at the training inputs too; predictions have not.
        assert ("f_train[0]" in found["columns"]) == candidate.is_dir()
    page = tmp_path / "page.html"
    done = invoke("verify", tmp_path / "pcn", tmp_path / "rejection", "--html", page)
    # Of each of five values at the test and training inputs a histogram and a distribution.
    assert page.read_text(encoding="utf-8").count('role="img"') == 10
    refused = invoke("verify", tmp_path / "rejection", tmp_path / "pcn")
    assert refused.exit_code == 1 and "chain" in refused.stderr
