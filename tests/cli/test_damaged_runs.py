"""A run of bnnpost sample of which a file came to harm: read as it was, or refused in one line.

None of it may pass in silence, end in a bare error of Python's, or hang. tests/cli/
test_sample_and_merge.py does the same with a few.
"""

import pytest

from tests.cli import corruptions
from tests.cli.invocation import invoke

PROBLEM = ["--num-train", 2, "--num-test", 2, "--noise-std", 0.5, "--depth", 1, "--width", 8]


def sample(path, seed=0):
    return invoke("sample", *PROBLEM, "--num-samples", 60, "--seed", seed, "--out", path)


@pytest.mark.slow
# That something is missing is a warning, which is an error elsewhere in these tests.
@pytest.mark.filterwarnings("default:.* is not there:UserWarning")
def test_every_harm_to_every_file(tmp_path):
    run, other = tmp_path / "a", tmp_path / "b"
    for seed, path in enumerate((run, other)):
        assert sample(path, seed).exit_code == 0
    looks = corruptions.Looks(run, other, sample, tmp_path / "looks")
    chosen = list(corruptions.all_of(run, other))
    assert len(chosen) >= 415
    assert [fault for one in chosen for fault in looks.faults(one)] == []
