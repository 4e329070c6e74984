"""From a file to predictions in its own units, against plain numpy that shares no code."""

import csv
import json

import numpy as np
import pytest
import scipy.special

import bnnpost
from bnnpost.datasets.data_record import record_of
from bnnpost.storage import read_dataset
from tests.cli.invocation import invoke
from tests.files import edited

NOISE, W_STD, B_STD, WIDTH, DRAWS = 0.4, 1.5, 0.1, 3, 400
TRAIN = [0, 1, 2]


@pytest.fixture(scope="module")
def houses(tmp_path_factory):
    """A folder with a table, new rows of it, and a run of three training rows."""
    folder = tmp_path_factory.mktemp("houses")
    rng = np.random.default_rng(1)
    area, site = rng.uniform(50, 90, 40), rng.choice(["hill", "shore"], 40)
    area[3:] *= 3  # other rows are not like those that train
    site[:3] = ["hill", "shore", "hill"]
    price = 100 + 2 * area + 30 * (site == "shore") + 5 * rng.normal(size=40)
    rows = [f"H{i},{a!r},{s},{p!r}" for i, (a, s, p) in
            enumerate(zip(area.tolist(), site, price.tolist(), strict=True))]  # fmt: skip
    (folder / "houses.csv").write_text("\n".join(["name,area,site,price", *rows]) + "\n")
    (folder / "new.csv").write_text("site,x,name,area\nshore,?,N0,80\nhill,?,N1,65\nhill,?,N2,95\n")
    done = invoke(
        "sample", "--data", folder / "houses.csv", "--target", "price", "--id-column", "name",
        "--train-rows", "0-2", "--num-test", 2, "--depth", 1, "--width", WIDTH, "--noise-std",
        NOISE, "--w-std", W_STD, "--b-std", B_STD, "--num-samples", DRAWS, "--out", folder / "run",
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    return folder, done


def table(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def prepared(folder, rows):
    """Features of a file [row, 3]: area, hill, shore; and prices where there are any."""
    found = table(folder / rows)
    x = np.array([[float(r["area"]), r["site"] == "hill", r["site"] == "shore"] for r in found])
    return x, np.array([float(r.get("price", "nan")) for r in found])


def by_numpy(folder, over):
    """Mean, std of the target and std of f at the new rows, and their errors, from weights drawn.

    Importance sampling of the hidden layer's prior, the readout by linear regression. over: rows
    that are standardised by.
    """
    x, y = prepared(folder, "houses.csv")
    new, _ = prepared(folder, "new.csv")
    mean, std, y_mean, y_std = x[over].mean(0), x[over].std(0), y[over].mean(), y[over].std()
    both, targets = (np.concatenate([x[TRAIN], new]) - mean) / std, (y[TRAIN] - y_mean) / y_std
    rng, size = np.random.default_rng(0), 60_000
    w = W_STD / np.sqrt(3) * rng.normal(size=(size, WIDTH, 3))
    b = B_STD * rng.normal(size=(size, WIDTH, 1))
    h = scipy.special.erf(w @ both.T + b)
    k = W_STD**2 / WIDTH * np.swapaxes(h, 1, 2) @ h + B_STD**2
    a = k[:, :3, :3] + NOISE**2 * np.eye(3)
    solved = np.linalg.solve(a, np.broadcast_to(targets[:, None], (size, 3, 1)))[:, :, 0]
    logs = -0.5 * (solved @ targets) - 0.5 * np.linalg.slogdet(a)[1]
    weights = np.exp(logs - logs.max())
    weights /= weights.sum()
    cross = k[:, 3:, :3]
    means = np.einsum("sij,sj->si", cross, solved)
    explained = np.einsum("sij,sji->si", cross, np.linalg.solve(a, np.swapaxes(cross, 1, 2)))
    variances = np.diagonal(k[:, 3:, 3:], axis1=1, axis2=2) - explained
    f_mean = weights @ means
    f_var = weights @ (variances + (means - f_mean) ** 2)
    own = f_mean * y_std + y_mean, y_std * np.sqrt(f_var + NOISE**2), y_std * np.sqrt(f_var)
    return (*own, y_std)


def test_predictions_are_those_of_plain_numpy_in_the_units_of_the_column(houses):
    """A right one fails with probability below 1e-4: twelve numbers, errors of four and more."""
    folder, _ = houses
    done = invoke("predict", folder / "run", "--x", folder / "new.csv", "--out", folder / "p.csv")
    assert done.exit_code == 0, done.stderr
    found = table(folder / "p.csv")
    assert list(found[0]) == ["row", "name", "mean", "std", "f_std", "q05", "q50", "q95"]
    assert [row["name"] for row in found] == ["N0", "N1", "N2"]
    mean, std, f_std, unit = by_numpy(folder, TRAIN)
    got = {name: np.array([float(row[name]) for row in found]) for name in ("mean", "std", "f_std")}
    error = 4.5 * f_std / np.sqrt(DRAWS)
    assert np.all(np.abs(got["mean"] - mean) < error)
    # The std of a std is at most about 1/√draws of it with tails like these.
    assert np.all(np.abs(got["std"] - std) < 4.5 * std / np.sqrt(DRAWS))
    assert np.all(np.abs(got["f_std"] - f_std) < 4.5 * f_std / np.sqrt(DRAWS))
    # Wrong twins: standardised by all rows, and left in units of the standardised target.
    whole, *_ = by_numpy(folder, slice(None))
    assert np.any(np.abs(got["mean"] - whole) > 2 * error)
    assert np.all(np.abs((got["mean"] - mean.mean()) / unit - mean) > 10 * error)


def test_draws_and_predictions_keep_the_record(houses):
    folder, done = houses
    x, y = prepared(folder, "houses.csv")
    for name in ("draws.nc", "predictions.nc"):
        record = record_of(read_dataset(folder / "run" / name).attrs)
        assert record.feature_names == ("area", "site=hill", "site=shore")
        np.testing.assert_array_equal(record.scaling.x_mean, x[TRAIN].mean(0))
        np.testing.assert_array_equal(record.scaling.y_std, [y[TRAIN].std()])
    test = record.test_rows[0]
    said = " ".join(done.stdout.split())
    assert f"row {test} (H{test})" in said and f" {y[test]:.4g} " in said
    assert "5 of 40 rows are used: 3 train, 2 test" in said
    own = f"of the standardised target: {NOISE * y[TRAIN].std():.3g} in units of price"
    assert f"noise of std 0.4 ({own})" in said
    page = bnnpost.reports.to_html(folder / "run")
    assert f"Row {test} (H{test})" in page and "f, price" in page and own in page


def test_npz_quantiles_and_standard_output(houses):
    folder, _ = houses
    arguments = ["predict", folder / "run", "--x", folder / "new.csv", "--quantiles", "0.025,0.9"]
    printed = invoke(*arguments)
    assert printed.stdout.splitlines()[0] == "row,name,mean,std,f_std,q02.5,q90"
    assert invoke(*arguments, "--out", folder / "p.npz").exit_code == 0
    with np.load(folder / "p.npz") as arrays:
        assert arrays["name"].tolist() == ["N0", "N1", "N2"]
        first = printed.stdout.splitlines()[1].split(",")
        assert float(first[2]) == pytest.approx(arrays["mean"][0], rel=1e-6)
    alone = bnnpost.sweeps.predict_file(folder / "run" / "draws.nc", folder / "new.csv")
    np.testing.assert_array_equal(alone["row"], [0, 1, 2])


def test_rows_that_cannot_be_predicted_are_left_empty_and_say_why(houses, tmp_path):
    folder, _ = houses
    lines = (folder / "new.csv").read_text().splitlines()
    lines[2:2] = ["lake,?,B,80", "hill,?,C,", "shore,?,D,7 m"]
    (tmp_path / "gaps.csv").write_text("\n".join(lines) + "\n")
    arguments = ["predict", folder / "run", "--x", tmp_path / "gaps.csv"]
    done = invoke(*arguments)
    assert done.exit_code == 0, done.stderr
    assert "3 of 6 rows are not predicted. Row 1: site: 'lake' is none of its lev" in done.stderr
    found = list(csv.reader(done.stdout.splitlines()))
    assert found[0][-1] == "not_predicted" and found[0][2] == "mean"
    assert [row[2:-1] for row in found[2:5]] == [[""] * 6] * 3
    assert [row[-1].partition(":")[0] for row in found[1:]] == ["", "site", "area", "area", "", ""]
    whole = invoke("predict", folder / "run", "--x", folder / "new.csv").stdout.splitlines()
    assert [found[i][1:-1] for i in (1, 5, 6)] == [row[1:] for row in csv.reader(whole[1:])]
    assert invoke(*arguments, "--out", tmp_path / "p.npz").exit_code == 0
    with np.load(tmp_path / "p.npz") as arrays:
        assert np.isnan(arrays["mean"]).tolist() == [False, True, True, True, False, False]
        assert arrays["not_predicted"].tolist() == [row[-1] for row in found[1:]]
    strict = invoke(*arguments, "--strict")
    assert strict.exit_code == 1 and strict.stdout == ""
    assert "1 missing value in column 'area', the first in line 4" in strict.stderr


@pytest.mark.parametrize(
    ("text", "more", "code", "words"),
    [
        ("area\n80\n", [], 1, "no column is called 'site'"),
        ("area,site\n80,lake\n", [], 1, "Row 0: site: 'lake' is none of its levels (hill"),
        ("area,site\nNaN,hill\n", [], 1, "no row can be predicted. Row 0: area: a missing"),
        (None, [], 1, "no such file"),
        ("area,site\n80,hill\n", ["--width", 5], 2, "draws at one width"),
        ("area,site\n80,hill\n", ["--out", "there.csv"], 1, "there already"),
        ("area,site\n80,hill\n", ["--out", "p.txt"], 2, "ends in .csv or .npz"),
        ("area,site\n80,hill\n", ["--quantiles", "5"], 2, "numbers between 0 and 1"),
    ],
)
def test_what_cannot_be_predicted(houses, tmp_path, monkeypatch, text, more, code, words):
    folder, _ = houses
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.csv").touch()
    if text is not None:
        (tmp_path / "x.csv").write_text(text)
    done = invoke("predict", folder / "run", "--x", "x.csv", *more)
    assert done.exit_code == code and words in done.stderr, done.stderr


def test_runs_that_cannot_predict(tmp_path):
    (tmp_path / "x.csv").write_text("a\n1\n")
    done = invoke("predict", tmp_path / "none", "--x", tmp_path / "x.csv")
    assert done.exit_code == 1 and "no run" in done.stderr
    done = invoke("predict", tmp_path, "--x", tmp_path / "x.csv")
    assert done.exit_code == 2 and "holds no run" in done.stderr
    edited(tmp_path / "config.json", json.dumps({"widths": [4, 8]}))
    done = invoke("predict", tmp_path, "--x", tmp_path / "x.csv")
    assert done.exit_code == 2 and "draws are kept at widths none" in done.stderr


@pytest.mark.slow
def test_a_sweep_of_classes_from_a_file_with_gaps(tmp_path, monkeypatch):
    """Three commands; probabilities are the softmax of the draws at the same rows."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    kinds, lines = ["ash", "birch", "elm"], ["plant,size,site,kind"]
    for i in range(200):
        k = int(rng.integers(3))
        size = "" if i % 40 == 7 else f"{k + 0.2 * rng.normal():.3f}"
        lines.append(f"P{i},{size},{['wet', 'dry'][i % 2]},{kinds[k]}")
    (tmp_path / "trees.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "new.csv").write_text("site,size\ndry,0\nwet,1\nwet,2\n")
    made = invoke("new", "t.toml", "--data", "trees.csv")
    assert "missing cells in size (5): 5 of 200 rows are left out" in made.stderr
    small = ["--num-train", 8, "--num-test", 2, "--bound", "capped", "--num-samples", 50]
    small += ["--widths", "16,32", "--depth", 1, "--num-proposals", 200]
    done = invoke("sweep", "--config", "t.toml", *small, "--out", "run")
    assert done.exit_code == 0, done.stderr
    assert invoke("predict", "run", "--x", "new.csv", "--out", "p.npz").exit_code == 0
    draws = bnnpost.load("run/draws_000032.nc")
    record = record_of(read_dataset(tmp_path / "run" / "draws_000032.nc").attrs)
    rows = table(tmp_path / "trees.csv")
    assert record.feature_names == ("size", "site=dry", "site=wet")
    train = [rows[i] for i in record.train_rows]
    assert len(train) == 8 and all(row["size"] for row in train)
    x = np.array([[float(r["size"]), r["site"] == "dry", r["site"] == "wet"] for r in train])
    std = np.where(x.std(0) == 0, 1, x.std(0))
    new = (np.array([[0.0, 1, 0], [1, 0, 1], [2, 0, 1]]) - x.mean(0)) / std
    weights = np.exp(draws.log_weights - draws.log_weights.max())
    chances = np.average(scipy.special.softmax(draws.predict(new), 2), 0, weights / weights.sum())
    with np.load("p.npz") as found:
        got = np.stack([found[f"p({kind})"] for kind in kinds], axis=1)
        np.testing.assert_allclose(got, chances, rtol=1e-6)
        assert found["class"].tolist() == [kinds[i] for i in chances.argmax(1)]
    narrow = bnnpost.sweeps.predict_file("run", "new.csv", width=16)
    assert not np.allclose(narrow["p(ash)"], got[:, 0])
    with pytest.raises(bnnpost.sweeps.ConfigError, match="kept at widths 16, 32"):
        bnnpost.sweeps.predict_file("run", "new.csv", width=8)
