"""Work on threads: results in order, little ahead of need, errors passed on."""

import threading
import time

import numpy as np
import pytest

from bnnpost.numerics.threads import in_order


@pytest.mark.parametrize("threads", [1, 2, 7])
def test_results_come_in_the_order_of_the_items(threads):
    delays = np.random.default_rng(0).uniform(0, 0.004, 40)

    def work(item):
        time.sleep(delays[item])
        return item

    assert list(in_order(work, range(40), threads)) == list(range(40))


@pytest.mark.parametrize("threads", [1, 3])
def test_little_is_begun_ahead_of_need(threads):
    begun = []
    results = in_order(begun.append, range(100), threads)
    for taken in range(1, 6):
        next(results)
        assert len(begun) <= taken + threads
    results.close()
    assert len(begun) <= 6 + threads


def test_stopping_early_leaves_no_thread_behind():
    before = threading.active_count()
    results = in_order(lambda item: item, iter(range(10**9)), 3)
    assert next(results) == 0
    results.close()
    assert threading.active_count() == before


def test_an_error_reaches_the_caller_after_the_results_before_it():
    def work(item):
        if item == 3:
            raise RuntimeError("block 3")
        return item

    results = in_order(work, range(10), 2)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(RuntimeError, match="block 3"):
        next(results)


def test_nothing_to_do():
    assert list(in_order(lambda item: item, [], 2)) == []
