"""Threads of the kernels: our own, as torch's wait in a loop between two calls and take the cores from ours.

With auto, what pays is measured as the work is done. Calls that are too short, cores that other programs or other
workers of DVC's queue use, a container's quota, two cores that are halves of one: all show in the same clock.
"""

import math
import os
import time
from collections.abc import Callable, Generator, Hashable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, Literal

PAYS = 0.75  # of the seconds: with twice the threads a call must take less, or they are not worth their cores
CALLS = 5  # that are timed with a number of threads; the first of them does not count
PAUSE = 50  # times as long as measuring took, until it is done again

_asked: int | Literal["auto"] = 1
_processes = 1  # that have the cores to share
_paces: dict[Hashable, Generator[int, float, None]] = {}
_threads: dict[Hashable, int] = {}  # of the next call


def use(threads: int | Literal["auto"]) -> None:
    """Set how many threads the kernels use from now on; it changes no bit."""
    global _asked
    _asked = threads
    _paces.clear()
    _threads.clear()


def share_cores(processes: int) -> None:
    """Leave the others of so many processes their part of the cores."""
    global _processes
    _processes = processes


def used() -> int:
    """Give the largest number of threads that the kernels may use."""
    return max(1, cores() // _processes) if _asked == "auto" else _asked


def of_torch(backend: str) -> int:
    """Give the number for torch: one beside the kernels', and with auto, as its last bits depend on it."""
    return 1 if backend == "c" or _asked == "auto" else _asked


@cache
def cores() -> int:
    """Count the cores that this process may run on, at most OMP_NUM_THREADS."""
    # macOS has no affinity
    own = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    asked = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return min(own, int(asked)) if asked.isdecimal() and int(asked) else own


def share(run: Callable[[int, int], Any], count: int, kind: Hashable) -> None:
    """Call run(first, last) for each thread's part of `count`; ctypes lets go of the interpreter's lock.

    Calls of one `kind` are alike in their work.
    """
    limit = 1 if _asked == 1 else min(used(), count)
    threads = _threads.get(kind, 1) if _asked == "auto" else limit
    begin = time.perf_counter()
    bounds = [count * i // threads for i in range(threads + 1)]
    others = [_pool(threads - 1).submit(run, *part) for part in zip(bounds[1:], bounds[2:], strict=False)]
    failed = run(0, bounds[1]), *(other.result() for other in others)
    if any(failed):
        raise MemoryError("no memory for the recurrence's weights")
    if _asked == "auto" and limit > 1:
        if kind not in _paces:
            _paces[kind] = pace(limit)
            next(_paces[kind])
        _threads[kind] = _paces[kind].send(time.perf_counter() - begin)


def pace(limit: int) -> Generator[int, float, None]:
    """Give how many threads a call should have, and take the seconds that it took.

    Twice as many as long as that saves a quarter of the time. A mean is held against a median: a call that had to wait
    speaks against more threads, never for them.
    """
    while True:
        threads, fewer, least, spent = 1, 1, math.inf, 0.0
        while True:
            seconds = []
            for _ in range(CALLS):
                seconds.append((yield threads))
            spent += sum(seconds)
            if sum(seconds[1:]) / (CALLS - 1) > PAYS * least:
                threads = fewer
                break
            if threads == limit:
                break
            least = sorted(seconds[1:])[(CALLS - 1) // 2]
            threads, fewer = min(2 * threads, limit), threads
        while spent > 0:
            spent -= (yield threads) / PAUSE


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads)
