"""Small things that a newcomer types: --width and --widths, --json with --out, a lone array."""

import json

import numpy as np
import pytest

from bnnpost.verification.candidates import candidate_of
from tests.cli.invocation import invoke

SMALL = ["--num-train", 2, "--num-test", 1, "--depth", 1]


@pytest.mark.parametrize("flag", ["--width", "--widths"])
@pytest.mark.parametrize("command", ["forecast", "kernel", "sweep", "sample"])
def test_both_spellings_of_a_width(tmp_path, command, flag):
    """Each is refused for what it says, and not as a flag that there is not."""
    done = invoke(
        command, *SMALL, flag, 0, *(["--out", tmp_path / "run"] if command.startswith("s") else [])
    )
    assert done.exit_code == 2
    assert "expected at least 1, got 0" in done.stderr


def test_kernel_prints_json_and_writes_its_file(tmp_path):
    done = invoke("kernel", *SMALL, "--json", "--out", tmp_path / "k.npz")
    assert done.exit_code == 0, done.stderr
    with np.load(tmp_path / "k.npz") as archive:
        np.testing.assert_array_equal(json.loads(done.stdout), archive["nngp"])


def test_a_lone_array_that_fits_and_what_was_not_looked_at():
    rng = np.random.default_rng(0)
    arrays = {"samples": rng.normal(size=(60, 3, 2)), "weights": np.ones((60, 7)), "b": np.ones(60)}
    found = candidate_of(arrays, num_test=3, num_train=0, num_outputs=2)
    assert "samples is taken for values at the test inputs" in found.notes
    assert "not looked at: b, weights" in found.notes


def test_an_interrupted_dry_run_does_not_go_on_from_nowhere(monkeypatch):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("bnnpost.sweeps.planning.plan_grid", interrupted)
    done = invoke("sweep", *SMALL, "--dry-run")
    assert done.exit_code == 130
    assert done.stderr.strip().endswith("bnnpost: interrupted")
