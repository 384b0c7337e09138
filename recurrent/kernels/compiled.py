"""recurrence.c from Python: the library, its threads, and what it does without torch.

Legend of shapes: B batch, T steps, D features, H hidden_size.
"""

import ctypes
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from recurrent import compiler

Floats = npt.NDArray[np.float32]

SOURCE = Path(__file__).with_name("recurrence.c")
long, pointer = ctypes.c_long, ctypes.c_void_p
SIGNATURES: dict[str, tuple[type, ...]] = {  # see recurrence.c
    "rows_of_a_block": (),
    "width_of_gradient": (long,),
    "height_of_gradient": (long,) * 2,
    "forward": (long,) * 6 + (pointer,) * 6,
    "backward": (long,) * 8 + (pointer,) * 11,
}


def library() -> ctypes.CDLL:
    """Give recurrence.c compiled, or raise compiler.Unavailable."""
    return compiler.load(SOURCE, **SIGNATURES)


def forward(shape: Sequence[int], hidden: int, addresses: Sequence[int | None], threads: int) -> None:
    """Run all steps of a signal of `shape` (B, T, D); `addresses` as recurrence.c has them, NULL where None."""

    def run(first: int, last: int) -> int:
        return int(library().forward(first, last, *shape, hidden, *addresses))

    in_threads(run, blocks(shape[0]), threads)


def states(x: Floats, w_in: Floats, w: Floats, bias: Floats, threads: int) -> Floats:
    """Signal (B, T, D), weights as nn.Linear has them, both biases in one -> states (B, T, H), from zeros."""
    found = np.empty((*x.shape[:2], len(w)), np.float32)
    given = [np.ascontiguousarray(array, np.float32) for array in (x, w_in, w, bias)]
    x_at, *weights_at = (array.ctypes.data for array in given)
    forward(x.shape, len(w), (x_at, None, *weights_at, found.ctypes.data), threads)
    return found


def blocks(batch: int) -> int:
    """Give the blocks of rows that a batch makes."""
    return -(-batch // int(library().rows_of_a_block()))


def in_threads(run: Callable[[int, int], Any], count: int, threads: int) -> None:
    """Call run(first, last) for each thread's part of `count`; ctypes lets go of the interpreter's lock."""
    threads = min(threads, count)
    bounds = [count * i // threads for i in range(threads + 1)]
    each = map if threads == 1 else _pool(threads).map
    if any(each(run, bounds[:-1], bounds[1:])):
        raise MemoryError("no memory for the recurrence's weights")


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads)
