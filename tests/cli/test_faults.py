"""Every file of every kind of run × every fault: none is silent, none ends in a bare error.

What is altered, cut, emptied, deleted, exchanged for its like in another run, cell or width, or no
file at all, is noticed and made again, or refused by name. Of what is damaged its reader says so,
and one of those who read the file looks at it, in turn; at what is gone, and at what is another's,
all of them. tests/sweeps/test_bound_sweeps.py does a few of a sweep's.
"""

import collections
import re

import numpy as np
import pytest
import xarray as xr

from bnnpost.storage import (
    DRAWS_FORMAT,
    dataset_digest,
    integrity,
    netcdf,
    write_archive,
    write_netcdf,
)
from tests.cli.fault_matrix import NUM_PARTS, Fault, altered, exchanged, files, matrix
from tests.cli.invocation import invoke
from tests.cli.looks import DrawsLooks, remember_files
from tests.cli.small_runs import DRAWS, GRID, PROBLEM, SWEEP, compute_once
from tests.cli.sweep_looks import SweepLooks

pytestmark = [
    # That something is missing is a warning, which is an error elsewhere in these tests.
    pytest.mark.filterwarnings("default::UserWarning"),
]

# Who reads a file, by its name, those who may mend it last.
OF_DRAWS = {
    r"draws\.nc": ("load", "report", "verify", "resume"),
    r"predictions\.nc": ("report", "verify", "resume"),
    r"(run|status|config|forecast)\.json": ("load", "report", "verify", "resume"),
    r"": ("report", "resume"),
}
OF_SWEEPS = {
    r"draws_\d+\.nc": ("draws", "predict"),
    r"width_\d+\.nc": ("report", "assembly"),
    r"(results\.nc|\w+\.json)": ("status", "load", "report", "resume", "again"),
    r"": ("resume",),
}


def gone_wrong(looks, faults, readers):
    """What goes wrong in all of them, looked at by those who read each file.

    Every reader of a file has seen it damaged, and has seen it gone.
    """
    wrong, turns, seen = [], collections.Counter(), collections.Counter()
    for fault in faults:
        name = fault.file.rpartition("/")[2]
        names = next(names for pattern, names in readers.items() if re.match(pattern, name))
        if not fault.by_all:
            names = [names[turns[fault.file] % len(names)]]
            turns[fault.file] += 1
        wrong += looks.faults(fault, names)
        seen.update((fault.file, name, fault.by_all) for name in names)
    for file in turns:
        names = next(n for p, n in readers.items() if re.match(p, file.rpartition("/")[2]))
        assert all(seen[file, name, by_all] for name in names for by_all in (False, True)), file
    print(f"{sum(turns.values())} faults in turn, {sum(seen.values())} looks", flush=True)
    return wrong


@pytest.mark.slow
@pytest.mark.parametrize("kind", DRAWS)
def test_runs_of_draws(kind, tmp_path, monkeypatch):
    def sample(path, seed=0, noise_std=0.5):
        which = ("--noise-std", noise_std, "--width", 8, "--seed", seed)
        return invoke("sample", *PROBLEM, *DRAWS[kind], *which, "--out", path)

    remember_files(monkeypatch)
    run, other, noisier = (tmp_path / name for name in "abc")
    for path, seed, noise_std in ((run, 0, 0.5), (other, 1, 0.5), (noisier, 0, 0.6)):
        assert sample(path, seed, noise_std).exit_code == 0
    exact = kind == "rejection"  # the others' draws are no reference
    looks = DrawsLooks(run, other, sample, tmp_path / "looks", exact)
    readers = {name: [n for n in ns if exact or n != "verify"] for name, ns in OF_DRAWS.items()}
    names = files(run)

    def likes(name):
        yield from (place / name for place in (other, noisier) if (place / name).is_file())
        yield from (n for n in names if n != name and n[-4:] == name[-4:] and "/" not in n + name)

    faults = list(matrix(run, {name: altered(looks.target / name) for name in names}, likes))
    assert gone_wrong(looks, faults, readers) == []
    assert_noticed_by_checks(looks, faults, "draws.nc for", "load", monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "varying"), [("one", ""), ("grid", GRID)], ids=["one", "grid"])
def test_sweeps(kind, varying, tmp_path, monkeypatch):
    compute_once(monkeypatch)
    remember_files(monkeypatch)
    runs = [tmp_path / f"run{seed}" for seed in (0, 1)]
    for seed, path in enumerate(runs):
        config = tmp_path / f"{seed}.toml"
        config.write_text(f"{SWEEP}seed = {seed}\n{varying}")
        done = invoke("sweep", config, "--out", path)
        assert done.exit_code == 0, done.stderr
    np.savez(tmp_path / "x.npz", x=np.zeros((2, 10)))
    looks = SweepLooks(runs[0], tmp_path / "0.toml", tmp_path / "x.npz", tmp_path / "looks")
    folders = [sorted((path / "runs").glob("*")) for path in runs] if varying else [[], []]
    second = f"runs/{folders[0][1].name}" if varying else "none"

    def likes(name):
        """In the other run, in the other cell, at the other width."""
        parts, elsewhere = name.split("/"), runs[1] / name
        if len(parts) == 3:
            place = [folder.name for folder in folders[0]].index(parts[1])
            elsewhere = folders[1][place] / parts[2]
        yield from [elsewhere] * elsewhere.is_file()
        if len(parts) == 3:
            yield f"runs/{folders[0][1 - place].name}/{parts[2]}"
        if "000004" in name:
            yield name.replace("000004", "000008")

    mine = [name for name in files(runs[0]) if not name.startswith(second)]
    faults = list(matrix(runs[0], {name: altered(looks.target / name) for name in mine}, likes))
    assert gone_wrong(looks, faults, OF_SWEEPS) == []
    if varying:
        one, other = (f"runs/{folder.name}" for folder in folders[0])
        swapped = Fault(f"{one}/status.json", "and all beside it, exchanged", exchanged(one, other))
        readers = ("status", "load", "report", "resume", "again")
        assert list(looks.faults(swapped, readers)) == []
    assert_noticed_by_checks(looks, faults, r"\S*draws_000004\.nc exchanged", "draws", monkeypatch)


def assert_noticed_by_checks(looks, faults, begins, reader, monkeypatch):
    """Known-wrong twin: netCDF files are read without asking whose they are."""
    monkeypatch.setattr(netcdf, "_check", lambda path, data: None)
    silent = next(fault for fault in faults if re.match(begins, str(fault)))
    assert list(looks.faults(silent, [reader])) == [f"{silent}: {reader} gives other draws"]


@pytest.mark.parametrize("without", ["", "netCDF", "record"])
def test_a_reader_that_checks_no_digest_is_found(without, tmp_path, monkeypatch):
    """The sums that an archive has of its own would be enough to find most of what is altered."""
    if without == "netCDF":
        monkeypatch.setattr(netcdf, "is_damaged", lambda data: False)
    if without == "record":
        monkeypatch.setattr(integrity, "_digest", lambda name, values: "0" * 64)
    data = xr.Dataset({"f": ("draw", np.arange(40.0))}, {"format": DRAWS_FORMAT, "info": "0" * 40})
    data.attrs["digest"] = dataset_digest(data)
    write_netcdf(tmp_path / "netCDF.nc", data)
    (tmp_path / "record.json").write_text(integrity.sealed("record.json", {"numbers": [12, 34]}))
    write_archive(tmp_path / "archive.npz", {"f": np.arange(40.0)}, {"number": 1})
    for path in tmp_path.iterdir():
        if path.stem == without:
            with pytest.raises(AssertionError, match="gives other contents"):
                altered(path)
        else:
            refused = [one.refused for one in altered(path)]
            assert len(refused) >= NUM_PARTS and sum(refused) >= 5
