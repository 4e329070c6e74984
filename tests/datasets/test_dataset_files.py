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


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.mkdir()])
def test_no_file(tmp_path, make):
    make(tmp_path / "absent.csv")
    refused(tmp_path / "absent.csv", "y", words=["no such file"])


@pytest.mark.parametrize("name", ["mine.txt", "mine", "mine.csv.gz"])
def test_wrong_suffix(csv_file, name):
    refused(csv_file(GOOD, name), "y", words=[".csv or .npz", "convert"])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"a,y\n1,\xff\n", ["UTF-8", "cannot be read"]),
        # The csv module refuses fields of more than 131072 characters.
        ("a,y\n1," + "2" * 200_000, ["cannot be read", "field"]),
        ("", ["empty", "header"]),
        ("\n\n", ["empty", "header"]),
        ("a,y\n", ["header but no rows"]),
        ("1,2\n3,4\n", ["first row must be a header", "(1, 2, ...)"]),
        ("a;y\n1;2\n", ["single column 'a;y'", "semicolons", "commas"]),
        ("a,,y\n1,2,3\n", ["column 2 of 3 has no name"]),
        ("a,b,a,b,y\n1,2,3,4,5\n", ["duplicate column names", "a, b"]),
        (GOOD + "5\n", ["ragged", "3 columns", "line 4 has 1"]),
        (GOOD + "5,6,7,8\n", ["ragged", "3 columns", "line 4 has 4"]),
        ("a,y\n1,yes\n2,3\n", ["finite number", "'yes'", "column 'y'", "line 2"]),
    ],
)
def test_what_is_no_table_of_numbers(csv_file, content, words):
    refused(csv_file(content), "y", words=words)


def test_file_without_read_permission(csv_file, monkeypatch):
    path = csv_file(GOOD)

    def deny(*_arguments, **_options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(path), "open", deny)
    refused(path, "y", words=["cannot be read", "Permission denied"])


@pytest.mark.parametrize(
    ("content", "target", "features", "words"),
    [
        (GOOD, None, None, ["target column must be named", "a, b, y"]),
        ("age,price,size\n1,2,3\n", "prize", None,
         ["'prize'", "as a target", "did you mean 'price'", "age, price, size"]),
        ("age,price,size\n1,2,3\n", "Price", None, ["did you mean 'price'"]),
        ("A,COST\n1,2\n", "cost", None, ["did you mean 'COST'"]),
        (GOOD, "y", ["a", "qq"], ["'qq'", "as a feature", "a, b, y"]),
        (GOOD, "y", "a,y", ["used more than once"]),
        (GOOD, "y,y", None, ["used more than once"]),
        (GOOD, "y", ["a", "a"], ["used more than once"]),
        (GOOD, "y,b", "b", ["used more than once"]),
        (GOOD, "a,b,y", None, ["at least one feature column"]),
        (GOOD, "y", [], ["at least one feature column"]),
        (GOOD, [], None, ["at least one target column"]),
    ],
)  # fmt: skip
def test_columns_that_cannot_be_had(csv_file, content, target, features, words):
    refused(csv_file(content), target, features=features, words=words)


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


def test_a_column_of_words_is_of_classes(csv_file):
    data = read(csv_file("a,y\n1,no\n2,yes\n3,maybe\n4,no\n"), "y")
    assert data.levels == ("maybe", "no", "yes")
    assert data.y.tolist() == [1.0, 2.0, 0.0, 1.0]
    assert data.standardise().y.tolist() == data.y.tolist()
    refused(
        csv_file("a,y\n1,no\n2,\n"), "y", words=["1 missing value", "column 'y' has 1 (line 3)"]
    )


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


X, Y = np.ones((2, 1)), np.ones(2)


@pytest.mark.parametrize(
    ("arrays", "target", "features", "words"),
    [
        ({"x": X, "target": Y}, None, None, ["no array is called 'y'", "x, target"]),
        ({"x": X, "target": Y}, "targets", None, ["'targets'", "did you mean 'target'"]),
        ({"x": X, "target": Y}, "target", "z", ["no array is called 'z'"]),
        ({"x": X, "y": Y}, ["y", "x"], None, ["one array", "['y', 'x']"]),
        ({"x": X, "y": Y}, "y", [], ["features", "one array"]),
        ({}, None, None, ["the file is empty"]),
        ({"x": X, "y": np.array([1.0, None], dtype=object)}, None, None,
         ["array 'y'", "pickle", "float array"]),
        ({"x": np.ones(3), "y": np.ones(3)}, None, None, ["two-dimensional"]),
        ({"x": X, "y": np.float64(1.0)}, None, None, ["y must have shape"]),
        ({"x": np.ones((3, 1)), "y": Y}, None, None, ["as many rows"]),
        ({"x": np.array([["u"]]), "y": np.ones(1)}, None, None, ["numbers, all real"]),
        ({"x": np.array([[np.nan]]), "y": np.ones(1)}, None, None, ["finite", "row 0", "'x0'"]),
    ],
)  # fmt: skip
def test_arrays_that_cannot_be_had(npz_file, arrays, target, features, words):
    refused(npz_file(**arrays), target, features=features, words=words)


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


def test_nothing_warns(csv_file, npz_file):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read(csv_file(GOOD), "y")
        read(npz_file(x=np.ones((2, 1)), y=np.ones(2)))
