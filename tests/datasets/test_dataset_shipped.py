"""The shipped sets against figures published with them, and against scikit-learn if it is there."""

import time
from importlib import resources

import numpy as np
import pytest

from bnnpost.datasets import SHIPPED, DataError, load_shipped, read

DATA = resources.files("bnnpost.datasets") / "data"

# Rows, features, and None or the number of classes.
SIZES = {
    "diabetes": (442, 10, None),
    "digits": (1797, 64, 10),
    "nile": (100, 1, None),
    "wine": (178, 13, 3),
    "breast_cancer": (569, 10, 2),
}


def test_sizes_cover_every_set():
    assert set(SIZES) == set(SHIPPED)


@pytest.mark.parametrize("name", SIZES)
def test_sizes_and_attributes(name):
    rows, features, classes = SIZES[name]
    data = load_shipped(name)
    assert data.name == name
    assert data.x.shape == (rows, features)
    assert data.y.shape == ((rows,) if classes is None else (rows, classes))
    assert len(set(data.feature_names)) == features
    assert data.source
    assert data.licence


@pytest.mark.parametrize("name", [name for name, size in SIZES.items() if size[2]])
def test_classes_are_one_hot(name):
    y = load_shipped(name).y
    assert set(np.unique(y)) == {0.0, 1.0}
    assert (y.sum(axis=1) == 1).all()


def test_files_and_registry_agree():
    files = {entry.name for entry in DATA.iterdir()}
    assert files == {f"{name}.csv" for name in SHIPPED} | {"SOURCES.md"}


def test_everything_stays_small():
    assert sum(len(entry.read_bytes()) for entry in DATA.iterdir()) < 400_000


@pytest.mark.parametrize("name", SIZES)
def test_sources_file_has_a_section_with_the_licence(name):
    text = (DATA / "SOURCES.md").read_text(encoding="utf-8")
    section = text.split(f"## {name}.csv")[1].split("\n## ")[0]
    for word in ("Citation:", "Taken from:", "Licence:", "Changes:"):
        assert word in section
    licence = SHIPPED[name].licence
    assert licence.split(" as part")[0].replace("-", " ") in section.replace("-", " ")
    if "doi:" in SHIPPED[name].source:
        assert SHIPPED[name].source.split("doi:")[1].split(";")[0] in section


def test_diabetes_against_the_table_in_the_paper():
    # Efron et al. (2004), table 1: patients 1 and 442.
    data = load_shipped("diabetes")
    assert data.x[0].tolist() == [59, 2, 32.1, 101, 157, 93.2, 38, 4, 4.8598, 87]
    assert data.x[441].tolist() == [36, 1, 19.6, 71, 250, 133.2, 97, 3, 4.5951, 92]
    assert (data.y[0], data.y[441]) == (151, 57)
    assert data.feature_names == ("age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6")
    assert data.target_names == ("progression",)


def test_diabetes_against_known_moments():
    data = load_shipped("diabetes")
    assert data.y.mean() == pytest.approx(152.133484, abs=1e-6)
    assert data.y.std(ddof=1) == pytest.approx(77.093005, abs=1e-6)
    assert data.x[:, 0].mean() == pytest.approx(48.5181, abs=1e-4)
    assert data.x[:, 2].mean() == pytest.approx(26.375792, abs=1e-6)


def test_diabetes_standardises_to_the_usual_first_row():
    # The first row as scikit-learn shows it, where each column has unit Euclidean norm.
    usual = [0.03807591, 0.05068012, 0.06169621, 0.02187239, -0.0442235]
    first_row = load_shipped("diabetes").standardise().x[0, :5] / np.sqrt(442)
    np.testing.assert_allclose(first_row, usual, atol=1e-7)


def test_digits_against_the_counts_of_the_repository():
    data = load_shipped("digits")
    counts = [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert data.y.sum(axis=0).tolist() == counts
    assert data.target_names == tuple("0123456789")
    assert (data.x.min(), data.x.max()) == (0, 16)
    assert (data.x == np.round(data.x)).all()
    assert data.x.mean() == pytest.approx(4.884165, abs=1e-6)


def test_digits_begin_with_a_zero():
    data = load_shipped("digits")
    image = [
        [0, 0, 5, 13, 9, 1, 0, 0],
        [0, 0, 13, 15, 10, 15, 5, 0],
        [0, 3, 15, 2, 0, 11, 8, 0],
        [0, 4, 12, 0, 0, 8, 8, 0],
        [0, 5, 8, 0, 0, 9, 8, 0],
        [0, 4, 11, 0, 1, 12, 7, 0],
        [0, 2, 14, 5, 10, 12, 0, 0],
        [0, 0, 6, 13, 10, 0, 0, 0],
    ]
    assert data.x[0].reshape(8, 8).tolist() == image
    assert data.y[:10].argmax(axis=1).tolist() == list(range(10))
    assert data.feature_names[9] == "pixel_1_1"


def test_nile_against_known_figures():
    data = load_shipped("nile")
    assert data.x[:, 0].tolist() == list(range(1871, 1971))
    assert data.y[:5].tolist() == [1120, 1160, 963, 1210, 1160]
    assert data.y[-1] == 740
    assert data.y.mean() == pytest.approx(919.35)
    assert data.y.std(ddof=1) == pytest.approx(169.2275, abs=1e-4)
    # The flow fell by about 248 units in 1898.
    assert data.y[:28].mean() - data.y[28:].mean() == pytest.approx(247.8, abs=0.1)


def test_wine_against_known_figures():
    data = load_shipped("wine")
    assert data.y.sum(axis=0).tolist() == [59, 71, 48]
    assert data.x[0, :4].tolist() == [14.23, 1.71, 2.43, 15.6]
    # From the summary table in scikit-learn's description.
    lowest = [11.03, 0.74, 1.36, 10.6, 70, 0.98, 0.34, 0.13, 0.41, 1.28, 0.48, 1.27, 278]
    highest = [14.83, 5.80, 3.23, 30.0, 162, 3.88, 5.08, 0.66, 3.58, 13.0, 1.71, 4.00, 1680]
    assert data.x.min(axis=0).tolist() == lowest
    assert data.x.max(axis=0).tolist() == highest


def test_breast_cancer_against_known_figures():
    data = load_shipped("breast_cancer")
    assert data.target_names == ("malignant", "benign")
    assert data.y.sum(axis=0).tolist() == [212, 357]
    assert data.x[0, :4].tolist() == [17.99, 10.38, 122.8, 1001]
    # From the summary table in scikit-learn's description.
    lowest = [6.981, 9.71, 43.79, 143.5, 0.053, 0.019, 0.0, 0.0, 0.106, 0.05]
    highest = [28.11, 39.28, 188.5, 2501, 0.163, 0.345, 0.427, 0.201, 0.304, 0.097]
    np.testing.assert_allclose(data.x.min(axis=0), lowest, atol=5.1e-4)
    np.testing.assert_allclose(data.x.max(axis=0), highest, atol=5.1e-4)
    # Malignant nuclei are the larger ones: the labels are the right way round.
    malignant = data.y[:, 0] == 1
    assert data.x[malignant, 0].mean() == pytest.approx(17.46, abs=0.01)
    assert data.x[~malignant, 0].mean() == pytest.approx(12.15, abs=0.01)


@pytest.mark.parametrize("name", ["digits", "wine", "breast_cancer"])
def test_classification_sets_equal_scikit_learns(name):
    source = getattr(pytest.importorskip("sklearn.datasets"), f"load_{name}")()
    data = load_shipped(name)
    np.testing.assert_array_equal(data.x, source.data[:, : data.num_features])
    np.testing.assert_array_equal(data.y.argmax(axis=1), source.target)


def test_diabetes_equals_scikit_learns():
    source = pytest.importorskip("sklearn.datasets").load_diabetes(scaled=False)
    data = load_shipped("diabetes")
    np.testing.assert_array_equal(data.x, source.data)
    np.testing.assert_array_equal(data.y, source.target)
    assert list(data.feature_names) == source.feature_names


@pytest.mark.parametrize("name", SIZES)
def test_shipped_files_can_be_read_as_a_users_file(name):
    data = load_shipped(name)
    with resources.as_file(DATA / f"{name}.csv") as path:
        header = path.read_text(encoding="utf-8").split("\n")[0].split(",")
        as_file = read(path, header[-1])
    np.testing.assert_array_equal(as_file.x, data.x)
    labels = data.y if data.y.ndim == 1 else data.y.argmax(axis=1)
    np.testing.assert_array_equal(as_file.y, labels)


def test_unknown_set_is_refused_with_the_names():
    with pytest.raises(DataError, match="'wines'; did you mean 'wine'") as caught:
        load_shipped("wines")
    for name in SHIPPED:
        assert name in str(caught.value)


def test_digits_load_quickly():
    def seconds():
        start = time.perf_counter()
        load_shipped("digits")
        return time.perf_counter() - start

    # The best of several, because a busy machine can delay any one of them.
    assert min(seconds() for _ in range(5)) < 0.1
