"""The shipped sets against figures published with them, and against scikit-learn if it is there."""

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


def test_nile_against_known_figures():
    data = load_shipped("nile")
    assert data.x[:, 0].tolist() == list(range(1871, 1971))
    assert data.y[:5].tolist() == [1120, 1160, 963, 1210, 1160]
    assert data.y[-1] == 740
    assert data.y.mean() == pytest.approx(919.35)
    assert data.y.std(ddof=1) == pytest.approx(169.2275, abs=1e-4)
    # The flow fell by about 248 units in 1898.
    assert data.y[:28].mean() - data.y[28:].mean() == pytest.approx(247.8, abs=0.1)


@pytest.mark.parametrize("name", ["diabetes", "digits", "wine", "breast_cancer"])
def test_sets_equal_scikit_learns(name):
    sets = pytest.importorskip("sklearn.datasets")
    options = {"scaled": False} if name == "diabetes" else {}
    source = getattr(sets, f"load_{name}")(**options)
    data = load_shipped(name)
    np.testing.assert_array_equal(data.x, source.data[:, : data.num_features])
    np.testing.assert_array_equal(data.y if name == "diabetes" else data.y.argmax(1), source.target)
    names = [label.replace(" ", "_") for label in source.feature_names[: data.num_features]]
    assert name == "wine" or [label.replace(" ", "_") for label in data.feature_names] == names


def test_classes_have_their_names():
    assert load_shipped("digits").target_names == tuple("0123456789")
    assert load_shipped("breast_cancer").target_names == ("malignant", "benign")


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
