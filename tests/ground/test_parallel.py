"""Work side by side: in order, each on one thread, and errors are heard."""

import threading

import pytest
import torch

from d3s_utils.ground.parallel import ahead, side_by_side


def test_results_come_in_the_order_of_the_items_and_work_runs_on_threads_of_one():
    here = threading.get_ident()
    results = side_by_side(lambda i: (i, torch.get_num_threads(), threading.get_ident() == here), range(7), count=3)
    assert results == [(i, 1, False) for i in range(7)]


def test_the_caller_keeps_its_threads():
    before = torch.get_num_threads()
    side_by_side(lambda i: torch.ones(3).sum(), range(4), count=2)
    assert torch.get_num_threads() == before


def test_an_error_in_one_piece_of_work_reaches_the_caller():
    def work(i: int) -> int:
        return 1 // i

    with pytest.raises(ZeroDivisionError):
        side_by_side(work, [1, 0, 2], count=2)


def test_the_next_item_is_read_while_this_one_is_in_use():
    read, started = [], threading.Event()

    def load(item):
        read.append(item)
        if item == "b":
            started.set()
        return item.upper()

    found = []
    for value in ahead(load, ["a", "b", "c"]):
        if value == "A":
            assert started.wait(10)  # b is read although a is not yet done with
        found.append(value)
    assert found == ["A", "B", "C"] and read == ["a", "b", "c"] and list(ahead(load, [])) == []


def test_what_goes_wrong_while_reading_ahead_comes_out_in_its_turn():
    def load(item):
        return 1 // item

    results = ahead(load, [1, 0, 1])
    assert next(results) == 1
    with pytest.raises(ZeroDivisionError):
        next(results)
