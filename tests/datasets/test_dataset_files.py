"""Reading the user's own files: what is read, and every way a file can be refused."""

import warnings

import numpy as np
import pytest

from bnnpost.datasets import DataError, load, read

GOOD = "a,b,y\n1,2.5,3\n-4,5e1,6\n"


@pytest.fixture
def csv_file(tmp_path):
    """Return a function that writes text, or bytes, to a CSV file and returns its path."""

    def write(content, name="mine.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.fixture
def npz_file(tmp_path):
    """Return a function that saves arrays to an npz file and returns its path."""

    def write(**arrays):
        path = tmp_path / "mine.npz"
        np.savez(path, **arrays)
        return path

    return write


def refused(path, *arguments, words, **options):
    """Check that read raises a DataError that names the file and holds all the words."""
    with pytest.raises(DataError) as caught:
        read(path, *arguments, **options)
    message = str(caught.value)
    assert path.stem in message
    for word in words:
        assert word in message, message


def test_csv_with_one_target(csv_file):
    path = csv_file(GOOD)
    data = read(path, "y")
    np.testing.assert_array_equal(data.x, [[1.0, 2.5], [-4.0, 50.0]])
    np.testing.assert_array_equal(data.y, [3.0, 6.0])
    assert (data.feature_names, data.target_names) == (("a", "b"), ("y",))
    assert (data.name, data.source, data.licence) == ("mine", str(path), "not stated")


def test_path_may_be_text_and_suffix_in_capitals(csv_file):
    assert read(str(csv_file(GOOD, "mine.CSV")), "y").num_rows == 2


@pytest.mark.parametrize("target", ["y,a", " y , a ", ["y", "a"], ("y", "a")])
def test_csv_with_several_targets_in_the_order_asked(csv_file, target):
    data = read(csv_file(GOOD), target)
    np.testing.assert_array_equal(data.y, [[3.0, 1.0], [6.0, -4.0]])
    assert (data.feature_names, data.target_names) == (("b",), ("y", "a"))


def test_sequence_of_one_target_gives_flat_y(csv_file):
    assert read(csv_file(GOOD), ["y"]).y.shape == (2,)


@pytest.mark.parametrize("features", ["b,a", ["b", "a"]])
def test_features_in_the_order_asked(csv_file, features):
    data = read(csv_file(GOOD), "y", features=features)
    np.testing.assert_array_equal(data.x, [[2.5, 1.0], [50.0, -4.0]])
    assert data.feature_names == ("b", "a")


def test_columns_not_asked_for_may_hold_text(csv_file):
    data = read(csv_file("id,a,y\nfirst,1,2\n,3,4\n"), "y", features="a")
    np.testing.assert_array_equal(data.x, [[1.0], [3.0]])


def test_quotes_spaces_blank_lines_and_byte_order_mark(csv_file):
    text = '\ufeff"a, in cm", y \r\n"1", 2 \r\n\r\n3,4\r\n'
    data = read(csv_file(text), "a, in cm")
    assert (data.feature_names, data.target_names) == (("y",), ("a, in cm",))
    np.testing.assert_array_equal(data.y, [1.0, 3.0])


def test_missing_file(tmp_path):
    refused(tmp_path / "absent.csv", "y", words=["no such file", "check"])


def test_folder_is_no_file(tmp_path):
    (tmp_path / "folder.csv").mkdir()
    refused(tmp_path / "folder.csv", "y", words=["no such file"])


@pytest.mark.parametrize("name", ["mine.txt", "mine", "mine.csv.gz"])
def test_wrong_suffix(csv_file, name):
    refused(csv_file(GOOD, name), "y", words=[".csv or .npz", "convert"])


def test_text_that_is_not_utf8(csv_file):
    refused(csv_file(b"a,y\n1,\xff\n"), "y", words=["UTF-8", "cannot be read"])


def test_text_that_is_not_csv(csv_file):
    # The csv module refuses fields of more than 131072 characters.
    refused(csv_file("a,y\n1," + "2" * 200_000), "y", words=["cannot be read", "field"])


def test_file_without_read_permission(csv_file, monkeypatch):
    path = csv_file(GOOD)

    def deny(*_arguments, **_options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(path), "open", deny)
    refused(path, "y", words=["cannot be read", "Permission denied"])


@pytest.mark.parametrize("content", ["", "\n\n"])
def test_empty_file(csv_file, content):
    refused(csv_file(content), "y", words=["empty", "header"])


def test_header_without_rows(csv_file):
    refused(csv_file("a,y\n"), "y", words=["header but no rows"])


def test_no_header(csv_file):
    refused(csv_file("1,2\n3,4\n"), "y", words=["first row must be a header", "(1, 2, ...)"])


def test_single_column_points_to_the_separator(csv_file):
    refused(csv_file("a;y\n1;2\n"), "y", words=["single column 'a;y'", "commas"])


def test_column_without_name(csv_file):
    refused(csv_file("a,,y\n1,2,3\n"), "y", words=["column 2 of 3 has no name"])


def test_duplicate_column_names(csv_file):
    refused(csv_file("a,b,a,b,y\n1,2,3,4,5\n"), "y", words=["duplicate column names", "a, b"])


@pytest.mark.parametrize(("row", "count"), [("5", 1), ("5,6,7,8", 4)])
def test_ragged_rows(csv_file, row, count):
    words = ["ragged", "3 columns", f"line 4 has {count}"]
    refused(csv_file(GOOD + row + "\n"), "y", words=words)


def test_target_must_be_named_for_csv(csv_file):
    refused(csv_file(GOOD), words=["target column must be named", "a, b, y"])


def test_unknown_target_lists_and_suggests(csv_file):
    path = csv_file("age,price,size\n1,2,3\n")
    refused(
        path,
        "prize",
        words=["'prize'", "as a target", "did you mean 'price'", "age, price, size"],
    )
    refused(path, "Price", words=["did you mean 'price'"])
    refused(csv_file("A,COST\n1,2\n"), "cost", words=["did you mean 'COST'"])


def test_unknown_feature(csv_file):
    refused(csv_file(GOOD), "y", features=["a", "qq"], words=["'qq'", "as a feature", "a, b, y"])


@pytest.mark.parametrize(
    ("target", "features"), [("y", "a,y"), ("y,y", None), ("y", ["a", "a"]), ("y,b", "b")]
)
def test_column_used_twice(csv_file, target, features):
    refused(csv_file(GOOD), target, features=features, words=["used more than once"])


def test_no_features_left(csv_file):
    refused(csv_file(GOOD), "a,b,y", words=["at least one feature column"])
    refused(csv_file(GOOD), "y", features=[], words=["at least one feature column"])


def test_no_targets(csv_file):
    refused(csv_file(GOOD), [], words=["at least one target column"])


@pytest.mark.parametrize("cell", ["red", "1_000", "inf", "-Infinity", "1 2", "12%", '"1,5"'])
def test_non_numeric_value(csv_file, cell):
    words = [
        "expected a finite number",
        repr(cell.strip('"')),
        "column 'b'",
        "line 5",
        "as features",
    ]
    # The blank line 4 counts, as it does in an editor.
    refused(csv_file(GOOD + f"\n7,{cell},9\n"), "y", words=words)


def test_non_numeric_target(csv_file):
    words = ["finite number", "'yes'", "column 'y'", "line 2"]
    refused(csv_file("a,y\n1,yes\n2,3\n"), "y", words=words)


def test_a_column_of_words_is_of_classes(csv_file):
    data = read(csv_file("a,y\n1,no\n2,yes\n3,maybe\n4,no\n"), "y")
    assert data.levels == ("maybe", "no", "yes")
    assert data.y.tolist() == [1.0, 2.0, 0.0, 1.0]
    assert data.standardise().y.tolist() == data.y.tolist()
    refused(csv_file("a,y\n1,no\n2,\n"), "y", words=["expected a finite number", "'no'"])


def test_classes_of_numbers_and_of_one_hot_rows(csv_file):
    whole = read(csv_file("a,y\n1,3\n2,1\n3,3\n"), "y").classes()
    assert (whole.y.tolist(), whole.levels) == ([1.0, 0.0, 1.0], ("1", "3"))
    wine = load("wine").classes()
    assert wine.levels == ("cultivar_0", "cultivar_1", "cultivar_2") and wine.y.max() == 2
    with pytest.raises(DataError, match=r"whole numbers, got 0\.5"):
        read(csv_file("a,y\n1,0.5\n2,1\n"), "y").classes()
    with pytest.raises(DataError, match="two classes, got one alone"):
        read(csv_file("a,y\n1,yes\n2,yes\n"), "y").classes()


@pytest.mark.parametrize("cell", ["", " ", "NaN", "NA", "n/a", "null", "None", "?"])
def test_missing_value(csv_file, cell):
    words = ["missing value", "column 'a'", "line 4", "remove the row"]
    refused(csv_file(GOOD + f"{cell},8,9\n"), "y", words=words)


def test_npz_by_default_names(npz_file):
    x, y = np.arange(6).reshape(3, 2), np.array([1.0, 2.0, 3.0], dtype=np.float32)
    data = read(npz_file(x=x, y=y))
    np.testing.assert_array_equal(data.x, x)
    np.testing.assert_array_equal(data.y, y)
    assert (data.feature_names, data.target_names) == (("x0", "x1"), ("y",))
    assert data.name == "mine"


def test_npz_by_other_names(npz_file):
    y = np.arange(6).reshape(3, 2)
    path = npz_file(inputs=np.ones((3, 1)), labels=y, y=np.zeros(3))
    data = read(path, "labels", features="inputs")
    np.testing.assert_array_equal(data.y, y)
    assert (data.feature_names, data.target_names) == (("inputs0",), ("labels0", "labels1"))
    assert read(path, ["y"], features=["inputs"]).y.shape == (3,)


def test_npz_without_the_array(npz_file):
    path = npz_file(x=np.ones((2, 1)), target=np.ones(2))
    refused(path, words=["no array is called 'y'", "x, target"])
    refused(path, "targets", words=["'targets'", "did you mean 'target'"])
    refused(path, "target", features="z", words=["no array is called 'z'"])


def test_npz_with_several_names(npz_file):
    path = npz_file(x=np.ones((2, 1)), y=np.ones(2))
    refused(path, ["y", "x"], words=["one array", "['y', 'x']"])
    refused(path, "y", features=[], words=["features", "one array"])


def test_npz_without_any_arrays(npz_file):
    refused(npz_file(), words=["the file is empty"])


def test_npz_that_needs_pickle(npz_file):
    path = npz_file(x=np.ones((2, 1)), y=np.array([1.0, None], dtype=object))
    refused(path, words=["array 'y'", "pickle", "float array"])


def test_npz_that_is_no_archive(tmp_path):
    path = tmp_path / "mine.npz"
    path.write_text("a,y\n1,2\n")
    refused(path, words=["not an npz archive", "numpy.savez"])
    with path.open("wb") as file:
        np.save(file, np.ones(3))
    refused(path, words=["not an npz archive"])


@pytest.mark.parametrize(
    ("save", "start", "byte"),
    # A wrong checksum, plain and compressed, then a compressed stream that cannot be begun.
    [(np.savez, 300, 0), (np.savez_compressed, 300, 0), (np.savez_compressed, 55, 0xFF)],
)
def test_npz_that_is_damaged(tmp_path, save, start, byte):
    path = tmp_path / "mine.npz"
    save(path, x=np.random.default_rng(0).random((500, 1)), y=np.ones(500))
    content = bytearray(path.read_bytes())
    content[start : start + 100] = [byte] * 100
    path.write_bytes(content)
    refused(path, words=["array 'x'", "damaged"])


def test_npz_errors_of_the_table_come_through(npz_file):
    refused(npz_file(x=np.ones(3), y=np.ones(3)), words=["two-dimensional"])
    refused(npz_file(x=np.ones((3, 1)), y=np.float64(1.0)), words=["y must have shape"])
    refused(npz_file(x=np.ones((3, 1)), y=np.ones(2)), words=["as many rows"])
    refused(npz_file(x=np.array([["u"]]), y=np.ones(1)), words=["real numbers"])
    refused(npz_file(x=np.array([[np.nan]]), y=np.ones(1)), words=["finite", "row 0", "'x0'"])


def test_nothing_warns(csv_file, npz_file):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read(csv_file(GOOD), "y")
        read(npz_file(x=np.ones((2, 1)), y=np.ones(2)))
