"""Calls that run on other processes or machines, by dask.distributed; their results come in the order of the calls.

The environment says where, since it decides how long something takes and not what comes out: DASK_WORKERS=4 starts so
many processes here; DASK_SCHEDULER_ADDRESS=tcp://host:8786 uses a cluster that runs, in whose workers this checkout can
be imported and files have the paths that they have here.
"""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from typing import Any, TypeVar

T = TypeVar("T")
R = TypeVar("R")

COUNT, ADDRESS = "DASK_WORKERS", "DASK_SCHEDULER_ADDRESS"
MOST = 512
# Seconds. Workers have been seen to hang after a kill (dask/distributed #3196); a call takes a second or two.
DEADLINE, CLOSING = 60.0, 10.0
AHEAD = 2  # calls for each worker that run or wait, so that memory stays flat


@contextmanager
def workers() -> Iterator[Workers | None]:
    """Yield what the environment asks for, or None where it asks for nothing.

    Raises
    ------
    ValueError
        Where the number is none, or dask.distributed is not installed.
    OSError
        Where the scheduler cannot be reached, or has no worker.
    """
    count, address = os.environ.get(COUNT, ""), os.environ.get(ADDRESS, "")
    if not count and not address:
        yield None
        return
    if not address and not (count.isdecimal() and 1 <= int(count) <= MOST):
        raise ValueError(f"{COUNT} is {count!r}, expected a number of processes from 1 to {MOST}")
    try:
        distributed: Any = import_module("distributed")
    except ImportError as error:
        found = f"{ADDRESS} is {address!r}" if address else f"{COUNT} is {count!r}"
        raise ValueError(f"{found}, but dask.distributed is missing: pip install '.[scale]'") from error
    with ExitStack() as opened:
        if not address:
            local = {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}  # any free port
            cluster = distributed.LocalCluster(n_workers=int(count), threads_per_worker=1, memory_limit=0, **local)
            opened.callback(cluster.close, timeout=CLOSING)
            address = cluster.scheduler_address
        client = distributed.Client(address, timeout=CLOSING, set_as_default=False)
        opened.callback(client.close, timeout=CLOSING)
        client.wait_for_workers(1, timeout=CLOSING)
        yield Workers(client, len(client.scheduler_info(n_workers=-1)["workers"]))


class Workers:
    """Runs calls on the workers of a dask client; what they do not answer in time, it runs in this process."""

    def __init__(self, client: Any, count: int) -> None:
        self._client, self._ahead = client, AHEAD * count

    def map(self, function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """Yield function(item) of each item in order; `items` are asked for while earlier calls run.

        A call whose worker dies is made again by another one. After any other failure, or DEADLINE seconds without
        an answer, the workers are given up with a word, and this process makes the calls that are left. A ValueError
        is the function's own and is raised.
        """
        calls = deque[tuple[T, Any]]()
        for item in items:
            calls.append((item, self._client and self._client.submit(function, item, pure=False)))
            if len(calls) >= self._ahead:
                yield self._answer(function, *calls.popleft())
        while calls:
            yield self._answer(function, *calls.popleft())

    def _answer(self, function: Callable[[T], R], item: T, call: Any) -> R:
        if self._client:
            try:
                return call.result(timeout=DEADLINE)
            except ValueError:
                raise
            except Exception as error:  # whatever befalls a cluster
                self.report(f"the workers are given up, this process goes on alone: {error!r}")
                self._client = None
        return function(item)

    @staticmethod
    def report(text: str) -> None:
        """Say that a worker could not do its part, which this process has done or will do."""
        print(f"dask: {text}", file=sys.stderr)
