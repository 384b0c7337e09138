"""Work on several items at once, on threads, and hand the results out in the items' order.

Threads and not processes: the parsers and numpy let go of the interpreter while they parse and check, so threads scale
like processes here, and there is nothing to send, no orphan, and no worker that can be killed alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

AHEAD = 2  # items that wait beside those in work, so that no worker does; more would only cost memory


def in_order(work: Callable[[Item], Result], items: Iterable[Item], *, workers: int) -> Generator[Result, None, None]:
    """Yield `work(item)` for each item; errors too come when they would in a plain loop.

    Items are drawn in the caller's thread, at most ``workers + AHEAD`` of them beyond the result it waits for.
    """
    source, ended, pending = iter(items), False, deque[Future[Result]]()
    late: Exception | None = None  # of the source: the results of the items before it go first
    pool = ThreadPoolExecutor(workers, thread_name_prefix="parser")
    try:
        while pending or not ended:
            while not ended and len(pending) <= workers + AHEAD:
                try:
                    pending.append(pool.submit(work, next(source)))
                except StopIteration:
                    ended = True
                except Exception as error:
                    ended, late = True, error
            if pending:
                yield pending.popleft().result()
        if late:
            raise late
    finally:
        pool.shutdown(cancel_futures=True)  # an error or Ctrl-C waits for the blocks in work, not for those in line
