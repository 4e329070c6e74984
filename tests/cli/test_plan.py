"""What a plan says of laws, and what is refused before anything is drawn."""

import json

import pytest

from bnnpost.reports import words
from bnnpost.sweeps.config import SweepConfig
from tests.cli.invocation import invoke

TINY = ("--num-train", 2, "--num-test", 1, "--widths", 4)


@pytest.mark.parametrize("way", [["--dry-run"], []])
def test_a_limit_that_is_no_process_is_refused_before_anything_is_drawn(tmp_path, monkeypatch, way):
    monkeypatch.setattr("bnnpost.samplers.rejection.sample", lambda *given, **more: pytest.fail())
    out = ["--out", tmp_path / "out", "--force", *way]
    done = invoke("sweep", *TINY, "--w-std", "HalfNormal(1)", *out)
    assert done.exit_code == 2, done.output
    assert "mixture of Gaussian processes" in done.stderr


def test_a_plan_names_all_laws():
    config = SweepConfig(
        w_std="per_input(HalfNormal(1))", readout_w_std=0.123456, weight_prior="Laplace(0, 0.7)"
    )
    assert words.network(config.as_dict()) == (
        "erf network of 2 hidden layers, w_std per_input(HalfNormal(1)), b_std 0.1, "
        "readout_w_std 0.1235, weight_prior Laplace(0, 0.7)"
    )
    assert "2 hidden layers, w_std 1.5, b_std 0.1" in words.network(SweepConfig().as_dict())


@pytest.mark.slow
def test_a_plan_knows_the_time_of_the_comparison_and_of_all():
    flags = ("--num-samples", 5, "--num-proposals", 4000, "--dry-run")
    done = invoke("sweep", *TINY, *flags, "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    (width,) = found["widths"]
    assert 0 < width["comparison_seconds"] < 60
    assert found["seconds"] == pytest.approx(width["seconds"] + width["comparison_seconds"])


@pytest.mark.slow
def test_the_text_of_a_plan_names_the_comparison():
    flags = ("--num-samples", 5, "--num-proposals", 4000, "--dry-run")
    text = invoke("sweep", *TINY, *flags).stdout
    assert "comparison" in text
    assert "Cost of the draws, and of comparing with the limit" in text and "time in all" in text
