"""What a grid runs, what it uses again, and how it deals with failures; units take no time here."""

import dataclasses
import errno
import json
import re

import pytest
import xarray as xr

from bnnpost.parallel.failures import WorkerDied
from bnnpost.storage import DirectoryInUse, Lock
from bnnpost.sweeps import ConfigError, load_results, run_grid, unit_work
from bnnpost.sweeps.grid_cells import Cell
from bnnpost.sweeps.grid_directory import GridDirectory
from bnnpost.sweeps.loaded import see_results
from tests.files import edited
from tests.sweeps.fake_work import Fake, grid

pytestmark = pytest.mark.optimised

# Nothing varies: a run over widths.
SINGLE = dataclasses.replace(grid(), varying=(), cells=grid().cells[:1])
EVERYTHING = [(1, 4), (1, 8), (2, 4), (2, 8)]


@pytest.fixture
def fake(monkeypatch):
    return Fake().install(monkeypatch)


def run(path, chosen=None, **options):
    said = []
    found = run_grid(chosen or grid(), path, say=said.append, **options)
    return found, said


def states(found):
    return [cell.status for cell in found]


def test_all_cells_are_run_once_and_found_again(fake, tmp_path):
    found, said = run(tmp_path / "out")
    assert sorted(fake.ran) == EVERYTHING and states(found) == ["done", "done"]
    assert said[-1].startswith("[4/4] depth=2, width 8: ")
    assert [cell.settings for cell in found] == [{"depth": 1}, {"depth": 2}]
    assert found.cells[0].detail.seconds == 3.0
    distances = found.distances()
    assert distances["tv"].dims == ("cell", "width")
    assert distances["depth"].values.tolist() == [1, 2]
    assert found.rates().set_xindex("depth").sel(depth=2)["exponent"].shape == (8,)
    again, _ = run(tmp_path / "out")
    assert len(fake.ran) == 4 and states(again) == ["done", "done"]


def test_adding_a_width_a_value_or_taking_one_away_runs_only_what_is_missing(fake, tmp_path):
    run(tmp_path / "out")
    fake.ran.clear()
    found, said = run(tmp_path / "out", grid(widths=[4, 8, 16]))
    assert sorted(fake.ran) == [(1, 16), (2, 16)]
    assert "width 16 added" in said[0]
    assert found.cells[0].tree["distances"]["width"].values.tolist() == [4, 8, 16]
    fake.ran.clear()
    found, said = run(tmp_path / "out", grid(widths=[4, 16], grid={"depth": [2, 3]}))
    assert sorted(fake.ran) == [(3, 4), (3, 16)]
    assert "2 cells, 1 of them new; 1 no longer in the grid, whose runs stay" in said[0]
    assert [cell.settings["depth"] for cell in found] == [2, 3]
    assert found.cells[0].tree["distances"]["width"].values.tolist() == [4, 16]
    assert len(list((tmp_path / "out" / "runs").iterdir())) == 3


def test_another_study_is_refused_and_nothing_is_lost_from_view(fake, tmp_path):
    out = tmp_path / "out"
    run(out)
    before = (out / "config.json").read_bytes()
    fake.ran.clear()
    for other, words in (
        ({"num_samples": 77}, "num_samples .* → 77"),
        ({"grid": {"activation": ["relu", "tanh"]}}, "activation 'erf' → 'relu'"),
    ):
        with pytest.raises(ConfigError, match=f"holds another grid: none of its 2 .*{words}"):
            run(out, grid(**other))
        assert not fake.ran and (out / "config.json").read_bytes() == before
    # A setting that is left out now counts as well.
    run(tmp_path / "laplace", grid(weight_prior="Laplace(0, 0.7)"))
    with pytest.raises(ConfigError, match=r"another grid: .*weight_prior .*'Laplace'.* → None"):
        run(tmp_path / "laplace")
    fake.ran.clear()
    # What was left out before may come back, and is not new.
    run(out, grid(grid={"depth": [2, 3]}))
    fake.ran.clear()
    _, said = run(out, grid(grid={"depth": [1]}))
    assert "1 cells, 0 of them new" in said[0] and not fake.ran


def test_an_edited_table_is_not_mistaken(fake, tmp_path):
    table = tmp_path / "mine.csv"
    table.write_text("a,y\n1,2\n3,5\n4,4\n")
    given = {"data": str(table), "target": "y"}
    run(tmp_path / "out", grid(**given))
    fake.ran.clear()
    table.write_text("a,y\n1,2\n3,5\n4,6\n")
    # Gone on with from the directory alone, it is refused: that is another posterior.
    held = GridDirectory.read(tmp_path / "out").grid
    (tmp_path / "out" / "runs" / held.cells[0].folder / "width_000004.nc").unlink()
    found, _ = run(tmp_path / "out", held)
    assert states(found) == ["failed", "done"] and not fake.ran
    assert "mine.csv has changed since the grid was begun" in found.cells[0].detail.reason
    # Its configuration run again, all is run anew.
    found, said = run(tmp_path / "out", grid(**given))
    assert sorted(fake.ran) == EVERYTHING and states(found) == ["done", "done"]
    assert "2 of them new" in said[0]


def test_a_failure_is_recorded_and_the_others_go_on(fake, tmp_path):
    fake.raises[1, 8] = [ValueError("no such\nthing")]
    found, said = run(tmp_path / "out")
    assert sorted(fake.ran) == EVERYTHING  # tried once: it would fail again
    assert states(found) == ["failed", "done"]
    detail = found.cells[0].detail
    assert (detail.done, detail.failed, detail.reason) == ((4,), (8,), "no such")
    assert found.cells[0].tree is None
    record = json.loads((found.cells[0].path / "width_000008.json").read_text())
    assert record["kind"] == "ValueError" and "Traceback" in record["traceback"]
    assert any("depth=1, width 8: failed: no such" in line for line in said)
    fake.ran.clear()
    found, _ = run(tmp_path / "out")
    assert fake.ran == [(1, 8)] and states(found) == ["done", "done"]


@pytest.mark.parametrize("error", [OSError("disk gone"), MemoryError()])
def test_what_may_pass_is_tried_again(fake, tmp_path, error):
    fake.raises[2, 4] = [error]
    found, said = run(tmp_path / "out")
    assert fake.ran.count((2, 4)) == 2 and states(found) == ["done", "done"]
    assert any("is tried again" in line for line in said)
    fake.raises[1, 4], fake.ran[:] = [error] * 3, []
    found, _ = run(tmp_path / "other", retries=2)
    assert fake.ran.count((1, 4)) == 3 and states(found) == ["failed", "done"]


def test_a_full_disk_ends_the_run(fake, tmp_path):
    fake.raises[1, 4] = [OSError(28, "No space left on device")]
    with pytest.raises(OSError, match="No space left"):
        run(tmp_path / "out")
    assert fake.ran == [(1, 4)]
    found, _ = run(tmp_path / "out")
    assert states(found) == ["done", "done"]


def test_a_hopeless_cell_is_refused_and_the_others_go_on(fake, tmp_path):
    fake.hopeless = (1,)
    found, said = run(tmp_path / "out")
    assert sorted(fake.ran) == EVERYTHING[2:] and states(found) == ["refused", "done"]
    assert found.cells[0].detail.reason == "width 8 is expected to need 1e+20 proposals."
    assert "depth=1: refused: width 8 is expected to need 1e+20 proposals." in said
    found, _ = run(tmp_path / "out", force=True)
    assert sorted(fake.ran) == EVERYTHING
    assert states(found) == ["done", "done"]


def test_a_cell_is_judged_once(fake, tmp_path):
    run(tmp_path / "out")
    assert sorted(fake.judged) == [1, 2]


def test_a_cell_without_its_hopeless_width_is_run(fake, tmp_path):
    fake.hopeless = (1,)
    run(tmp_path / "out")
    fake.ran.clear()
    found, _ = run(tmp_path / "out", grid(widths=[4]))
    assert fake.ran == [(1, 4)] and states(found) == ["done", "done"]


def test_a_limit_that_is_no_gaussian_process_is_refused(fake, tmp_path):
    found, _ = run(tmp_path / "out", grid(grid={"w_std": [1.5, "HalfNormal(1)"]}))
    assert states(found) == ["done", "refused"]
    assert "mixture of Gaussian processes" in found.cells[1].detail.reason


def test_fewer_draws_than_asked_for_are_done_with_a_note(fake, tmp_path):
    fake.short = ((1, 8),)
    found, _ = run(tmp_path / "out")
    assert states(found) == ["short", "done"] and found.cells[0].detail.short == (8,)


@pytest.mark.parametrize("retries", [0, 2])
def test_a_unit_whose_workers_die_is_given_up_after_its_retries(fake, tmp_path, retries):
    fake.raises[1, 4] = [WorkerDied("its process was killed")] * (retries + 1)
    found, _ = run(tmp_path / "out", retries=retries)
    assert states(found) == ["failed", "done"] and fake.ran.count((1, 4)) == retries + 1
    assert "its process was killed" in found.cells[0].detail.reason
    record = json.loads((found.cells[0].path / "width_000004.json").read_text())
    assert (record["kind"], record["attempts"]) == ("killed", retries + 1)
    found, _ = run(tmp_path / "out")
    assert states(found) == ["done", "done"]


def test_a_cell_whose_judges_die_is_given_up_after_the_retries(fake, tmp_path):
    fake.judging = [WorkerDied("its process was killed")] * 2
    found, said = run(tmp_path / "out")
    assert fake.judged == [1, 1, 2] and states(found) == ["failed", "done"]
    assert "depth=1: failed: its process was killed" in said
    found, _ = run(tmp_path / "out")
    assert states(found) == ["done", "done"]


def test_ctrl_c_under_another_name_ends_all_and_nothing_has_failed(fake, tmp_path):
    """What is interrupted may raise an error of its own: nobody's fault, and wanted to end."""
    error = ValueError("open writing handle")
    error.__context__ = KeyboardInterrupt()
    fake.raises[1, 4] = [error]
    with pytest.raises(ValueError, match="writing handle"):
        run(tmp_path / "out")
    assert fake.ran == [(1, 4)] and states(load_results(tmp_path / "out")) == ["pending"] * 2
    found, _ = run(tmp_path / "out")
    assert states(found) == ["done", "done"]


def test_judging_is_tried_again_where_that_may_help(fake, tmp_path):
    fake.judging = [ValueError("no such law"), OSError("disk gone")]
    found, said = run(tmp_path / "out")
    assert states(found) == ["failed", "done"] and fake.judged == [1, 2, 2]
    assert any("disk gone" in line and "is tried again" in line for line in said)
    fake.judging = [OSError(28, "No space left on device")]
    with pytest.raises(OSError, match="No space left"):
        run(tmp_path / "out")


def forget_results(found):
    """As when a process is killed while it puts the first cell's results together."""
    for name in ("results.nc", "status.json"):
        (found.cells[0].path / name).unlink()


def test_a_cell_whose_results_are_not_put_together_is_not_done(fake, tmp_path):
    found, _ = run(tmp_path / "out")
    forget_results(found)
    held = load_results(tmp_path / "out")
    assert states(held) == ["pending", "done"] and held.cells[0].detail.done == (4, 8)
    assert "not put together yet" in held.cells[0].detail.reason
    found, _ = run(tmp_path / "out")
    assert states(found) == ["done", "done"] and len(fake.ran) == 4


def test_a_cell_without_figures_has_its_results(fake, tmp_path, monkeypatch):
    def without(sent, found):
        return dataclasses.replace(
            fake.put_together(sent, found), figures={}, missing="no such font"
        )

    monkeypatch.setattr(unit_work, "put_together", without)
    found, said = run(tmp_path / "out")
    assert states(found) == ["done", "done"] and found.cells[0].tree is not None
    assert "depth=1: no such font" in said


def test_results_of_other_widths_are_not_those_asked_for(fake, tmp_path):
    run(tmp_path / "out", grid(widths=[4, 8, 16]))
    with GridDirectory.begun(tmp_path / "out", grid()):
        assert states(load_results(tmp_path / "out")) == ["pending", "pending"]


def cut(path):
    path.write_bytes(path.read_bytes()[:-200])


def change_a_number(path):
    with xr.open_dataset(path, engine="h5netcdf") as stored:
        data = stored.load()
    (data + 1e-9).assign_attrs(data.attrs).to_netcdf(path, engine="h5netcdf")


@pytest.mark.parametrize("damage", [cut, change_a_number])
def test_a_damaged_file_is_noticed_and_its_width_run_again(fake, tmp_path, damage):
    run(tmp_path / "out")
    fake.ran.clear()
    held = GridDirectory.read(tmp_path / "out")
    path = held.cell_directory(held.grid.cells[0]).width_file(4)
    damage(path)
    damaged = path.read_bytes()
    _, said = run(tmp_path / "out", grid(widths=[4, 8, 16]))
    assert sorted(fake.ran) == [(1, 4), (1, 16), (2, 16)]
    assert any("width_000004.nc is damaged" in line and "run again" in line for line in said)
    assert path.with_name("width_000004.nc.damaged").read_bytes() == damaged
    run(tmp_path / "out")
    assert len(fake.ran) == 3


@pytest.mark.parametrize(
    "error", [OSError(errno.EMFILE, "Too many open files"), MemoryError("full"), ImportError("h5")]
)
def test_a_file_that_cannot_be_read_just_now_is_left_as_it_is(fake, tmp_path, monkeypatch, error):
    def open_dataset(*arguments, **options):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(xr, "open_dataset", open_dataset)
        found, said = run(tmp_path / "out")
    assert states(found) == ["failed", "failed"] and sorted(fake.ran) == EVERYTHING
    assert f"depth=1: results cannot be put together: {error}" in said
    assert not list((tmp_path / "out").rglob("*.damaged"))
    found, _ = run(tmp_path / "out")
    assert states(found) == ["done", "done"] and sorted(fake.ran) == EVERYTHING


def test_a_file_of_another_configuration_is_not_put_together(fake, tmp_path):
    run(tmp_path / "out")
    held = GridDirectory.read(tmp_path / "out")
    directory = held.cell_directory(held.grid.cells[0])
    other = held.grid.cells[1].config
    data = xr.Dataset({"tv": ((), 1.0)}, attrs={"config": json.dumps(other.as_dict())})
    directory.widths(print, writes=True).write(4, data)
    (directory.path / "results.nc").unlink()
    found, said = run(tmp_path / "out")
    assert states(found) == ["failed", "done"] and sorted(fake.ran) == EVERYTHING
    assert any("another configuration (depth 2 → 1)" in line for line in said)


def test_results_are_not_put_together_with_data_that_have_changed(fake, tmp_path):
    """Widths are drawn with the data as they were, and the limit would be that of others."""
    table = tmp_path / "mine.csv"
    table.write_text("a,y\n1,2\n3,5\n4,4\n")
    run(tmp_path / "out", grid(data=str(table), target="y"))
    held = GridDirectory.read(tmp_path / "out")
    (held.cell_directory(held.grid.cells[0]).path / "results.nc").unlink()
    table.write_text("a,y\n1,2\n3,5\n4,6\n")
    found, said = run(tmp_path / "out", held.grid)
    assert states(found) == ["failed", "done"]
    assert any("cannot be put together" in line and "has changed" in line for line in said)


def test_who_looks_sees_what_is_under_way(fake, tmp_path, monkeypatch):
    seen = []

    def look(sent, width, progress):
        found = see_results(tmp_path / "out")
        seen.append((states(found), found.cells[0].detail.running))
        return fake.one_width(sent, width, progress)

    monkeypatch.setattr(unit_work, "one_width", look)
    run(tmp_path / "out", SINGLE)
    assert seen == [(["running"], (4,)), (["running"], (8,))]
    assert not list((tmp_path / "out").glob(".running*"))


def test_a_note_of_what_is_under_way_counts_while_its_writer_lives(fake, tmp_path):
    run(tmp_path / "out", SINGLE)
    (tmp_path / "out" / "width_000004.nc").unlink()
    (tmp_path / "out" / ".running.json").write_text(json.dumps({"units": [["", 4]]}))
    assert states(see_results(tmp_path / "out")) == ["pending"]
    with Lock(tmp_path / "out" / ".run.lock").hold():
        assert states(see_results(tmp_path / "out")) == ["running"]
    assert states(see_results(tmp_path / "out")) == ["pending"]


def test_a_directory_in_use_is_refused(fake, tmp_path):
    with (
        GridDirectory.begun(tmp_path / "out", grid()),
        pytest.raises(DirectoryInUse, match="another process"),
    ):
        run(tmp_path / "out")


def test_directories_that_hold_something_else_are_refused(fake, tmp_path):
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(ConfigError, match="not a sweep's"):
        run(tmp_path)
    single = tmp_path / "single"
    run(single, SINGLE)
    with pytest.raises(ConfigError, match="holds a run that is no grid"):
        run(single)
    run(tmp_path / "out")
    with pytest.raises(ConfigError, match="holds a grid"):
        run(tmp_path / "out", SINGLE)
    with pytest.raises(FileNotFoundError, match="holds no sweep"):
        load_results(tmp_path / "nothing")


@pytest.mark.parametrize("chosen", [grid(), SINGLE], ids=["grid", "single"])
def test_a_sweep_whose_settings_are_not_known_can_be_looked_at_but_not_run(fake, tmp_path, chosen):
    """They may be of a later version."""
    run(tmp_path / "out", chosen)
    held = tmp_path / "out" / "config.json"
    text = held.read_text()
    edited(held, text.replace('"num_proposals":', '"of_tomorrow": 1, "num_proposals":'))
    assert states(see_results(tmp_path / "out")) == ["done"] * len(chosen.cells)
    with pytest.raises(ConfigError, match=f"{held}: unknown configuration key 'of_tomorrow'"):
        load_results(tmp_path / "out")
    edited(held, text.replace('"widths":', '"widths": ["4"], "wide":'))
    with pytest.raises(
        ConfigError, match=r"config\.json cannot be read: expected a list of widths"
    ):
        see_results(tmp_path / "out")


def test_folders_are_named_by_what_varies_and_found_by_their_digest(fake, tmp_path):
    run(tmp_path / "out")
    folders = {path.name.rpartition("-")[0] for path in (tmp_path / "out" / "runs").iterdir()}
    assert folders == {"depth=1", "depth=2"}
    # With another axis the names would be others; what is there is used all the same.
    fake.ran.clear()
    found, _ = run(tmp_path / "out", grid(grid={"depth": [1, 2], "seed": [0]}))
    assert not fake.ran and states(found) == ["done", "done"]


def test_nothing_outside_the_directory_is_named_by_a_file(fake, tmp_path):
    run(tmp_path / "out")
    (tmp_path / "victim").mkdir()
    held = tmp_path / "out" / "config.json"
    record = json.loads(held.read_text())
    record["cells"][0]["digest"] = "../../victim"
    edited(held, json.dumps(record))
    with pytest.raises(ConfigError, match=r"hexadecimal, got '\.\./\.\./victim'"):
        GridDirectory.read(tmp_path / "out")
    assert not list((tmp_path / "victim").iterdir())


def test_a_folder_has_a_name_that_any_system_takes():
    cell = Cell({"weight_prior": "Laplace(0, 0.7) / ..\\x" * 9}, {"widths": [4]}, "0" * 16)
    name, _, digest = cell.folder.rpartition("-")
    assert digest == cell.digest and len(name) <= 80
    assert re.fullmatch(r"[A-Za-z0-9.=-]+", name) and not name.startswith(".")
