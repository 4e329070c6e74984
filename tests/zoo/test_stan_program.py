"""Stan programs: the text says the same density as `hmc.model`, for every posterior of the zoo."""

import dataclasses
import functools
import json

import jax
import numpy as np
import pytest
from numpyro.infer.util import log_density

import bnnpost
from bnnpost.zoo.entries import ENTRIES, Perceptron
from bnnpost.zoo.stan_program import stan_data, stan_program
from tests.zoo.stan_reading import Program
from tests.zoo.tiny import TINY

NAMES = [one.name for one in ENTRIES if isinstance(one.network, Perceptron)]
SOME_FIRST = [
    name if i % 3 == 0 else pytest.param(name, marks=pytest.mark.slow)
    for i, name in enumerate(NAMES)
]
tiny = functools.partial(dataclasses.replace, TINY)
LAPLACE = {"law": "Laplace", "parameters": {"loc": 0.0, "scale": 1.0}}


def both(name, change=lambda text: text):
    """The log density at random parameters by the program's text, and by numpyro."""
    posterior, x_test = bnnpost.zoo.posterior(name)
    program = Program(change(stan_program(posterior, "a title")))
    data = program.data(json.loads(json.dumps(stan_data(posterior, x_test))))
    parameters = program.parameters(np.random.default_rng(1), data)
    sites = {k.replace("_", ".", 1): np.asarray(v) for k, v in parameters.items()}
    with jax.enable_x64(True):
        found = log_density(bnnpost.hmc.model(posterior), (), {}, sites)[0]
    return program.log_density(data, parameters), float(found)


@pytest.mark.parametrize("name", SOME_FIRST)
@pytest.mark.first
def test_the_text_has_the_density_of_the_model(name):
    of_text, of_model = both(name)
    assert of_text == pytest.approx(of_model, rel=1e-10)


@pytest.mark.first
@pytest.mark.parametrize(
    ("name", "word", "other"),
    [
        ("sine-tanh-1x1", "1.5 / sqrt", "1.4 / sqrt"),
        ("sine-tanh-1x1", "to_vector(f), 0.5", "to_vector(f), 0.51"),
        ("cubic-relu-1x4", "fmax(h0, 0)", "tanh(h0)"),
        ("diabetes-relu-1x32-t-weights", "| 5.0, 0.0", "| 5.1, 0.0"),
        ("cancer-relu-1x16", "bernoulli_logit_lpmf(y[, k] | f[, k])", "normal_lpdf(f[, k] | 0, 1)"),
        ("wine-tanh-2x32", "y[n] | f[n]'", "y[n] | f[1]'"),
    ],
)
def test_another_text_has_another_density(name, word, other):
    def changed(text):
        assert word in text
        return text.replace(word, other)

    of_text, of_model = both(name, changed)
    assert of_text != pytest.approx(of_model, rel=1e-6)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("}\ndata {", "data {"),
        lambda text: text.replace("matrix[4, 1] layer1_weights", "matrix[5, 1] layer1_weights"),
        lambda text: text.replace("matrix[num_train, 1] y;", ""),
        lambda text: text.replace("row_vector[4] layer0_biases;", ""),
    ],
)
def test_programs_that_do_not_hold_together_are_found(change):
    with pytest.raises((AssertionError, NameError, ValueError)):
        both("cubic-relu-1x4", change)


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_is_used_and_named_as_a_site(name):
    posterior, _ = bnnpost.zoo.posterior(name)
    program = Program(stan_program(posterior, "a title"))
    declared = [line[:-1].split(" ")[-1] for line in program.blocks["parameters"]]
    assert program.arguments == ["x", *declared]
    for parameter in declared:
        assert sum(parameter in line for line in program.blocks["model"]) == 2
        assert any(parameter in line for line in program.body)


@pytest.mark.first
@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (
            tiny(network=Perceptron("gelu", 1, 8)),
            "activation gelu: expected one of erf, relu, tanh",
        ),
        (tiny(network=Perceptron("erf", 1, 8, prior=LAPLACE)), "the law Laplace"),
        (tiny(likelihood={"type": "Laplace", "noise_std": 1.0}), "the likelihood Laplace"),
        ("digits-conv-2x8", "no Stan program for the layer Reshape"),
    ],
)
def test_what_has_no_counterpart_is_refused(entry, words):
    posterior, _ = bnnpost.zoo.posterior(entry)
    with pytest.raises(ValueError, match=words):
        stan_program(posterior, "a title")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["nile-tanh-3x16-outliers", "wine-tanh-2x32", "cancer-relu-1x16"])
def test_cmdstan_has_the_same_density(name, tmp_path):
    cmdstanpy = pytest.importorskip("cmdstanpy")
    try:
        cmdstanpy.cmdstan_path()
    except ValueError:
        pytest.skip("CmdStan is not installed")
    source, data = bnnpost.zoo.export(name, out=tmp_path, format="stan")
    program = Program(source.read_text(encoding="utf-8"))
    given = program.data(json.loads(data.read_text(encoding="utf-8")))
    parameters = program.parameters(np.random.default_rng(1), given)
    model = cmdstanpy.CmdStanModel(stan_file=source)
    values = {key: np.asarray(value).tolist() for key, value in parameters.items()}
    found = model.log_prob(values, data=str(data), jacobian=False)
    assert float(found["lp__"].iloc[0]) == pytest.approx(
        program.log_density(given, parameters), rel=1e-10
    )
