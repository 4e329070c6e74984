"""The slow tests come in shares: together they are all of them, and they take alike long."""

import pytest

from tests import shares

SECONDS = {"a.py": 100.0, "b.py": 60.0, "c.py": 50.0, "d.py": 5.0}
FILES = (*SECONDS, "new.py")


@pytest.mark.parametrize("of", [1, 2, 3, 10])
def test_a_file_is_in_one_share(of):
    lists = shares.split(FILES, of, SECONDS)
    assert len(lists) == of and sorted(file for part in lists for file in part) == sorted(FILES)


def test_shares_take_alike_long():
    assert shares.split(FILES, 2, SECONDS) == [["a.py", "new.py"], ["b.py", "c.py", "d.py"]]


def test_a_file_that_takes_longer_than_a_share_is_taken_apart():
    parts, taken = shares.in_parts({"a.py": [1, 2], "b.py": [3], "new.py": [4]}, 2, SECONDS)
    assert parts == {"a.py 0000": [1], "a.py 0001": [2], "b.py": [3], "new.py": [4]}
    assert taken == {"a.py 0000": 50, "a.py 0001": 50, "b.py": 60, "new.py": 20}


@pytest.mark.parametrize("text", ["", "3", "0/10", "11/10", "1/0", "a/b", "1/2/3"])
def test_what_is_no_share_is_refused(text):
    with pytest.raises(ValueError, match="expected a share such as 3/10"):
        shares.parse(text)


def test_measured_seconds_replace_older_ones_and_files_that_are_gone_leave(tmp_path):
    path = tmp_path / "seconds.json"
    path.write_text('{"a.py": 1, "b.py": 2, "gone.py": 3}')
    for name in ("a.py", "b.py", "c.py"):
        (tmp_path / name).touch()
    shares.keep({"b.py": 4.04, "c.py": 5.0}, tmp_path, path)
    assert shares.measured(path) == {"a.py": 1, "b.py": 4.0, "c.py": 5.0}
