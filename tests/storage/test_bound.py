"""Files of a run are known as its own, and those without an id or a digest are refused."""

import json
import shutil

import pytest
import xarray as xr

import bnnpost
from bnnpost.runs.directory import Directory
from bnnpost.runs.store import read_run_record
from bnnpost.storage import DIGEST, FORMAT, RECORD, RUN_ID, STATUS, dataset_digest, read_record
from bnnpost.storage.integrity import run_here, sealed
from tests.files import edited
from tests.samplers.small_blocks import sample

ONE, OTHER = "1" * 64, "2" * 64


def begun(path, run):
    path.mkdir()
    directory = Directory(path)
    directory.run = run
    directory.write_bound(RECORD, {"format": "a run", "made_with": {"versions": {}}})
    directory.write_bound("config.json", {"width": 8})
    directory.write_bound("forecast.json", {"8": {"seconds": 1.5}})
    directory.set_status("done")
    return path


@pytest.fixture
def paths(tmp_path):
    return begun(tmp_path / "one", ONE), begun(tmp_path / "other", OTHER)


def test_what_was_written_is_read(paths):
    one, _ = paths
    assert recorded(one / RECORD)["run"] == ONE
    assert read_record(one / "forecast.json") == {"8": {"seconds": 1.5}}
    assert read_record(one / "config.json") == {"width": 8}
    assert read_record(one / STATUS)["state"] == "done" and run_here(one) == ONE


@pytest.mark.parametrize("name", [STATUS, "forecast.json", "config.json"])
def test_a_record_of_another_run_is_refused(paths, name):
    one, other = paths
    shutil.copy(other / name, one / name)
    with pytest.raises(ValueError, match=r"is of another run than run\.json beside it \(2222"):
        read_record(one / name)


@pytest.mark.parametrize(("name", "source"), [(STATUS, "forecast.json"), (RECORD, STATUS)])
def test_another_record_of_the_same_run_is_refused(paths, name, source):
    one, _ = paths
    shutil.copy(one / source, one / name)
    with pytest.raises(ValueError, match="another file is in its place"):
        read_record(one / name)


@pytest.mark.parametrize("name", [RECORD, STATUS, "forecast.json", "config.json"])
def test_every_changed_character_is_noticed(paths, name):
    one, _ = paths
    read = recorded if name == RECORD else read_record
    text, whole = (one / name).read_text(), read(one / name)
    for place, character in enumerate(text):
        changed = text[:place] + chr(ord(character) ^ 1) + text[place + 1 :]
        (one / name).write_text(changed)
        try:
            assert read(one / name) == whole, changed  # between the values, say
        except ValueError:
            continue


def test_a_record_without_an_id_is_none_of_a_run_that_has_one(paths):
    one, _ = paths
    (one / STATUS).write_text(sealed(STATUS, {"state": "done"}))
    with pytest.raises(ValueError, match="does not say of which run it is"):
        read_record(one / STATUS)


@pytest.mark.parametrize("name", [RECORD, STATUS, "config.json"])
def test_records_without_a_digest_are_refused(paths, name):
    one, _ = paths
    values = {n: v for n, v in json.loads((one / name).read_text()).items() if n != DIGEST}
    (one / name).write_text(json.dumps(values))
    with pytest.raises(ValueError, match=rf"{name} is damaged, or no file of a run: it has no di"):
        read_record(one / name)
    assert run_here(one) == ("" if name == RECORD else ONE)


class Kind:
    FORMAT, ENTRIES = "a run", {}


def recorded(path):
    """As runs of rejection read theirs."""
    return read_run_record(path, Kind)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    for seed in (0, 1):
        sample(20, directory=folder / str(seed), seed=seed)
    return folder


@pytest.fixture
def run(runs, tmp_path):
    return shutil.copytree(runs / "0", tmp_path / "run")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({RUN_ID: None}, "does not say of which run it is"),
        ({DIGEST: None}, "draws.nc is damaged: it has no digest"),
        ({FORMAT: "bnnpost draws 1"}, "'bnnpost draws 2', found 'bnnpost draws 1'; make it again"),
        ({FORMAT: "notes"}, "another file of the run is in its place"),
    ],
)
def test_draws_that_are_not_bound_to_their_run_are_refused(run, changes, words):
    with xr.open_dataset(run / "draws.nc", engine="h5netcdf") as opened:
        data = opened.load()
    for name, value in changes.items():
        del data.attrs[name]
        data.attrs |= {} if value is None else {name: value}
    if DIGEST in data.attrs:
        data.attrs[DIGEST] = dataset_digest(data)
    data.to_netcdf(run / "draws.nc", engine="h5netcdf")
    with pytest.raises(ValueError, match=words):
        bnnpost.load(run / "draws.nc")


def test_what_is_sampled_is_not_taken_for_draws(run):
    shutil.copy(run / "run.nc", run / "draws.nc")
    with pytest.raises(ValueError, match="another file is in its place"):
        bnnpost.load(run / "draws.nc")


def test_draws_elsewhere_are_nobodys(run, runs, tmp_path):
    """Copied out of their run, or put beside its own under another name."""
    numbers = bnnpost.load(run / "draws.nc").proposal_numbers
    for target in (tmp_path / "draws.nc", runs / "1" / "mine.nc"):
        shutil.copy(run / "draws.nc", target)
        assert (bnnpost.load(target).proposal_numbers == numbers).all()


FIELDS = {
    "blocks_per_file": (0, -1, 1e99, 2.5, "32", True, None, [1], 10**9),
    "run": (5, "", "short", "g" * 64, None, ["a"]),
    "format": (5, None, ["bnnpost run 1"]),
    "made_with": (None, [], "jax", {}, {"versions": 1}),
}


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, vs in FIELDS.items() for v in vs])
def test_every_field_of_a_record_is_checked(run, name, value):
    edited(run / RECORD, json.dumps({**json.loads((run / RECORD).read_text()), name: value}))
    with pytest.raises(ValueError, match=rf"run\.json is damaged: expected {name} to be "):
        sample(20, directory=run)
