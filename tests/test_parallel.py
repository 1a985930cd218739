"""Work side by side: in order, each on one thread, and errors are heard."""

import threading

import pytest
import torch

from d3s_utils.parallel import side_by_side


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
