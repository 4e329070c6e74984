"""Running tasks over proposal numbers: one result a number, shapes of blocks."""

import dataclasses

import numpy as np
import pytest

from bnnpost.numerics.random import exponential
from bnnpost.spaces import engine
from bnnpost.spaces.making import make_space
from tests.samplers import cases
from tests.samplers.cases import Case


def threshold(space, key, offset):
    """A task: the draw's threshold beside something that was handed in."""
    return exponential(space.threshold_key(key)), offset


@pytest.mark.parametrize("count", [0, 1, 2047, 2049, 5000])
def test_evaluate_gives_one_result_a_number(count):
    space, extra = make_space(Case().posterior()), (np.arange(2.0),)
    numbers = np.arange(count, dtype=np.uint64) * 7
    blocks = list(engine.evaluate(threshold, space, cases.key(0), numbers, extra))
    found = np.concatenate([np.zeros(0), *(values for values, _ in blocks)])
    assert len(np.unique(found)) == len(found) == count
    for position in {0, count // 2, count - 1} if count else ():
        (alone, offset) = next(
            engine.evaluate(threshold, space, cases.key(0), numbers[[position]], extra)
        )
        assert alone == [found[position]]
        np.testing.assert_array_equal(offset, [extra[0]])


@pytest.mark.parametrize("space", ["functions", "weights"])
@pytest.mark.parametrize("width", [1, 10, 1000, 3000])
def test_block_shapes_are_powers_of_two_and_get_smaller_with_width(space, width):
    chosen = make_space(Case(width, 2).posterior(), space=space)
    shape, larger = engine.block_shape(chosen), engine.block_shape(chosen, num_test=50)
    for part in (*dataclasses.astuple(shape), *dataclasses.astuple(larger)):
        assert part >= 1
        assert part & (part - 1) == 0
    assert shape.block % shape.batch == 0
    assert larger.batch <= shape.batch
    wider = engine.block_shape(make_space(Case(4 * width, 2).posterior(), space=space))
    assert wider.batch <= shape.batch
