"""Function space never forms a width × width array; weight space, the twin, does."""

import math
import re

import jax
import pytest

import bnnpost
from bnnpost.draws import tasks
from bnnpost.samplers.trials import trial
from bnnpost.spaces import engine, make_space
from bnnpost.spaces.completions import AS_FUNCTION, jointly

WIDTH = 65_536
NUM_POINTS = 10
# Columns of a weight matrix that a fixed function draws at once, with room to spare.
FEW_COLUMNS = 512


def largest_array(form, task, completion=None, num_test=5):
    """Entries of the largest array in the program of a task for one proposal."""
    x, y, x_test, _ = bnnpost.datasets.diabetes_problem(NUM_POINTS, num_test)
    network = bnnpost.mlp(width=WIDTH, depth=2)
    posterior = bnnpost.Posterior(network, bnnpost.likelihoods.Gaussian(0.3), x, y)
    space = make_space(posterior, space=form, collapse=form == "functions")
    extra = ()
    if completion == "joint":
        extra = (x_test, jointly(network, x, x_test))
    elif completion == "function":
        extra = (x_test, AS_FUNCTION)
    calls = engine.Calls(engine.Each(task, 1), space, jax.random.key(0), extra, 1)
    shapes = re.findall(r"tensor<((?:\d+x)+)[a-z]", calls.program())
    return max(math.prod(map(int, shape.split("x")[:-1])) for shape in shapes)


@pytest.mark.first
@pytest.mark.parametrize(
    ("task", "completion"),
    [
        (trial, None),
        (tasks.outputs, "joint"),
        (tasks.mixture, "joint"),
        (tasks.training_outputs, None),
    ],
)
def test_function_space_is_linear_in_width(task, completion):
    rows = NUM_POINTS + (5 if completion else 0)
    assert WIDTH * rows <= largest_array("functions", task, completion) <= 4 * WIDTH * rows


def test_a_fixed_function_draws_few_columns_at_once():
    found = largest_array("functions", tasks.outputs, "function")
    assert found <= WIDTH * FEW_COLUMNS


def test_weight_space_has_the_matrix():
    assert largest_array("weights", trial) >= WIDTH**2
