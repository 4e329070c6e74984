"""Blocks of work on threads: results in order, little ahead of need, errors passed on."""

import dataclasses
import threading
import time

import numpy as np
import pytest

from bnnpost.numerics.random import exponential
from bnnpost.spaces import engine
from bnnpost.spaces.making import make_space
from tests.samplers import cases
from tests.samplers.cases import Case


@pytest.mark.parametrize("threads", [1, 2, 7])
def test_results_come_in_the_order_of_the_items(threads):
    delays = np.random.default_rng(0).uniform(0, 0.004, 40)

    def work(item):
        time.sleep(delays[item])
        return item

    assert list(engine.in_order(work, range(40), threads)) == list(range(40))


@pytest.mark.parametrize("threads", [1, 3])
def test_little_is_begun_ahead_of_need(threads):
    begun = []
    results = engine.in_order(begun.append, range(100), threads)
    for taken in range(1, 6):
        next(results)
        assert len(begun) <= taken + threads
    results.close()
    assert len(begun) <= 6 + threads


def test_stopping_early_leaves_no_thread_behind():
    before = threading.active_count()
    results = engine.in_order(lambda item: item, iter(range(10**9)), 3)
    assert next(results) == 0
    results.close()
    assert threading.active_count() == before


def test_an_error_reaches_the_caller_after_the_results_before_it():
    def work(item):
        if item == 3:
            raise RuntimeError("block 3")
        return item

    results = engine.in_order(work, range(10), 2)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(RuntimeError, match="block 3"):
        next(results)


def test_nothing_to_do():
    assert list(engine.in_order(lambda item: item, [], 2)) == []


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
