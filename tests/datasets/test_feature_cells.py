"""Words one-hot, missing cells and their remedies, and the columns of a second file."""

import numpy as np
import pytest

from bnnpost.datasets import Column, DataError, imputed, read
from bnnpost.datasets.user_files import csv_columns, feature_rows

ROWS = """name,size,site,y
a,1,north,1
b,2,south,2
c,,south,3
d,6,NA,4
e,3,north,
"""


@pytest.fixture
def file(tmp_path):
    def write(text=ROWS, name="mine.csv"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def columns(*names, **options):
    return {"target": "y", "features": list(names), **options}


def test_words_are_one_hot_in_the_order_of_the_alphabet(file):
    data = read(file("site,size,y\nsouth,1,1\nnorth,2,2\nsouth,3,3\n"), "y")
    np.testing.assert_array_equal(data.x, [[0, 1, 1], [1, 0, 2], [0, 1, 3]])
    assert data.feature_names == ("site=north", "site=south", "size")
    assert data.columns == (Column("site", ("north", "south")), Column("size"))


def test_missing_cells_are_refused_with_their_number_and_places(file):
    with pytest.raises(DataError) as caught:
        read(file(), **columns("size", "site"))
    message = str(caught.value)
    for words in ("3 missing values", "column 'size' has 1 (line 4)", "'site' has 1 (line 5: NA)",
                  "'y' has 1 (line 6)", 'missing = "drop"', "3 of 5", '"impute"'):  # fmt: skip
        assert words in message, message


def test_dropped_rows_leave_the_numbers_of_the_others(file):
    data = read(file(), **columns("size", "site", missing="drop", id_column="name"))
    np.testing.assert_array_equal(data.x, [[1, 1, 0], [2, 0, 1]])
    assert data.rows.numbers.tolist() == [0, 1] and data.rows.left_out == (2, 3, 4)
    assert data.rows.ids == ("a", "b") and data.rows.num_rows == 5
    later = read(file(), **columns("site", missing="drop"))
    assert later.rows.numbers.tolist() == [0, 1, 2]


def test_filled_cells_are_the_mean_and_the_commonest_word_of_the_training_rows(file):
    data = read(file(), **columns("size", "site", missing="impute"))
    assert data.rows.numbers.tolist() == [0, 1, 2, 3]  # a target is never filled in
    assert data.x[2].tolist() == [3.0, 0, 1] and data.x[3].tolist() == [6, 0, 1]
    trained = imputed(data, [0, 1])
    assert trained.x[2, 0] == 1.5 and trained.columns[0].fill == 1.5
    assert trained.columns[1].fill == "north"  # the first of two as frequent
    assert trained.x[3].tolist() == [6, 1, 0]
    with pytest.raises(DataError, match="column 'size' has no value in the training rows"):
        imputed(data, [2])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("id,a,y\np,1,1\nq,2,2\nr,3,3\n", ["column 'id' holds words, 3 different", "id_column"]),
        ('a,y\n"1,5",1\n"2,5",2\n', ["'1,5' in line 2", "finite number", "point for decimals"]),
        ("a,y\n12 %,1\n7 %,2\n7 %,2\n", ["'12 %' in line 2"]),
        ("a,y\nred,1\n2,2\nred,3\n", ["expected a finite number, got 'red'"]),
    ],
)
def test_what_is_neither_numbers_nor_levels(file, text, words):
    with pytest.raises(DataError) as caught:
        read(file(text), "y")
    assert all(word in str(caught.value) for word in words), caught.value


def test_missing_in_npz_is_nan(tmp_path):
    x, y = np.array([[1.0, 2], [np.nan, 4], [5, 6]]), np.array([1.0, 2, np.nan])
    path = tmp_path / "mine.npz"
    np.savez(path, x=x, y=y)
    assert read(path, missing="drop").rows.numbers.tolist() == [0]
    filled = read(path, missing="impute")
    assert filled.x.tolist() == [[1, 2], [1, 4]] and filled.rows.numbers.tolist() == [0, 1]
    with pytest.raises(DataError, match="finite"):
        read(path)


def test_rows_to_predict_are_found_by_name(file):
    known = (Column("site", ("north", "south"), "south"), Column("size"))
    path = file("note,size,id,site\nx,3,k,north\ny,4,l,\n")
    rows = feature_rows(path, known, "id")
    assert rows.x.tolist() == [[1, 0, 3], [0, 1, 4]] and rows.ids == ("k", "l")
    assert rows.unreadable == {}
    for text, words in (
        ("size\n3\n", "no column is called 'site'"),
        ("sites,size\nnorth,1\n", "did you mean 'sites'"),
        (
            "site,size\neast,1\n",
            "'east' in line 2, which is none of its levels .north, south.: write one of these",
        ),
        ("site,size\nnorth,\n", "1 missing value in column 'size', the first in line 2"),
        ("site,size\nnorth,inf\n", "expected a finite number, got 'inf'"),
    ):
        with pytest.raises(DataError, match=words):
            feature_rows(file(text), known, strict=True)


def test_rows_that_cannot_be_read_are_told_apart(file, tmp_path):
    known = (Column("site", ("north", "south")), Column("size"))
    path = file("size,site,id\n,east,k\n4,south,l\ninf,north,m\n")
    rows = feature_rows(path, known, "id")
    assert rows.ids == ("k", "l", "m") and rows.x[1].tolist() == [0, 1, 4]
    assert np.isnan(rows.x[[0, 2]]).all()
    assert rows.unreadable == {
        0: "site: 'east' is none of its levels (north, south); size: a missing value",
        2: "size: 'inf' is no finite number",
    }
    with pytest.raises(DataError, match=r"no row can be predicted. Row 0: site: 'east' .* Fill in"):
        feature_rows(file("size,site\n1,east\n"), known)
    with pytest.raises(DataError, match="no column is called 'site'"):
        feature_rows(file("size\n\nNA\n"), known)
    np.savez(tmp_path / "new.npz", x=[[1, 0, np.nan], [np.inf, 0, 3], [0, 1, 4.0]])
    rows = feature_rows(tmp_path / "new.npz", (known[0], Column("size", fill=2.5)))
    np.testing.assert_array_equal(rows.x, [[1, 0, 2.5], [np.nan] * 3, [0, 1, 4]])
    assert rows.unreadable == {1: "site=north: no finite number"}
    with pytest.raises(DataError, match="finite"):
        feature_rows(tmp_path / "new.npz", known, strict=True)


def test_what_a_file_has_is_told(file):
    found = csv_columns(file())
    assert found.ids == ("name",) and list(found.unsuited) == ["name"]
    assert found.levels == {"name": 5, "site": 2}
    assert found.missing == {"size": 1, "site": 1, "y": 1}


@pytest.mark.parametrize(
    ("name", "cells", "why"),
    [
        ("day", ["31.12.24", "1.1.25", "1.1.25"], "dates, 2 different"),
        ("at", ["2024-01-31T09:30", "2024-02-01 9:31:07"], "dates"),
        ("month", ["Feb 2024", "3 March 2024", "Apr 5, 2024"], "dates"),
        ("span", ["10-20", "20-30", "10-20"], ""),
        ("version", ["1.2.3", "1.2.3", "2.0.1"], ""),
        ("Id", ["7", "9", "4"], "another in each row"),
        ("patient_id", ["7", "7", "4"], ""),
        ("width", ["7", "9", "4"], ""),
        ("word", ["a", "b", "c"], "another in each row"),
        ("kind", [*"abcde"] * 2, ""),
        ("kind", [*"abcdef"] * 2, "6 different words in 12 rows"),
    ],
)
def test_which_columns_are_hardly_features(file, name, cells, why):
    found = csv_columns(file("\n".join([f"{name},y", *(f'"{one}",1' for one in cells)]) + "\n"))
    assert found.unsuited.get(name, "").startswith(why) and bool(why) == (name in found.unsuited)
