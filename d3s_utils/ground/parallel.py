"""Work side by side on threads that compute alone: small networks on small pictures gain little from sharing a step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

T = TypeVar("T")
R = TypeVar("R")


def one_thread_workers(count: int | None = None) -> ThreadPoolExecutor:
    """A pool of `count` threads (as many as torch may use), each of which computes on itself alone."""
    return ThreadPoolExecutor(count or torch.get_num_threads(), initializer=torch.set_num_threads, initargs=(1,))


@contextmanager
def computing_on(threads: int) -> Iterator[None]:
    """Whatever this thread computes meanwhile is shared among so many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def side_by_side(work: Callable[[T], R], items: Iterable[T], count: int | None = None) -> list[R]:
    """`work` of every item, in their order; what comes out is the same for any number of threads."""
    with one_thread_workers(count) as pool:
        return list(pool.map(work, items))


def ahead(load: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """`load` of every item, in their order, each while the one before is in use: reading hides behind computing."""
    with one_thread_workers(1) as reader:
        waiting = None
        for item in items:
            coming = reader.submit(load, item)
            if waiting is not None:
                yield waiting.result()
            waiting = coming
        if waiting is not None:
            yield waiting.result()
