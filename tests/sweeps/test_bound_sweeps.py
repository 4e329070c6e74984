"""Files of a sweep know their run, cell and width, and what is not as it was written is noticed.

Units take no time here; tests/cli/test_faults.py does every fault to every file of real runs.
"""

import json
import shutil

import pytest

from bnnpost.storage import dataset_digest, read_dataset, read_tree
from bnnpost.sweeps import ConfigError, load_results, run_grid
from bnnpost.sweeps.cell_directory import CellDirectory
from bnnpost.sweeps.grid_directory import GridDirectory
from bnnpost.sweeps.loaded import see_results
from tests.files import edited
from tests.sweeps.fake_work import Fake, grid


@pytest.fixture
def fake(monkeypatch):
    return Fake().install(monkeypatch)


@pytest.fixture
def out(fake, tmp_path):
    run(tmp_path / "out")
    fake.ran.clear()
    return tmp_path / "out"


def run(path, **changes):
    said = []
    return run_grid(grid(**changes), path, say=said.append), said


def cells(path):
    """Folders, by depth."""
    return [cell.path for cell in see_results(path)]


def states(found):
    return [cell.status for cell in found]


def exchange(one, other):
    aside = one.with_name("aside")
    one.rename(aside)
    other.rename(one)
    aside.rename(other)


def turned(path):
    """One bit of the last number in a file."""
    whole = bytearray(path.read_bytes())
    whole[-3] ^= 1
    path.write_bytes(whole)


def test_widths_that_were_exchanged_are_set_aside_and_run_again(out, fake):
    [one, _] = cells(out)
    exchange(one / "width_000004.nc", one / "width_000008.nc")
    with pytest.raises(ValueError, match=r"width_000008\.nc of the same run is in its place"):
        read_dataset(one / "width_000004.nc")
    (one / "results.nc").unlink()
    found, said = run(out)
    assert states(found) == ["done", "done"] and sorted(fake.ran) == [(1, 4), (1, 8)]
    assert any("width_000008.nc of the same" in line and "set aside" in line for line in said)
    assert (one / "width_000004.nc.damaged").exists()
    assert found.cells[0].tree["distances"]["tv"].values.tolist() == [0.25, 0.125]


@pytest.mark.parametrize("name", ["width_000004.nc", "results.nc"])
def test_a_file_of_another_cell_is_refused_or_made_again(out, fake, name):
    one, other = cells(out)
    shutil.copy(other / name, one / name)
    with pytest.raises(ValueError, match=r"is of another run than contents\.json beside it"):
        read_tree(one / name)
    if name == "results.nc":
        with pytest.raises(ValueError, match="bnnpost sweep resume puts it together again"):
            load_results(out).cells[0].tree["rates"]
        found, said = run(out)
        assert states(found) == ["done", "done"] and "together again" in said[0]
        read_tree(one / name)


@pytest.mark.parametrize("harm", [turned, lambda path: path.write_bytes(path.read_bytes()[:5000])])
def test_results_that_are_not_as_written_are_not_done_and_made_again(out, fake, harm):
    one, _ = cells(out)
    whole = read_tree(one / "results.nc")
    harm(one / "results.nc")
    assert states(see_results(out)) == ["pending", "done"]
    with pytest.raises(ValueError, match=r"results\.nc is"):
        load_results(out).distances()
    found, _ = run(out)
    assert states(found) == ["done", "done"] and not fake.ran
    assert read_tree(one / "results.nc").identical(whole)


def test_folders_of_cells_that_were_exchanged_are_refused(out, fake):
    one, other = cells(out)
    exchange(one, other)
    found = see_results(out)
    assert states(found) == ["failed", "failed"]
    assert "holds the run of another cell" in found.cells[0].detail.reason
    with pytest.raises(ConfigError, match="holds the run of another cell"):
        found.cells[0].tree["rates"]
    _, said = run(out)
    assert not fake.ran and sum("bring back the folder" in line for line in said) == 2


def test_a_lost_figure_is_made_again(out, fake):
    one, _ = cells(out)
    figure = one / "distances.png"
    for harm in (type(figure).unlink, lambda path: path.write_bytes(b"another")):
        harm(figure)
        run(out)
        assert figure.read_bytes() == b"a figure" and not fake.ran


@pytest.mark.parametrize("name", ["status.json", "contents.json", "width_000004.json"])
def test_damaged_records_are_told_of_and_made_again(out, fake, name):
    one, other = cells(out)
    harms = (lambda held: shutil.copy(other / name, held), lambda held: held.write_text("{"))
    for harm in harms:
        harm(one / name)
        assert states(see_results(out))[0] != "done" or see_results(out).cells[0].detail.reason


def test_a_configuration_that_is_not_as_written_is_named_with_the_way_out(out, fake):
    held = out / "config.json"
    whole = held.read_text()
    for text in (whole[:50], "", whole.replace('"depth": 2', '"depth": 3')):
        held.write_text(text)
        for reader in (GridDirectory.read, see_results, load_results, run):
            with pytest.raises(ConfigError, match=r"config\.json .*remove it, and the same comm"):
                reader(out)
    held.unlink()
    found, _ = run(out)
    assert states(found) == ["done", "done"] and not fake.ran and held.read_text() == whole


@pytest.mark.parametrize("name", ["config.json", "contents.json"])
def test_the_configuration_of_another_grid_is_named(out, fake, tmp_path, name):
    other = tmp_path / "other"
    run(other, seed=1)
    whole = (out / name).read_text()
    shutil.copy(other / name, out)
    for reader in (GridDirectory.read, see_results, load_results, run):
        with pytest.raises(
            ConfigError, match=r"config\.json is of another run than contents\.json"
        ):
            reader(out)
    (out / name).unlink()
    fake.ran.clear()
    found, _ = run(out)
    assert states(found) == ["done", "done"] and not fake.ran
    assert (out / name).read_text() == whole


def test_the_configuration_of_a_single_run_is_written_again(fake, tmp_path):
    path = tmp_path / "out"
    run_grid(alone(), path)
    fake.ran.clear()
    held = path / "config.json"
    whole = held.read_text()
    held.write_text(whole.replace('"depth": 1', '"depth": 2'))
    with pytest.raises(ConfigError, match="remove it, and the same command"):
        run_grid(alone(), path)
    held.unlink()
    with pytest.raises(ConfigError, match="files that are not a sweep's"):
        run_grid(alone(seed=1), path)
    assert states(run_grid(alone(), path)) == ["done"] and not fake.ran
    assert held.read_text() == whole


def alone(**changes):
    """A run in which nothing varies."""
    from bnnpost.sweeps.grid import grid_of

    return grid_of({"num_train": 2, "num_test": 1, "widths": [4, 8], "depth": 1, **changes})


def test_a_grid_without_cells_or_of_another_format_is_refused(tmp_path):
    held = tmp_path / "config.json"
    for values, words in (
        ({"format": "bnnpost grid 1", "varying": ["depth"], "cells": []}, "expected a grid of c"),
        ({"format": "bnnpost grid 7"}, "expected format 'bnnpost grid 1', found 'bnnpost grid 7'"),
    ):
        edited(held, json.dumps(values))
        with pytest.raises(ConfigError, match=words):
            load_results(tmp_path)


@pytest.mark.parametrize("lacking", ["run", "file", "digest"])
def test_a_width_that_lacks_what_binds_it_is_refused_or_run_again(out, fake, lacking):
    [one, _] = cells(out)
    altered(one / "width_000004.nc", lacking)
    with pytest.raises(ValueError, match=r"width_000004\.nc is damaged"):
        read_dataset(one / "width_000004.nc")
    (one / "contents.json").unlink()  # nor is it taken where that is not there
    assert CellDirectory(one).widths(print).results(4) is None
    (one / "results.nc").unlink()
    found, said = run(out)
    if lacking == "run":  # it may be another's, and is left alone
        assert states(found) == ["failed", "done"] and not fake.ran
        assert any("does not say of which run it is" in line for line in said)
        return
    assert states(found) == ["done", "done"] and fake.ran == [(1, 4)]
    assert any("width_000004.nc is damaged" in line and "set aside" in line for line in said)


def test_widths_of_another_format_are_set_aside_by_name(out, fake):
    [one, _] = cells(out)
    altered(one / "width_000004.nc", "format", "bnnpost width 0")
    with pytest.raises(ValueError, match="'bnnpost width 1', found 'bnnpost width 0'; make it aga"):
        read_dataset(one / "width_000004.nc")
    (one / "results.nc").unlink()
    found, _ = run(out)
    assert states(found) == ["done", "done"] and fake.ran == [(1, 4)]


def test_cells_and_results_of_another_format_are_refused_by_name(out, fake):
    one, other = cells(out)
    altered(one / "results.nc", "format", "bnnpost sweep 0")
    with pytest.raises(ValueError, match="'bnnpost sweep 1', found 'bnnpost sweep 0'; make it ag"):
        load_results(out).distances()
    held = json.loads((other / "contents.json").read_text())
    edited(other / "contents.json", json.dumps({**held, "format": "bnnpost cell 0"}))
    assert states(see_results(out)) == ["pending", "failed"]
    found, said = run(out)
    assert states(found) == ["done", "failed"] and not fake.ran
    assert any("'bnnpost cell 1', found 'bnnpost cell 0'" in line for line in said)


def altered(path, name, value=None):
    """Write a file without an attribute, or with another value of it, and with its digest."""
    found = read_tree(path)
    del found.attrs[name]
    found.attrs |= {} if value is None else {name: value}
    if name != "digest":
        found.attrs["digest"] = dataset_digest(found)
    found.to_netcdf(path, engine="h5netcdf")
