"""Function space never forms a width × width array; weight space, the twin, does."""

import jax
import pytest

import bnnpost
from bnnpost.samplers.trials import trial
from bnnpost.spaces import engine, make_space

WIDTH = 777


def program(form: str) -> str:
    x, y, _, _ = bnnpost.datasets.diabetes_problem(3, 1)
    network = bnnpost.mlp(width=WIDTH, depth=2)
    posterior = bnnpost.Posterior(network, bnnpost.likelihoods.Gaussian(0.3), x, y)
    space = make_space(posterior, space=form)
    calls = engine.Calls(engine.Each(trial, 2), space, jax.random.key(0), (), 2)
    return calls.program()


@pytest.mark.parametrize(("form", "forms_one"), [("functions", False), ("weights", True)])
def test_weight_matrices_in_the_compiled_proposal(form, forms_one):
    text = program(form)
    assert f"{WIDTH}x" in text
    assert (f"{WIDTH}x{WIDTH}x" in text or f"{WIDTH + 1}x{WIDTH}x" in text) == forms_one
