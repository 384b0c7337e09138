"""Threads of the kernels: our own, as torch's wait in a loop between two calls and take the cores from ours."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

_count = 1


def use(threads: int) -> None:
    """Set how many threads the kernels may use from now on; it changes no bit."""
    global _count
    _count = threads


def used() -> int:
    """Give the number that `use` said."""
    return _count


def share(run: Callable[[int, int], Any], count: int) -> None:
    """Call run(first, last) for each thread's part of `count`; ctypes lets go of the interpreter's lock."""
    threads = min(_count, count)
    bounds = [count * i // threads for i in range(threads + 1)]
    others = [_pool(threads - 1).submit(run, *part) for part in zip(bounds[1:], bounds[2:], strict=False)]
    failed = [run(0, bounds[1]), *(other.result() for other in others)]
    if any(failed):
        raise MemoryError("no memory for the recurrence's weights")


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads)
