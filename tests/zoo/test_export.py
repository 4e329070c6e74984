"""Exports: what is written can be used without bnnpost, is right, and is there whole or not."""

import csv
import json
import zipfile

import jax
import numpy as np
import pytest
import xarray as xr

from bnnpost.runs.directory import Directory
from bnnpost.samplers import rejection
from bnnpost.storage import DirectoryInUse
from bnnpost.verification.columns import read_csv
from bnnpost.zoo import exports, reference_checks, reference_files, remade_draws, zoo
from tests.samplers.small_blocks import small_blocks
from tests.zoo.stan_reading import Program, Values
from tests.zoo.tiny import TINY, made_up

SIZES = {"layer0.weights": (10, 8), "layer0.biases": (8,), "layer1.weights": (8, 1)}
SIZES |= {"layer1.biases": (1,)}
FORMATS = ("posteriordb", "csv", "netcdf")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The zoo with the tiny reference; the second route costs too much."""
    folder = tmp_path_factory.mktemp("zoo")
    finding = reference_checks.Finding("weight space", True, 1, 0, "p")
    with small_blocks(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(reference_checks, "_by_weights", lambda *a: finding)
        patch.setattr(reference_checks, "_by_estimates", lambda *a: [])
        zoo.build(TINY, folder)
    return folder


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """The Stan program of the tiny posterior, and its data."""
    out = tmp_path_factory.mktemp("stan")
    source, data = exports.export(TINY, out=out, format="stan")
    read = Program(source.read_text(encoding="utf-8"))
    return read, read.data(json.loads(data.read_text(encoding="utf-8")))


@pytest.fixture
def weighted(tmp_path):
    """A zoo with made-up draws, of which every second has half the weight."""
    data = made_up().assign_attrs(kind="capped", pareto_k=0.1)
    data["log_weight"] = ("sample", np.log(1 - np.arange(400) % 2 / 2))
    reference_files.write_reference(tmp_path, "tiny", data)
    return tmp_path


def numbers(path):
    """The columns of a table by name."""
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    return dict(zip(header, np.array(rows, float).T, strict=True))


def unzipped(path):
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == [path.name.removesuffix(".zip")]
        return json.loads(archive.read(archive.namelist()[0]))


def generated(program, weights):
    """f_train and f_test of one draw by the Stan program, from weights by the names of sites."""
    read, data = program
    named = {name.replace(".", "_"): array.view(Values) for name, array in weights.items()}
    return {name: np.asarray(f) for name, f in read.generated(data, named).items()}


@pytest.mark.slow
def test_netcdf_has_networks_whose_outputs_are_the_values(built, program, tmp_path):
    (path,) = exports.export(TINY, built, tmp_path, format="netcdf", parameters=True)
    with xr.open_dataset(path, engine="h5netcdf") as opened:
        data = opened.load()
    assert {n: data[n].shape[1:] for n in SIZES} == SIZES
    stored = zoo.load(TINY, built)
    np.testing.assert_array_equal(data["f_train"], stored["f_train"])
    np.testing.assert_array_equal(data["log_weight"], stored["log_weight"])
    for i in (0, 1, 399):
        found = generated(program, {name: data[name].values[i] for name in SIZES})
        np.testing.assert_allclose(found["f_train"], data["f_train"][i], atol=2e-6)
        np.testing.assert_allclose(found["f_test"], data["f"][i], atol=1e-12)
    # The networks' values have the law of those stored: means within four standard errors.
    for f, other in zip(data["f"].values.T, stored["f"].values.T, strict=True):
        error = np.sqrt((f.var(axis=1) + other.var(axis=1)) / 400)
        assert np.all(np.abs(f.mean(axis=1) - other.mean(axis=1)) < 4 * error)


@pytest.mark.slow
def test_tables_hold_the_same(built, tmp_path):
    paths = exports.export(TINY, built, tmp_path, format="csv", parameters=True)
    assert [path.name.removeprefix("tiny") for path in paths] == [
        ".train.csv",
        ".test.csv",
        ".parameters.csv",
        ".csv",
    ]
    posterior, x_test = zoo.posterior(TINY)
    train, test = numbers(paths[0]), numbers(paths[1])
    assert list(train) == [*(f"x[{i}]" for i in range(10)), "y[0]"]
    np.testing.assert_array_equal(np.stack([*train.values()])[:-1].T, posterior.x)
    np.testing.assert_array_equal(train["y[0]"], posterior.targets[:, 0])
    np.testing.assert_array_equal(np.stack([*test.values()]).T, x_test)
    (path,) = exports.export(TINY, built, tmp_path, format="netcdf", parameters=True)
    with xr.open_dataset(path, engine="h5netcdf") as opened:
        data = opened.load()
    np.testing.assert_array_equal(read_csv(paths[3])["f"][0], data["f"])
    weights = numbers(paths[2])
    assert list(weights)[:2] == ["layer0.weights[0, 0]", "layer0.weights[0, 1]"]
    np.testing.assert_array_equal(weights["layer0.weights[9, 7]"], data["layer0.weights"][:, 9, 7])
    np.testing.assert_array_equal(weights["layer1.biases[0]"], data["layer1.biases"][:, 0])


@pytest.mark.slow
def test_without_parameters_values_are_those_stored(built, tmp_path):
    stored = zoo.load(TINY, built)
    (path,) = exports.export(TINY, built, tmp_path, format="netcdf")
    with xr.open_dataset(path, engine="h5netcdf") as opened:
        assert set(opened.variables) == {"f", "f_train", "log_weight", "x_test", "x_train", "y"}
        np.testing.assert_array_equal(opened["f"], stored["f"])
    exports.export(TINY, built, tmp_path, format="csv")
    assert (tmp_path / "tiny.csv").read_bytes() == (built / "tiny.csv").read_bytes()


def test_posteriordb_has_its_folders_and_what_was_checked(built, program, tmp_path):
    paths = exports.export(TINY, built, tmp_path, format="posteriordb", parameters=True)
    draws = unzipped(tmp_path / "reference_posteriors/draws/draws/tiny.json.zip")
    assert len(draws) == 10 and {len(v) for chain in draws for v in chain.values()} == {40}
    names = [f"f_test[{i},1]" for i in (1, 2)] + [f"f_train[{i},1]" for i in (1, 2)]
    assert list(draws[0])[:5] == [*names, "layer0_weights[1,1]"]
    posterior = json.loads((tmp_path / "posteriors/tiny.json").read_text(encoding="utf-8"))
    assert sum(posterior["dimensions"].values()) == len(draws[0]) == 4 + 80 + 8 + 8 + 1
    weights = {
        "layer0.weights": np.array(
            [[draws[1][f"layer0_weights[{i},{j}]"][3] for j in range(1, 9)] for i in range(1, 11)]
        ),
        "layer0.biases": np.array([draws[1][f"layer0_biases[{j}]"][3] for j in range(1, 9)]),
        "layer1.weights": np.array([[draws[1][f"layer1_weights[{i},1]"][3]] for i in range(1, 9)]),
        "layer1.biases": np.array([draws[1]["layer1_biases[1]"][3]]),
    }
    found = generated(program, weights)
    assert found["f_test"][1, 0] == pytest.approx(draws[1]["f_test[2,1]"][3], abs=1e-12)
    assert found["f_train"][1, 0] == pytest.approx(draws[1]["f_train[2,1]"][3], abs=2e-6)
    assert unzipped(tmp_path / "data/data/tiny.json.zip")["num_train"] == 2
    info = json.loads(
        (tmp_path / "reference_posteriors/draws/info/tiny.info.json").read_text(encoding="utf-8")
    )
    assert info["checks_made"]["weight_space"] is True and info["checks_made"]["halves"] is True
    assert info["checks_made"]["ndraws_is_10k"] is False and info["diagnostics"]["ndraws"] == 400
    assert info["diagnostics"]["diagnostic_information"]["names"] == list(draws[0])
    assert "exact and independent" in info["comments"] and "jax" in info["versions"]
    model = json.loads((tmp_path / "models/info/tiny.info.json").read_text(encoding="utf-8"))
    code = tmp_path / model["model_implementations"]["stan"]["model_code"]
    Program(code.read_text(encoding="utf-8"))
    assert paths[-1] == tmp_path / "posteriors/tiny.json" and len(paths) == 7


def test_weighted_draws_are_kept_by_weight_where_there_are_no_weights(weighted):
    out = weighted / "out"
    exports.export(TINY, weighted, out, format="csv")
    assert (out / "tiny.csv").read_bytes() == (weighted / "tiny.csv").read_bytes()
    exports.export(TINY, weighted, out, format="netcdf")
    with xr.open_dataset(out / "tiny.nc", engine="h5netcdf") as opened:
        assert opened.sizes["sample"] == 400 and opened["log_weight"].values.std() > 0.3
    exports.export(TINY, weighted, out, format="posteriordb")
    info = json.loads((out / "reference_posteriors/draws/info/tiny.info.json").read_text("utf-8"))
    assert info["diagnostics"]["ndraws"] == len(numbers(out / "tiny.csv")["draw"]) // 10 * 10
    assert "with probability weight / largest weight" in info["comments"]


@pytest.mark.slow
def test_weights_of_other_draws_are_refused(built, tmp_path):
    data = zoo.load(TINY, built)
    data["f_train"][7] += 0.1
    reference_files.write_reference(tmp_path, "tiny", data)
    with pytest.raises(reference_checks.CheckFailed, match=r"not those of the draws: .* by 0\.1"):
        exports.export(TINY, tmp_path, tmp_path / "out", format="csv", parameters=True)
    assert not list((tmp_path / "out").glob("[!.]*"))
    exports.export(TINY, tmp_path, tmp_path / "out", format="csv")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["diabetes-erf-1x32-scales", "nile-tanh-3x16-outliers"])
def test_weights_of_other_posteriors_are_made_again(name):
    entry = zoo.entry(name)
    posterior, x_test = zoo.posterior(entry)
    draws = rejection.sample(jax.random.key(entry.seed), posterior, num_samples=5)
    data = zoo._values(draws, x_test)
    values = remade_draws.RemadeDraws.of(entry, data, parameters=True, weighted=True).values
    assert ("layer1.w_std" in values) == name.endswith("scales")
    assert values["layer0.weights"].shape == (5, posterior.x.shape[1], entry.network.width)


def test_weights_that_do_not_fit_are_refused(built, tmp_path, monkeypatch):
    monkeypatch.setattr(remade_draws, "available_memory", lambda: 100_000)
    with pytest.raises(ValueError, match=r"more than half of the .* free: leave them out"):
        exports.export(TINY, built, tmp_path, format="netcdf", parameters=True)
    assert not list(tmp_path.glob("[!.]*"))


@pytest.mark.parametrize("form", FORMATS)
def test_nothing_is_written_over(built, tmp_path, form):
    *others, last = exports.export(TINY, built, tmp_path, format=form)
    before = last.read_bytes()
    for path in others:
        path.unlink()
    with pytest.raises(FileExistsError, match="there already: remove it"):
        exports.export(TINY, built, tmp_path, format=form)
    assert last.read_bytes() == before and not any(path.exists() for path in others)


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device")])
@pytest.mark.parametrize("form", FORMATS)
def test_what_is_interrupted_leaves_nothing(built, tmp_path, monkeypatch, error, form):
    def fail(*arguments, **options):
        raise error

    owner, name = {
        "csv": (exports, "write_csv"),
        "netcdf": (xr.Dataset, "to_netcdf"),
        "posteriordb": (remade_draws.RemadeDraws, "__len__"),
    }[form]
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, fail)
        with pytest.raises((KeyboardInterrupt, OSError)):
            exports.export(TINY, built, tmp_path, format=form)
    assert not [path for path in tmp_path.rglob("[!.]*") if path.is_file()]
    exports.export(TINY, built, tmp_path, format=form)


@pytest.mark.slow
def test_bad_input_says_what_to_do(built, tmp_path):
    file = tmp_path / "file"
    file.write_text("mine")
    for arguments, options, kind, words in (
        (("tinny", built, tmp_path), {"format": "csv"}, ValueError, "unknown posterior of the zoo"),
        ((TINY, built, tmp_path), {"format": "cvs"}, ValueError, "did you mean csv"),
        (
            (TINY, tmp_path / "none", tmp_path),
            {"format": "csv"},
            FileNotFoundError,
            "zoo build tiny --out",
        ),
        ((TINY, built, file), {"format": "stan"}, NotADirectoryError, "cannot be a directory"),
        (
            (TINY, built, tmp_path),
            {"format": "stan", "parameters": True},
            ValueError,
            "holds no draws",
        ),
        ((TINY, built, built), {"format": "netcdf"}, FileExistsError, "another directory"),
    ):
        with pytest.raises(kind, match=words):
            exports.export(*arguments, **options)
    with Directory(tmp_path).held(), pytest.raises(DirectoryInUse, match="another process"):
        exports.export(TINY, built, tmp_path, format="csv")
    assert {path.name for path in tmp_path.glob("[!.]*")} == {"file"}
