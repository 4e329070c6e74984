"""Every file of every kind of run × every fault: none is silent, none ends in a bare error.

Turned over at fifty places, cut, emptied, deleted, exchanged for its like in another run, cell or
width, it is noticed and made again, or refused by name. A bit is looked at by one of those who
read the file, in turn, all other faults by all of them. tests/sweeps/test_bound_sweeps.py does a
few of a sweep's.
"""

import itertools
import re

import numpy as np
import pytest

from tests.cli import corruptions, sweep_looks
from tests.cli.fault_matrix import is_flip, matrix
from tests.cli.invocation import invoke
from tests.cli.small_runs import DRAWS, GRID, PROBLEM, SWEEP

pytestmark = [
    pytest.mark.slow,
    # That something is missing is a warning, which is an error elsewhere in these tests.
    pytest.mark.filterwarnings("default::UserWarning"),
]

# What there is to try, by the number of files of each.
NUM_FAULTS = {"rejection": 455, "chains": 511, "coupled": 399, "one": 699, "grid": 827}


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


def chosen(readers, what, count):
    """Who looks at a fault: of one bit one of those who read the file, in turn."""
    name = what.split()[0].rpartition("/")[2]
    names = next(names for pattern, names in readers.items() if re.match(pattern, name))
    return [names[count % len(names)]] if is_flip(what) else names


def found_of(faults, look, readers):
    """What goes wrong in all of them, and how many there were."""
    found, number = [], 0
    for number, (what, harm) in enumerate(faults, start=1):
        found += look(what, harm, chosen(readers, what, number))
        if number % 50 == 0:
            print(number, what, found, flush=True)
    return found, number


@pytest.mark.parametrize("kind", DRAWS)
def test_runs_of_draws(kind, tmp_path):
    def sample(path, seed=0, width=8):
        where = ("--width", width, "--seed", seed, "--out", path)
        return invoke("sample", *PROBLEM, *DRAWS[kind], *where)

    run, other, wider = (tmp_path / name for name in "abc")
    for path, seed, width in ((run, 0, 8), (other, 1, 8), (wider, 0, 16)):
        assert sample(path, seed, width).exit_code == 0
    exact = kind == "rejection"  # the others' draws are no reference
    looks = corruptions.Looks(run, other, sample, tmp_path / "looks", exact)
    readers = {name: [n for n in ns if exact or n != "verify"] for name, ns in OF_DRAWS.items()}

    def look(what, harm, names):
        name = what.split()[0]
        one = corruptions.Corruption(name, what.removeprefix(name), lambda p: harm(looks.target))
        return list(looks.faults(one, names))

    def likes(name):
        return [place / name for place in (other, wider) if (place / name).is_file()]

    found, number = found_of(matrix(run, likes), look, readers)
    print(f"{kind}: {number} faults")
    assert found == [] and number >= NUM_FAULTS[kind]


@pytest.mark.parametrize(("kind", "varying"), [("one", ""), ("grid", GRID)], ids=["one", "grid"])
def test_sweeps(kind, varying, tmp_path, monkeypatch):
    sweep_looks.remembered(monkeypatch)
    runs = [tmp_path / f"run{seed}" for seed in (0, 1)]
    for seed, path in enumerate(runs):
        config = tmp_path / f"{seed}.toml"
        config.write_text(f"{SWEEP}seed = {seed}\n{varying}")
        done = invoke("sweep", config, "--out", path)
        assert done.exit_code == 0, done.stderr
    np.savez(tmp_path / "x.npz", x=np.zeros((2, 10)))
    looks = sweep_looks.SweepLooks(
        runs[0], tmp_path / "0.toml", tmp_path / "x.npz", tmp_path / "looks"
    )
    folders = [sorted((path / "runs").glob("*")) for path in runs] if varying else [[], []]

    def likes(name):
        """In the other run, in the other cell, at the other width."""
        parts, elsewhere = name.split("/"), []
        if len(parts) == 3:
            place = [folder.name for folder in folders[0]].index(parts[1])
            elsewhere.append(folders[1][place] / parts[2])
            yield f"runs/{folders[0][1 - place].name}/{parts[2]}"
        else:
            elsewhere.append(runs[1] / name)
        if "000004" in name:
            yield name.replace("000004", "000008")
        yield from (path for path in elsewhere if path.is_file())

    def look(what, harm, names):
        return list(looks.faults(harm, what, names))

    second = f"runs/{folders[0][1].name}" if varying else "none"
    mine = ((w, h) for w, h in matrix(runs[0], likes) if not w.startswith(second))
    swapped = [("folders exchanged", _exchange_of(folders[0]))] if varying else []
    found, number = found_of(itertools.chain(mine, swapped), look, OF_SWEEPS)
    print(f"{kind}: {number} faults")
    assert found == [] and number >= NUM_FAULTS[kind]


def _exchange_of(folders):
    def exchange(target):
        one, other = (target / "runs" / folder.name for folder in folders)
        one.rename(target / "aside")
        other.rename(one)
        (target / "aside").rename(other)

    return exchange
