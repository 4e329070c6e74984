"""The page of one posterior's draws: independent, weighted or chains, with and without values."""

import dataclasses
import json
import math
import pathlib
import re
import shutil

import numpy as np
import pytest

from bnnpost import reports
from bnnpost.draws.info import ChainsInfo, CoupledInfo, DrawsInfo
from bnnpost.reports.draws_run import DrawsRun, Values, read_run
from bnnpost.reports.draws_summary import summary_of_draws
from bnnpost.samplers.coupled.bounds import tv_bound
from bnnpost.storage import dataset_digest
from bnnpost.summaries.html_page import as_page
from bnnpost.sweeps import SweepConfig
from bnnpost.sweeps.problem import load_problem
from bnnpost.sweeps.sampling import sample
from tests.summaries.reader import checked

pytestmark = pytest.mark.optimised

EXACT = DrawsInfo(
    "exact", True, 400, 4096, 0.01, -7.5004, 0.0013, 400.0, "functions", "collapsed", -1.7,
    "single", 0, 16, 256, 12.5, "a device", layer_forms="functions, functions",
)  # fmt: skip
CAPPED = dataclasses.replace(
    EXACT, kind="capped", bound="capped", effective_sample_size=123.4, num_excess=7,
    excess_mass=0.0123, pareto_k=0.31, tv_unweighted=0.0071,
)  # fmt: skip
GOOD = ChainsInfo("nuts", 4, 100, 50, 1, 400, 4000, 4000, 0, (0.1, 0.2, 0.1, 0.2), 1.002, 390.0,
                  350.0, 1.003, 300.0)  # fmt: skip
CHAINS = dataclasses.replace(EXACT, kind="chain", bound="none", chains=GOOD, num_samples=400)
CONFIG = SweepConfig(widths=(64,), num_train=3, num_test=2, num_samples=400)


def run(info=EXACT, features=2, points=2, outputs=1, **changes):
    rng = np.random.default_rng(0)
    size = info.num_samples if info is not None else 0
    shape = (size, points, outputs)
    values = Values("test", rng.normal(size=shape), rng.normal(size=(points, features)),
                    rng.normal(size=shape[1:]))  # fmt: skip
    capped = info is not None and info.kind == "capped"
    found = DrawsRun(
        path=pathlib.Path("runs/one"),
        config=CONFIG.as_dict(),
        status={"state": "done"},
        made_with={"versions": {"bnnpost": "0.1.0"}, "device": "a device"},
        expected={},
        info=info,
        log_weights=rng.normal(size=size) if capped else np.zeros(size),
        numbers=np.arange(size, dtype=np.uint64),
        values=values if size else None,
        stats={"lp": rng.normal(size=size)},
    )
    return dataclasses.replace(found, **changes)


def html_of(found):
    return as_page(summary_of_draws(found))


def page_of(found):
    return checked(html_of(found))


def test_exact_draws():
    page = page_of(run())
    assert page.headings[0][1].replace("\xa0", " ") == (
        "400 exact, independent draws from the posterior of a network of width 64; the log "
        "evidence is −7.500 ± 0.001 nats."
    )
    assert "Nothing here gives a reason to doubt these draws." in page.text
    f = run().values.f
    assert set(f.mean(axis=0).ravel().round(12)) <= set(np.round(page.numbers, 12))
    assert {400.0, 4096.0, 0.01, -7.5004} <= set(page.numbers)
    # Two pictures, each within a frame of its own.
    assert page.tags.count("svg") == 4


def test_weights_are_used_and_the_draws_not_called_exact():
    found = run(CAPPED)
    page = page_of(found)
    weights = np.exp(found.log_weights - found.log_weights.max())
    mean = np.average(found.values.f[:, 0, 0], weights=weights)
    assert np.isclose(page.numbers, mean, rtol=1e-12).any()
    assert "400 weighted draws" in page.headings[0][1] and "worth 123" in page.headings[0][1]
    assert "Weighted draws: capped, not exact" in page.text and "1.2 %" in page.text
    heavy = dataclasses.replace(CAPPED, pareto_k=0.85, tv_unweighted=None)
    text = page_of(run(heavy)).text
    assert (
        "Pareto k 0.85, above 0.7" in text and "not known: the weights’ tail is too heavy" in text
    )


def test_chains_that_agree_and_chains_that_do_not():
    page = page_of(run(CHAINS))
    assert page.headings[0][1] == (
        "400 draws by 4 chains of NUTS, width 64: the chains agree, R-hat of f is 1.002 at most."
    )
    assert "No sign of trouble" in page.text and "Forecast" not in page.text
    # Two marginals; trace and ranks of f and of the log density.
    assert page.tags.count("svg") == 2 * (2 + 4)
    bad = dataclasses.replace(GOOD, r_hat=1.2, num_divergent=3)
    page = page_of(run(dataclasses.replace(CHAINS, chains=bad)))
    assert page.headings[0][1].endswith("not yet to be taken for the posterior.")
    assert "Not converged" in page.text and "3 of 400 transitions diverged" in page.text


def pairs(times, step, tv_upper, lag=12):
    times = tuple(int(one) for one in times)
    record = CoupledInfo(
        0.02, step, 0.003, tv_upper, lag, times, 999, 0.9, 7, 8, 9.0, "hmc", 3, 0.42, 0.05
    )
    return dataclasses.replace(
        EXACT, kind="coupled", bound="none", coupled=record, num_samples=len(times)
    )  # fmt: skip


def heights_of(page, kind):
    """Of a line in the picture of the bound, by its colour: where it is, in units of the page."""
    [path] = re.findall(rf'<path d="M([^"]+)" class="line {kind}"', page)[:1]
    numbers = np.array(path.split(), float).reshape(-1, 2)
    return numbers[:, 0], numbers[:, 1]


def test_coupled_draws_show_their_bound_and_when_pairs_met():
    times = np.random.default_rng(0).geometric(0.2, 400) + 12
    bound = tv_bound(times, 12)
    step = bound.first_below(0.02)
    found = run(pairs(times, step, float(bound.upper[step])))
    page, text = page_of(found), html_of(found)
    assert page.headings[0][1].startswith("400 independent draws of a network of width 64: ")
    assert "Coupled draws: at a measured distance" in page.text and "Forecast" not in page.text
    assert "Nothing here gives a reason to doubt these draws." in page.text
    assert page.tags.count("svg") == 2 * (2 + 2)
    picture = text[text.index("Total variation from the posterior") :]
    (_, ochre), (_, blue) = heights_of(picture, "ochre"), heights_of(picture, "blue")
    # Upright places run down the page, a decade as far as any other.
    log_ratio = np.log(bound.estimate[9] / bound.estimate[4])
    assert bound.estimate[4] < 1
    unit = (ochre[2 * 9] - ochre[2 * 4]) / log_ratio
    at = np.log(bound.upper[9] / bound.estimate[9]) * unit
    assert blue[2 * 9] - ochre[2 * 9] == pytest.approx(at, abs=0.2)
    assert f"400 of 400, half of them within {np.median(times - 12):.0f} steps" in page.text


def test_coupled_draws_that_did_not_meet_or_are_not_near_enough():
    unmet = dataclasses.replace(pairs([30] * 399 + [-1], 20, 1.0), complete=False)
    page = page_of(run(unmet, status={"state": "exhausted"}))
    assert "Not met" in page.text and "Exhausted" in page.text
    assert "1 of 400 pairs did not meet in 999 steps, so nothing is known" in page.text
    assert "399 of 400" in page.text and "there is no bound" in page.text
    assert page.tags.count("svg") == 2 * (2 + 1)
    far = page_of(run(dataclasses.replace(pairs([30] * 400, 20, 0.0251), complete=False)))
    assert "upper limit of the total variation is 0.0251, above the tolerance 0.02" in far.text


def test_the_chain_that_is_elsewhere_is_shown():
    found = run(CHAINS)
    found.values.f[300:, 1, 0] += 5.0  # the fourth chain
    page = page_of(found)
    row = next(row for row in page.rows if row[0] == "1" and "." in row[1] and len(row) == 4
               and row[1].startswith("1."))  # fmt: skip
    assert float(row[1]) > 1.1
    title = next(t for t in page.texts if t == "Test point 1: ranks")
    assert title and re.search(r"farthest from level: [23]", page.text)


def test_what_is_wrong_is_said():
    twice = np.arange(400, dtype=np.uint64)
    twice[7] = 6
    assert "Some draws are there twice" in page_of(run(numbers=twice)).text
    info = dataclasses.replace(EXACT, num_nan=2, complete=False)
    text = page_of(run(info, status={"state": "exhausted"})).text
    assert "2 weights were NaN" in text and "Exhausted" in text and "proposals ran out" in text


def test_no_draws_yet():
    page = page_of(run(None, status={"state": "failed", "error": "no <memory>"}, num_blocks=3))
    assert page.headings[0][1] == "No draws yet: the run has begun, and 3 files of blocks are kept."
    assert "It failed: no <memory>" in page.text and "There are no draws yet" in page.text


@pytest.mark.parametrize("info", [EXACT, CAPPED])
def test_functions_of_one_feature(info):
    page = page_of(run(info, features=1, points=6))
    assert "f against the one feature" in page.text and "x = " in page.text
    assert page.tags.count("svg") == 2 * (1 + 6)


def test_several_outputs_and_values_that_never_change():
    page = page_of(run(points=5, outputs=3))
    assert "Test point 1, output 2" in page.text and "The first 12 of 15 values" in page.text
    constant = run()
    constant.values.f[:] = 1.0
    page_of(constant)
    assert all(math.isfinite(number) for number in page.numbers)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "one"
    config = SweepConfig(num_train=1, num_test=2, widths=(4,), depth=1, num_samples=40)
    sample(load_problem(config), path)
    return path


def test_a_run_and_its_draws_alone(finished, tmp_path):
    page = checked(reports.to_html(finished))
    assert "40 exact, independent draws" in page.text and "Row 262" in page.text
    record = json.loads((finished / "forecast.json").read_text())["4"]
    assert {record["acceptance_rate"], record["proposals"]} <= set(page.numbers)
    assert read_run(finished).info.acceptance_rate in page.numbers
    (tmp_path / "draws.nc").write_bytes((finished / "draws.nc").read_bytes())
    (tmp_path / "no predictions").write_text("a note of the user's own")
    alone = checked(reports.to_html(tmp_path / "draws.nc"))
    assert "1 training point; likelihood Gaussian(noise_std=0.3162)" in alone.text
    assert "Training point 0" in alone.text and "bnnpost.load(" in alone.text


def test_damaged_draws_are_refused(finished, tmp_path):
    whole = (finished / "draws.nc").read_bytes()
    (tmp_path / "draws.nc").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="damaged"):
        reports.to_html(tmp_path / "draws.nc")


def test_predictions_of_other_draws_are_not_shown(finished, tmp_path):
    import xarray as xr

    for name in ("draws.nc", "run.json", "config.json", "status.json", "forecast.json"):
        (tmp_path / name).write_bytes((finished / name).read_bytes())
    with xr.open_dataset(finished / "predictions.nc", engine="h5netcdf") as stored:
        other = stored.load()
    other["proposal_number"].values[0] += 1
    other.attrs["digest"] = dataset_digest(other)
    other.to_netcdf(tmp_path / "predictions.nc", engine="h5netcdf")
    text = checked(reports.to_html(tmp_path)).text
    assert "None to show: predictions.nc is of other draws than draws.nc" in text


def test_what_is_sampled_is_no_draws(finished):
    with pytest.raises(ValueError, match=r"run\.nc holds what a run samples, and no draws"):
        reports.to_html(finished / "run.nc")


GONE = {
    "status.json": "how far the run is is not known",
    "config.json": "the configuration is not known",
    "forecast.json": "what was expected of the run is not known",
    "predictions.nc": "values at the test inputs are not known",
    "draws.nc": "the same command or call writes them again",
    "run.json": "versions and device are not known",
}


@pytest.mark.parametrize("name", GONE)
def test_a_page_says_what_is_not_there(finished, tmp_path, name):
    run = shutil.copytree(finished, tmp_path / "run")
    (run / name).unlink()
    with pytest.warns(UserWarning, match=f"{name} is not there: .*{GONE[name]}"):
        text = checked(reports.to_html(run)).text
    assert f"{name} is not there: " in text and GONE[name] in text


@pytest.mark.first
@pytest.mark.parametrize("name", ["status.json", "config.json", "forecast.json", "run.json"])
def test_records_of_another_run_are_refused(finished, tmp_path, name):
    config = SweepConfig(num_train=1, num_test=2, widths=(4,), depth=1, num_samples=40, seed=1)
    sample(load_problem(config), tmp_path / "other")
    run = shutil.copytree(finished, tmp_path / "run")
    shutil.copy(tmp_path / "other" / name, run / name)
    with pytest.raises(ValueError, match=rf"{name}"):
        reports.to_html(run)
