"""What holds of every run in a directory, whatever the sampler: damage, mix-ups, refusals."""

import shutil
import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest

import bnnpost
from bnnpost.storage import DirectoryInUse, Lock
from tests.files import contents
from tests.samplers import small_blocks, small_chains, small_pairs
from tests.samplers.cases import Case, X

pytestmark = small_chains.QUIET


class Kind(NamedTuple):
    """A sampler, the files of what it keeps, what compares draws, and what computes them."""

    sample: Callable
    files: Callable
    assert_same: Callable
    computes: str
    fewer: int


KINDS = {
    "rejection": Kind(
        small_blocks.sample,
        small_blocks.block_files,
        small_blocks.assert_same,
        "bnnpost.samplers.trials.blocks",
        40,
    ),
    "chains": Kind(
        small_chains.sample,
        small_chains.parts,
        small_chains.assert_same,
        "bnnpost.samplers.chains.run.Runner.advance",
        130,
    ),
    "pairs": Kind(
        small_pairs.sample,
        small_pairs.parts,
        small_pairs.assert_same,
        "bnnpost.samplers.coupled.pair_draws.Pairing.run",
        60,
    ),
}


@pytest.fixture(scope="module", params=KINDS)
def kind(request):
    return KINDS[request.param]


@pytest.fixture(scope="module")
def whole(kind):
    """What one call without a directory gives."""
    return kind.sample()


@pytest.fixture(scope="module")
def finished(kind, tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bnnpost.runs.store.SECONDS", 0.0)
        kind.sample(directory=path)
    return path


@pytest.fixture
def copy(finished, tmp_path):
    """A finished run, to be damaged or gone on with."""
    return shutil.copytree(finished, tmp_path / "run")


@pytest.mark.first
def test_a_finished_run_is_read_and_not_computed(kind, whole, copy, monkeypatch):
    monkeypatch.setattr(kind.computes, None)
    before = {file: file.stat().st_mtime_ns for file in kind.files(copy)}
    kind.assert_same(kind.sample(directory=copy), whole)
    assert before == {file: file.stat().st_mtime_ns for file in kind.files(copy)}


@pytest.mark.first
def test_fewer_draws_than_there_were_are_announced(kind, copy):
    with pytest.warns(UserWarning, match="draws and now holds .* all (blocks|pairs) are kept"):
        kind.sample(kind.fewer, directory=copy)


def told_while(kind, copy, whole):
    """What is warned of while a run is gone on with, to the draws of one call."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        kind.assert_same(kind.sample(directory=copy), whole)
    return " ".join(str(warning.message) for warning in told)


@pytest.mark.first
@pytest.mark.parametrize(
    ("which", "part"), [(0, 0.0), pytest.param(1, 0.3, marks=pytest.mark.slow), (-1, 0.99)]
)
def test_a_truncated_file_is_set_aside_and_computed_again(kind, whole, copy, which, part):
    file = kind.files(copy)[which]
    contents = file.read_bytes()
    file.write_bytes(contents[: int(part * len(contents))])
    assert "is damaged" in told_while(kind, copy, whole)
    assert file.with_name(file.name + ".damaged").exists()
    assert "is damaged" not in told_while(kind, copy, whole)


@pytest.mark.first
def test_an_altered_byte_anywhere_is_noticed_or_changes_nothing(kind, whole, copy):
    rng, noticed = np.random.default_rng(0), 0
    for file in (kind.files(copy)[1], *sorted(copy.glob("states/*"))[-1:]):
        unharmed = file.read_bytes()
        for place in rng.choice(len(unharmed), 4, replace=False):
            altered = bytearray(unharmed)
            altered[place] ^= 1 << int(rng.integers(8))
            file.write_bytes(altered)
            noticed += "is damaged" in told_while(kind, copy, whole)
            file.write_bytes(unharmed)
    assert noticed > 2


@pytest.mark.first
def test_a_file_under_another_number_is_noticed(kind, whole, copy):
    files = kind.files(copy)
    shutil.copy(files[0], files[1])
    assert "it holds" in told_while(kind, copy, whole)


def test_files_that_are_none_of_the_runs_are_not_looked_at(kind, whole, copy):
    file = kind.files(copy)[0]
    file.with_name("000000000 (1).npz").write_bytes(b"a copy of some other program's making")
    file.with_name("notes.txt").write_text("mine")
    file.with_name("1x.npz").mkdir()
    kind.assert_same(kind.sample(directory=copy), whole)


@pytest.mark.first
@pytest.mark.parametrize("which", [1, -1])
def test_a_file_of_another_run_is_refused(kind, copy, tmp_path, which):
    kind.sample(seed=1, directory=tmp_path / "other")
    mine = kind.files(copy)[which]
    shutil.copy(kind.files(tmp_path / "other")[-1], mine)
    with pytest.raises(ValueError, match="belongs to another run"):
        kind.sample(directory=copy)


@pytest.mark.each(3)
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"seed": 1}, "another key"),
        ({"space": "weights"}, r"other settings \(space "),
        ({"collapse": False}, r"\(collapse "),
        ({"precision": "double"}, r"\(precision "),
        ({"posterior": Case(width=9).posterior()}, "network differ"),
        ({"posterior": Case(noise_std=0.6).posterior()}, "likelihood differ"),
        ({"posterior": bnnpost.Posterior(
            Case().posterior().network, Case().posterior().likelihood, X, -Case().targets
        )}, "y differ"),
    ],
)  # fmt: skip
def test_another_run_in_the_directory_is_refused_and_left_alone(kind, copy, options, words):
    before = contents(copy)
    with pytest.raises(ValueError, match=words):
        kind.sample(directory=copy, **options)
    assert contents(copy) == before


def test_the_run_of_another_sampler_is_refused(kind, copy):
    for other in KINDS.values():
        if other is not kind:
            with pytest.raises(ValueError, match="another kind of sampler"):
                other.sample(directory=copy)


def test_a_directory_of_other_files_is_refused(kind, tmp_path):
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(ValueError, match="files that are not a run's"):
        kind.sample(directory=tmp_path)
    with pytest.raises(ValueError, match="is a file"):
        kind.sample(directory=tmp_path / "thesis.tex")
    assert [f.name for f in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_second_process_is_refused(kind, copy):
    with Lock(copy / ".run.lock").hold(), pytest.raises(DirectoryInUse, match="wait for it"):
        kind.sample(directory=copy)


def test_a_damaged_record_is_named(kind, copy):
    (copy / "run.json").write_text("{")
    with pytest.raises(ValueError, match=r"run\.json is damaged"):
        kind.sample(directory=copy)


@pytest.mark.first
def test_a_swapped_plan_is_noticed(kind, copy, tmp_path):
    kind.sample(kind.fewer, seed=1, directory=tmp_path / "other")
    shutil.copy(tmp_path / "other" / "run.nc", copy / "run.nc")
    with pytest.raises(ValueError, match=r"not the one that run\.json was written for"):
        kind.sample(directory=copy)
