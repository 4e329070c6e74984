"""Prior laws in a configuration: every way to write one, and what is refused."""

import re

import numpyro.distributions as dist
import pytest

from bnnpost.networks.priors import IndependentEntries, Scale
from bnnpost.sweeps import ConfigError, load_config

LAPLACE = {"law": "Laplace", "parameters": {"loc": 0.0, "scale": 0.7}}


@pytest.mark.parametrize(
    "written",
    ["Laplace(0, 0.7)", " Laplace( loc=0,scale=0.7 )", "Laplace(0., scale=.7)", LAPLACE],
)
def test_one_law_has_one_record_however_it_is_written(written):
    config = load_config(None, {"weight_prior": written})
    assert config.as_dict()["weight_prior"] == LAPLACE
    assert config.digest() == load_config(None, {"weight_prior": LAPLACE}).digest()


def test_hidden_layers_have_the_law_and_the_readout_stays_normal():
    config = load_config(None, {"weight_prior": "StudentT(5)", "bias_prior": "Laplace(0, 1)"})
    first, second, readout = (one for one in config.at_width(4, 1).layers if hasattr(one, "w_std"))
    for layer in (first, second):
        assert isinstance(layer.prior, IndependentEntries)
        assert isinstance(layer.prior.law, dist.StudentT)
        assert isinstance(layer.bias_prior.law, dist.Laplace)
    assert readout.prior is None and readout.bias_prior is None


def test_standard_normal_weights_are_those_of_a_configuration_that_names_none():
    plain = load_config(None, {})
    assert load_config(None, {"weight_prior": "Normal(0, 1)"}) == plain
    assert "weight_prior" not in plain.as_dict()


def test_a_standard_deviation_may_have_a_law():
    config = load_config(None, {"w_std": "per_input(HalfNormal(2))", "readout_w_std": 1})
    layer = config.at_width(4, 1).layers[0]
    assert isinstance(layer.w_std, Scale) and layer.w_std.per == "input"
    assert config.as_dict()["w_std"]["parameters"] == {"scale": 2.0}


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"weight_prior": "Lapace(0, 1)"}, "did you mean Laplace?"),
        ({"weight_prior": "Laplace"}, 'expected a law such as "Laplace(0, 1)"'),
        ({"weight_prior": "Laplace(0, x)"}, "x is no finite number"),
        ({"weight_prior": "Laplace(0, 1e999)"}, "no finite number"),
        ({"weight_prior": "Laplace(0, 1, 2, 3)"}, "expected the numbers of a law Laplace"),
        ({"weight_prior": "Poisson(3)"}, "a continuous law"),
        ({"weight_prior": "__import__('os')"}, "no law of numpyro.distributions"),
        ({"weight_prior": 0.7}, "expected a law"),
        ({"weight_prior": {"law": "Laplce"}}, "expected a law of numpyro.distributions"),
        ({"bias_prior": "Laplace(0, 1)", "b_std": 0.0}, "b_std 0 means no bias"),
        ({"w_std": "wide"}, 'w_std: expected a number or a law such as "HalfNormal(1)"'),
        ({"w_std": "Normal(0, 1)"}, "the law of a positive number"),
        ({"w_std": True}, "expected a number or a law"),
        ({"w_std": None}, "expected a number or a law"),
    ],
)
def test_what_is_no_law_is_refused(values, words):
    with pytest.raises(ConfigError, match=re.escape(words)):
        load_config(None, values)
