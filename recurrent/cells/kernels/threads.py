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


def count() -> int:
    """Return how many threads the kernels may use."""
    return _count


def share(run: Callable[[int, int], Any], parts: int) -> None:
    """Call run(first, last) for each thread's share of `parts`; ctypes lets go of the interpreter's lock."""
    threads = min(_count, parts)
    bounds = [parts * i // threads for i in range(threads + 1)]
    rest = [_pool(threads - 1).submit(run, *part) for part in zip(bounds[1:], bounds[2:], strict=False)]
    failed = [run(0, bounds[1]), *(other.result() for other in rest)]
    if any(failed):
        raise MemoryError("no memory for the recurrence's weights")


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads)
