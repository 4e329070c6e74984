"""A whole sweep on a small problem, and draws of one, by every executor.

What is written, how it goes on, what is refused.
"""

import dataclasses
import json
import shutil
import sys

import numpy as np
import pytest
import xarray as xr

import bnnpost
from bnnpost.parallel import ExecutorError
from bnnpost.parallel.dask import Dask
from bnnpost.samplers.methods import Chains, Rejection
from bnnpost.storage import OtherRun, dataset_digest, read_dataset, read_tree
from bnnpost.sweeps import ConfigError, SweepConfig, load_results, run_grid
from bnnpost.sweeps.cell_directory import CellDirectory
from bnnpost.sweeps.grid_cells import Cell, Grid
from bnnpost.sweeps.grid_directory import GridDirectory
from bnnpost.sweeps.identity import code_digest, located
from bnnpost.sweeps.planning import make_plan
from bnnpost.sweeps.problem import load_problem
from bnnpost.sweeps.results import first_order
from bnnpost.sweeps.sampling import sample
from bnnpost.sweeps.unit_work import Sent
from tests.cli.invocation import invoke
from tests.files import edited

pytestmark = pytest.mark.optimised

SMALL = SweepConfig(
    num_train=2,
    num_test=2,
    widths=(64, 128),
    depth=1,
    num_samples=50,
    num_proposals=2000,
    noise_std=0.5,
)


def grid(**changes):
    """One cell, in which nothing varies."""
    return Grid((), (Cell({}, dataclasses.replace(SMALL, **changes).as_dict(), ""),))


def run(path, force=False, **changes):
    said = []
    (cell,) = run_grid(grid(**changes), path, force=force, say=said.append)
    return cell, said


def command(path, *arguments, **changes):
    """The command line with the same configuration, changed."""
    values = {**SMALL.as_dict(), **changes}
    values["widths"] = ",".join(map(str, values["widths"]))
    names = ("widths", "num_train", "num_test", "depth", "num_samples", "num_proposals")
    names += ("noise_std", *(name for name in changes if name != "widths"))
    flags = [w for n in dict.fromkeys(names) for w in (f"--{n.replace('_', '-')}", values[n])]
    return invoke("sweep", *flags, "--out", path, *arguments)


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """A run by the command line, and what it said."""
    path = tmp_path_factory.mktemp("runs") / "run"
    done = command(path)
    assert done.exit_code == 0, done.stderr
    return path, done


@pytest.fixture(scope="module")
def finished(swept):
    path, _ = swept
    return path, read_tree(path / "results.nc")


def test_sweep_prints_a_table_and_writes_everything(swept):
    path, done = swept
    assert "± standard error" in done.stdout and "exponent" in done.stdout
    assert "width 128:" in done.stderr and "width 128:" not in done.stdout
    figures = {f"{name}.{kind}" for name in ("distances", "densities") for kind in ("png", "svg")}
    written = {"results.nc", "config.json", "status.json", "log.txt", "report.html"}
    assert figures | written <= {file.name for file in path.iterdir()}
    assert json.loads((path / "status.json").read_text())["state"] == "done"
    assert not list(path.glob("*.tmp")) and not list(path.glob(".*.tmp"))


def test_the_same_command_reads_what_is_there(swept):
    path, _ = swept
    found = json.loads(command(path, "--json").stdout)
    assert [one["width"] for one in found["widths"]] == [64, 128]
    assert found["rates"]["tv"]["exponent"] < -0.5
    dry = command(path, "--dry-run")
    assert dry.exit_code == 0 and "Nothing is left to run." in dry.stdout
    size = sum(file.stat().st_size for file in path.iterdir())
    expected = json.loads(command(path, "--dry-run", "--json").stdout)["disk_bytes"]
    assert 0.5 * size < expected < 2 * size
    other = command(path, seed=5)
    assert other.exit_code == 2 and "another configuration" in other.stderr


@pytest.fixture(scope="module", params=["process", "dask"])
def executor(request):
    """Flags of one with a worker, which serves both commands where it is Dask's."""
    if request.param == "process":
        yield ("--executor", "process", "--jobs", 1)
    else:
        with Dask(jobs=1) as cluster:
            yield ("--executor", "dask", "--scheduler", cluster._cluster.scheduler_address)


def test_every_executor_gives_the_same_sweep(executor, swept, tmp_path):
    done = command(tmp_path / "run", *executor)
    assert done.exit_code == 0, done.stderr
    (expected,), (found,) = map(load_results, (swept[0], tmp_path / "run"))
    assert found.status == "done" and found.settings == expected.settings
    assert (tmp_path / "run" / "report.html").exists()
    for path in expected.tree.groups:
        mine, theirs = (
            cell.tree[path].to_dataset().drop_vars("seconds", errors="ignore").drop_attrs()
            for cell in (found, expected)
        )
        xr.testing.assert_identical(mine, theirs)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Draws of one posterior by this process."""
    return draw(tmp_path_factory.mktemp("draws") / "run")


def draw(path, *executor):
    problem = ("--num-train", 2, "--num-test", 2, "--noise-std", 0.5, "--depth", 1, "--width", 8)
    done = invoke("sample", *problem, "--num-samples", 20, *executor, "--out", path)
    assert done.exit_code == 0, done.stderr
    return bnnpost.load(path)


def test_every_executor_gives_the_same_draws(executor, drawn, tmp_path):
    found = draw(tmp_path / "run", *executor)
    assert found.proposal_numbers.tolist() == drawn.proposal_numbers.tolist()
    assert found.training_outputs().tolist() == drawn.training_outputs().tolist()


def test_draws_are_kept_as_four_chains_with_unique_proposals(finished):
    _, tree = finished
    assert tree["width_128/posterior"]["f"].shape == (4, 12, 2, 1)
    numbers = tree["width_128/sample_stats"]["proposal_number"].values
    assert len(np.unique(numbers)) == numbers.size
    assert np.all(np.diff(numbers.ravel()) > 0)


def test_distances_fall_and_densities_are_densities(finished):
    _, tree = finished
    tv = tree["distances"]["tv"].values
    assert tv[0] > tv[1] > 0
    predictive = tree["predictive"].to_dataset()
    for name in ("density", "limit_density"):
        step = predictive["f"].diff("grid").mean("grid")
        total = predictive[name].sum("grid") * step
        assert np.allclose(total, 1.0, atol=0.02), name


def test_the_first_order_theory_is_recorded_beside_what_was_measured(finished):
    _, tree = finished
    first, problem = tree["first_order"].to_dataset(), load_problem(SMALL)
    expected = bnnpost.theory(problem.posterior(64), problem.x_test)
    for name in ("tv", "kl", "log_evidence_error"):
        row = first.sel(distance=name)
        assert float(row["coefficient"]) == float(expected.coefficients[name])
        assert 0 <= float(row["second_order_below"]) < float(row["second_order_below_high"])
    assert first.attrs["mean_within_from_width"] == expected.width_within(0.01)


def test_no_theory_is_recorded_for_many_points_or_where_it_does_not_apply(finished):
    distances = finished[1]["distances"].to_dataset()
    many = dataclasses.replace(SMALL, num_train=20, num_test=20)
    assert first_order(load_problem(many), distances, 64) is None
    steep = dataclasses.replace(SMALL, activation="exp")
    assert first_order(load_problem(steep), distances, 64) is None
    narrow = first_order(load_problem(SMALL), distances.sel(width=[64]), 128)
    assert np.isnan(narrow["second_order_below"]).all()


def test_a_finished_run_is_not_run_again(finished):
    path, _ = finished
    before = (path / "results.nc").stat().st_mtime_ns
    cell, said = run(path)
    assert cell.status == "done" and said == []
    assert (path / "results.nc").stat().st_mtime_ns == before


def test_another_configuration_is_refused_and_nothing_is_touched(finished):
    path, _ = finished
    before = {f.name: f.read_bytes() for f in path.iterdir() if f.is_file()}
    with pytest.raises(ConfigError, match=r"another configuration \(seed 0 → 1\)"):
        run(path, seed=1)
    assert before == {f.name: f.read_bytes() for f in path.iterdir() if f.is_file()}


def test_a_setting_that_is_left_out_is_another_one(finished, tmp_path):
    """Also where it is not written unless it says something."""
    path, _ = finished
    for name, value in (("weight_prior", "Laplace(0, 0.7)"), ("bias_prior", "Laplace(0, 1)")):
        begun(tmp_path / name, **{name: value})
        with pytest.raises(ConfigError, match=rf"another configuration \({name} .*→ None\)"):
            begun(tmp_path / name)
    # One from before some settings were added is the same with their defaults.
    copy = tmp_path / "copy"
    shutil.copytree(path, copy)
    held = json.loads((copy / "config.json").read_text())
    del held["cap"], held["precision"], held["space"]
    edited(copy / "config.json", json.dumps(held))
    begun(copy)
    with pytest.raises(ConfigError, match=r"\(space 'auto' → "):
        GridDirectory(copy, grid(method=Rejection(space="functions"))).check_vacant()


def test_a_width_of_another_configuration_is_not_taken_for_this_one(finished, tmp_path):
    path, _ = finished

    def read(**changes):
        config = dataclasses.replace(SMALL, **changes).as_dict()
        return CellDirectory(path).widths(print, config).results(64)

    assert read(widths=(64, 8)).attrs["config"]
    for changes in ({"seed": 1}, {"weight_prior": "Laplace(0, 0.7)"}, {"data": "nile"}):
        with pytest.raises(OtherRun, match=f"another configuration .*{next(iter(changes))}"):
            read(**changes)
    target = begun(tmp_path / "run", seed=1)
    for width in SMALL.widths:
        shutil.copy(CellDirectory(path).width_file(width), target)
    cell, said = run(target, seed=1)
    assert cell.status == "failed"
    assert any("width_000064.nc is of another run than contents.json" in line for line in said)


def begun(path, **changes):
    """A run of this configuration, begun and left."""
    with GridDirectory.begun(path, grid(**changes).digested()):
        return path


def test_an_edited_table_is_not_gone_on_with(tmp_path):
    table = tmp_path / "mine.csv"
    table.write_text("a,y\n1,2\n3,5\n4,4\n5,1\n")
    given = {"data": str(table), "target": "y"}
    path = begun(tmp_path / "run", **given)
    begun(path, **given)
    table.write_text("a,y\n1,2\n3,5\n4,4\n5,9\n")
    words = r"mine\.csv has changed since the run in .* was begun.*choose another --out"
    directory = GridDirectory(path, grid(**given))
    for again in (
        lambda: begun(path, **given),
        directory.check_vacant,
        lambda: directory.check_unchanged(directory.grid.cells[0]),  # between two widths
    ):
        with pytest.raises(ConfigError, match=words):
            again()
    (path / "contents.json").unlink()
    with pytest.raises(ConfigError, match="a run with other data, code or settings, and contents"):
        begun(path, **given)
    table.write_text("a,y\n1,2\n3,5\n4,4\n5,1\n")
    begun(path, **given)


def test_edited_code_is_not_gone_on_with(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [*sys.path])  # the working directory is added to it
    code = (
        "from bnnpost import Dense, Serial\n"
        "def net(width, num_outputs):\n    return Serial([Dense(width), Dense(num_outputs)])\n"
    )
    module = tmp_path / "mixed_code.py"
    module.write_text(code)
    given = {"network": "mixed_code:net"}
    path = begun(tmp_path / "run", **given)
    begun(path, **given)
    config = dataclasses.replace(SMALL, **given)
    sent = Sent(load_problem(config), code_digest(config), "")
    assert sent.opened() is sent.problem
    module.write_text(code.replace("Dense(width)", "Dense(width, b_std=1.0)"))
    with pytest.raises(ConfigError, match="the code of mixed_code:net has changed"):
        begun(path, **given)
    with pytest.raises(ExecutorError, match="code of mixed_code:net is another on the worker"):
        sent.opened()
    sys.modules.pop("mixed_code")


def test_a_table_is_the_same_however_its_path_is_spelt(tmp_path, monkeypatch):
    (tmp_path / "mine.csv").write_text("a,y\n1,2\n3,5\n4,4\n5,1\n")
    monkeypatch.chdir(tmp_path)
    config = dataclasses.replace(SMALL, data="mine.csv", target="y")
    path = begun(tmp_path / "run", data=located(config).data, target="y", widths=(4,))
    held = GridDirectory.read(path).grid.cells[0].config
    assert held.data == str(tmp_path / "mine.csv") and located(SMALL) == SMALL
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    begun(path, data=held.data, target="y", widths=(4,))
    with pytest.raises(ConfigError, match="another configuration \\(data"):
        GridDirectory(path, grid(data="mine.csv", target="y", widths=(4,))).check_vacant()


@pytest.mark.slow
def test_a_missing_width_is_run_again_with_the_same_results(finished, tmp_path):
    """Which are the same in memory and in the file."""
    path, stored = finished
    target = tmp_path / "copy"
    target.mkdir()
    for name in ("config.json", "width_000128.nc"):
        (target / name).write_bytes((path / name).read_bytes())
    again, said = run(target)
    assert sum("draws of" in line for line in said) == 1
    assert set(stored.children) == set(again.tree.children)
    for name in ("distances", "rates", "predictive", "data"):
        xr.testing.assert_equal(stored[name].to_dataset(), again.tree[name].to_dataset())
    assert json.loads(stored.attrs["config"])["widths"] == [64, 128]
    assert json.loads(stored.attrs["versions"])["jax"]


@pytest.mark.slow
def test_versions_and_device_are_those_of_the_widths(finished, tmp_path):
    """Not those of the process that puts them together; where they are several, it says so."""
    copy = tmp_path / "copy"
    shutil.copytree(finished[0], copy)
    for width, version in ((64, "0.1"), (128, "0.2")):
        file = CellDirectory(copy).width_file(width)
        one = read_dataset(file)
        made = {**json.loads(one.attrs["versions"]), "jax": version, "numpy": "1.9"}
        one.attrs |= {"versions": json.dumps(made), "device": "TPU v9"}
        one.attrs["digest"] = dataset_digest(one)
        one.to_netcdf(file, engine="h5netcdf")
    (copy / "results.nc").unlink()
    cell, said = run(copy)
    tree = cell.tree
    found = json.loads(tree.attrs["versions"])
    assert (found["jax"], found["numpy"], tree.attrs["device"]) == ("0.1 and 0.2", "1.9", "TPU v9")
    assert "widths were made with several versions, jax 0.1 and 0.2: all are in results.nc" in said


ONE = dataclasses.replace(SMALL, widths=(4,), num_samples=5)


SLICE = Chains(kernel_name="slice", num_chains=1, num_warmup=1)


@pytest.mark.slow
@pytest.mark.parametrize("method", [Rejection(), SLICE])
def test_draws_of_one_posterior_are_no_sweep(tmp_path, method):
    """Nor is a sweep taken for them, though the configuration is the same."""
    problem, path, alone = (
        load_problem(dataclasses.replace(ONE, method=method)),
        tmp_path / "draws",
        Grid((), (Cell({}, ONE.as_dict(), ""),)),
    )

    def sampled(path):
        return sample(problem, path)

    assert len(sampled(path)) == 5
    before = sorted(path.rglob("*"))
    for taken in (
        lambda: begun(path, widths=(4,), num_samples=5),
        lambda: GridDirectory.read(path),
        lambda: GridDirectory(path, alone).check_vacant(),
        lambda: load_results(path),
    ):
        with pytest.raises(ConfigError, match=r"holds draws of one posterior \(run\.json\)"):
            taken()
    assert sorted(path.rglob("*")) == before
    with pytest.raises(ConfigError, match="was made for a sweep"):
        sampled(begun(tmp_path / "begun", widths=(4,), num_samples=5))
    assert len(sampled(path)) == 5


def test_draws_are_not_put_into_a_sweeps_directory(finished):
    with pytest.raises((ConfigError, OtherRun), match="was made for a sweep, and holds no draws"):
        sample(load_problem(ONE), finished[0])


def test_a_hopeless_run_is_refused_before_it_starts(tmp_path):
    cell, _ = run(tmp_path / "run", num_train=25, noise_std=0.05, widths=(64,))
    assert cell.status == "refused" and "is expected to need" in cell.detail.reason
    assert len(cell.detail.explanation.splitlines()) > 1  # with advice
    assert not list((tmp_path / "run").glob("width_*"))


@pytest.mark.slow
def test_a_capped_sweep_is_judged_by_its_own_cost(tmp_path):
    """Where strict has no hope, and refused only beyond its own budget; advice says the rest."""
    config = dataclasses.replace(SMALL, num_train=8, noise_std=0.05, widths=(128,))

    def planned(**settings):
        method = Rejection(**settings)
        problem = load_problem(dataclasses.replace(config, method=method))
        return make_plan(problem, config.widths, timed=False)

    capped, strict = planned(bound="capped"), planned(max_proposals=50)
    assert capped.costs[128].row["bound"] == "capped"
    assert strict.proposals > 1e3 * capped.proposals
    assert capped.refusal == ""
    tight = planned(bound="capped", max_proposals=50).refusal
    assert tight.startswith("width 128 is expected to need")
    assert "raise max_proposals" in tight
    assert "For 50 draws strict" in tight
    assert "--bound capped" not in tight
    assert "--bound capped" in strict.refusal


@pytest.mark.slow
def test_a_budget_that_is_too_small_is_refused_and_when_forced_keeps_what_was_drawn(tmp_path):
    changes = {"num_samples": 5000, "max_proposals": 1000, "widths": (128,)}
    path = tmp_path / "run"
    refused = command(path, **changes)
    assert refused.exit_code == 2 and "more than 1e+03" in refused.stderr
    done = command(path, "--force", **changes)
    assert done.exit_code == 4, done.output
    assert "max_proposals was reached" in done.stderr and "± standard error" in done.stdout
    assert 0 < read_tree(path / "results.nc")["sampling"]["num_samples"].values[0] < 5000
    assert json.loads((path / "status.json").read_text())["state"] == "exhausted"


@pytest.mark.slow
def test_a_capped_sweep_says_what_its_draws_are(tmp_path):
    # Beyond strict rejection: it would be refused.
    hard = {"num_train": 12, "noise_std": 0.1, "widths": (128,), "num_proposals": 400}
    refused, _ = run(tmp_path / "strict", method=Rejection(max_proposals=10**5), **hard)
    assert "--bound capped" in refused.detail.reason
    tree = run(tmp_path / "capped", method=Rejection(bound="capped"), **hard)[0].tree
    assert tree.attrs["kind"] == "capped"
    assert tree["width_128/posterior"]["f"].shape == (4, 12, 2, 1)
    predictive = tree["predictive"].to_dataset()
    step = predictive["f"].diff("grid").mean("grid")
    assert np.allclose(predictive["density"].sum("grid") * step, 1.0, atol=0.02)
