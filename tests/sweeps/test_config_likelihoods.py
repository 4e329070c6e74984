"""Likelihoods of a configuration: each way to write one, what is kept, what is refused."""

import json
import re

import numpy as np
import pytest

import bnnpost
from bnnpost import likelihoods
from bnnpost.likelihoods.records import to_record
from bnnpost.sweeps import ConfigError, SweepConfig, load_config, load_grid
from bnnpost.sweeps.grid import grid_of
from bnnpost.sweeps.problem import load_problem

STUDENT = {"type": "StudentT", "df": 4.0, "noise_std": 0.4}
HALF_NORMAL = {"law": "HalfNormal", "parameters": {"scale": 0.5}}


@pytest.mark.parametrize(
    ("values", "record"),
    [
        ({"likelihood": "StudentT(df=4, noise_std=0.4)"}, STUDENT),
        ({"likelihood": "student-t", "df": 4, "noise_std": 0.4}, STUDENT),
        ({"likelihood": "student_t(4)", "noise_std": 0.4}, STUDENT),
        ({"likelihood": {"type": "student_t", "df": 4, "noise_std": 0.4}}, STUDENT),
        ({"likelihood": likelihoods.StudentT(4, 0.4)}, STUDENT),
        ({"likelihood": "Laplace"}, {"type": "Laplace", "noise_std": SweepConfig.noise_std}),
        ({"likelihood": "bernoulli", "link": "probit"}, {"type": "Bernoulli", "link": "probit"}),
        ({"likelihood": 'Bernoulli("probit")'}, {"type": "Bernoulli", "link": "probit"}),
        ({"likelihood": "categorical"}, {"type": "Categorical"}),
        (
            {"noise_std": "HalfNormal(0.5)"},
            {"type": "GaussianUnknownNoise", "noise_std": HALF_NORMAL},
        ),
        (
            {"likelihood": "GaussianUnknownNoise(noise_var=HalfNormal(0.5))"},
            {"type": "GaussianUnknownNoise", "noise_var": HALF_NORMAL},
        ),
    ],
)
def test_ways_to_write_one(values, record):
    config = load_config(None, values)
    assert config.likelihood == record == to_record(config.made_likelihood())
    written = json.loads(json.dumps(config.as_dict()))
    assert "noise_std" not in written
    again = load_config(None, written)
    assert again == config and again.digest() == config.digest()


@pytest.mark.parametrize(
    ("values", "digest"),
    [
        ({}, "0840402957c0075b"),
        ({"noise_std": 0.2}, "71f9965c8bd87b7b"),
        ({"likelihood": "gaussian", "noise_std": 0.2}, "71f9965c8bd87b7b"),
        ({"likelihood": "Gaussian(0.2)"}, "71f9965c8bd87b7b"),
    ],
)
def test_gaussian_noise_is_written_as_it_always_was(values, digest):
    config = load_config(None, values)
    assert config.likelihood is None and "likelihood" not in config.as_dict()
    assert config.digest() == digest


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"likelihood": "studnt_t"}, "did you mean student_t?"),
        ({"likelihood": "student_t"}, "StudentT needs df"),
        ({"likelihood": "StudentT(dg=4)"}, "did you mean df?"),
        ({"likelihood": "StudentT(4, 0.4, 3)"}, "too many"),
        ({"likelihood": "StudentT(4"}, "expected its parameters"),
        ({"likelihood": "StudentT(df=open)"}, "no finite number"),
        ({"likelihood": "StudentT(df=1.5)"}, "expected df above 2"),
        ({"likelihood": "StudentT(df=4)", "df": 3}, "df is given twice"),
        ({"likelihood": "laplace", "noise_std": -1.0}, "noise_std to be positive"),
        ({"likelihood": "laplace", "noise_std": "HalfNormal(1)"}, "noise_std to be a number"),
        ({"likelihood": "categorical", "noise_std": 0.2}, "no noise"),
        ({"likelihood": "poisson", "df": 3}, "leave df out"),
        ({"df": 3}, "Gaussian takes noise_std"),
        ({"likelihood": 5}, "expected a name"),
        ({"likelihood": {"df": 5}}, "a table with a type"),
        ({"likelihood": "nowhere:Own"}, "cannot find nowhere:Own"),
        ({"likelihood": "bnnpost:mlp"}, "to be module:Class"),
        ({"noise_std": "per_input(HalfNormal(1))"}, "one law for all"),
    ],
)
def test_what_is_refused(values, words):
    with pytest.raises(ConfigError, match=re.escape(words)):
        load_config(None, values)


@pytest.mark.parametrize(
    ("flags", "record"),
    [
        ({"df": 7}, {**STUDENT, "df": 7.0}),
        ({"noise_std": 0.1}, {**STUDENT, "noise_std": 0.1}),
        ({"likelihood": "student_t(5)"}, {"type": "StudentT", "df": 5.0, "noise_std": 0.3}),
        ({"likelihood": "categorical"}, {"type": "Categorical"}),
    ],
)
def test_flags_go_on_top_of_a_likelihood(tmp_path, flags, record):
    call, beside = tmp_path / "call.toml", tmp_path / "beside.toml"
    call.write_text('likelihood = "StudentT(df=4, noise_std=0.4)"\n')
    beside.write_text('likelihood = "student_t"\ndf = 4\nnoise_std = 0.3\n')
    if "likelihood" not in flags:
        assert load_config(call, flags).likelihood == record
    else:
        assert load_config(beside, flags).likelihood == record


def test_a_grid_over_likelihoods_and_their_parameters():
    values = {"grid": {"likelihood": ["laplace", "StudentT(df=4)"], "noise_std": [0.1, 0.3]}}
    cells = grid_of(values).cells
    assert [cell.config.likelihood["noise_std"] for cell in cells] == [0.1, 0.3, 0.1, 0.3]
    assert len({cell.digest for cell in cells}) == 4
    varied = grid_of({"likelihood": "student_t", "grid": {"df": [3, 5]}}).cells
    assert [cell.config.likelihood["df"] for cell in varied] == [3.0, 5.0]
    assert load_grid("diabetes", {}).cells[0].config.likelihood is None


@pytest.fixture
def table(tmp_path):
    rng = np.random.default_rng(0)
    rows = ["a,word,two,count,real,one"]
    for i, a in enumerate(rng.normal(size=12)):
        word = ("ash", "birch", "elm")[i % 3]
        rows.append(f"{a:.3f},{word},{'no' if i % 2 else 'yes'},{i % 4},{a**2:.3f},same")
    (tmp_path / "table.csv").write_text("\n".join(rows) + "\n")
    return {"data": str(tmp_path / "table.csv"), "features": "a", "num_train": 6, "num_test": 4}


@pytest.mark.parametrize(
    ("target", "likelihood", "levels", "num_outputs"),
    [
        ("word", "categorical", ("ash", "birch", "elm"), 3),
        ("two", "bernoulli", ("no", "yes"), 1),
        ("count", "categorical", ("0", "1", "2", "3"), 4),
        ("count", "poisson", (), 1),
        ("real", "laplace", (), 1),
    ],
)
def test_targets_are_prepared_for_their_likelihood(table, target, likelihood, levels, num_outputs):
    problem = load_problem(load_config(None, {**table, "target": target, "likelihood": likelihood}))
    posterior = problem.posterior(8)
    assert (problem.levels, posterior.num_outputs) == (levels, num_outputs)
    assert problem.targets(problem.y_test).shape == (4, num_outputs)
    if likelihood != "laplace":
        assert np.array_equal(posterior.targets, np.round(posterior.targets))


@pytest.mark.parametrize("data", ["digits", "wine"])
def test_shipped_classes_have_their_names(data):
    config = load_config(None, {"data": data, "likelihood": "categorical"})
    problem = load_problem(config)
    assert len(problem.levels) == problem.num_outputs == {"digits": 10, "wine": 3}[data]
    assert load_problem(load_config(None, {"data": data})).num_outputs == problem.num_outputs


@pytest.mark.parametrize(
    ("target", "likelihood", "words"),
    [
        ("word", "gaussian", "3 classes .*ash, birch, elm.*categorical"),
        ("word", "poisson", "the likelihood is of counts"),
        ("word", "bernoulli", "0 or 1.*Categorical"),
        ("real", "categorical", "whole numbers, got"),
        ("real", "poisson", "counts 0, 1, 2"),
        ("one", "categorical", "one alone"),
        ("count", "bernoulli", "0 or 1"),
    ],
)
def test_targets_that_do_not_fit_are_refused(table, target, likelihood, words):
    config = load_config(None, {**table, "target": target, "likelihood": likelihood})
    with pytest.raises(bnnpost.datasets.DataError, match=words):
        load_problem(config)
