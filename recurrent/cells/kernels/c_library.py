"""recurrence.c from Python: the library, its threads, and what it does without torch.

Legend of shapes: B batch, T steps, D features, H hidden_size, A answers of a step.
"""

import ctypes
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from recurrent import compiled_c

Floats = npt.NDArray[np.float32]

SOURCE = Path(__file__).with_name("recurrence.c")
long, pointer = ctypes.c_long, ctypes.c_void_p
SIGNATURES: dict[str, tuple[type, ...]] = {  # see recurrence.c
    "sequences_of_a_share": (),
    "width_of_gradient": (long,),
    "size_of_gradient": (long,) * 3,
    "forward": (long,) * 6 + (pointer,) * 9,
    "backward": (long,) * 7 + (pointer,) * 11,
}


def library() -> ctypes.CDLL:
    """Give recurrence.c compiled, or raise compiled_c.Unavailable."""
    return compiled_c.load(SOURCE, **SIGNATURES)


def forward(shape: Sequence[int], hidden: int, answers: int, addresses: Sequence[int | None], threads: int) -> None:
    """Run all steps of a signal of `shape` (B, T, D); `addresses` as recurrence.c has them, NULL where None."""

    def run(first: int, last: int) -> int:
        return int(library().forward(first, last, *shape[1:], hidden, answers, *addresses))

    in_threads(run, shape[0], threads)


def states(
    x: Floats, w_in: Floats, w: Floats, bias: Floats, head: Floats, head_bias: Floats, threads: int
) -> tuple[Floats, Floats]:
    """Run a layer from zeros.

    Parameters
    ----------
    x, w_in, w, bias : signal (B, T, D), weights as nn.Linear has them, both biases in one
    head, head_bias : (A, H) and (A,); of a layer without a head A is 0

    Returns
    -------
    states (B, T, H), the head's answers (B, T, A)
    """
    (B, T, _), (A, H) = x.shape, head.shape
    found, answers = np.empty((B, T, H), np.float32), np.empty((B, T, A), np.float32)
    given = [np.ascontiguousarray(array, np.float32) for array in (x, w_in, w, bias, head, head_bias)]
    x_at, *weights_at = (array.ctypes.data for array in given)
    forward(x.shape, H, A, (x_at, None, *weights_at, found.ctypes.data, answers.ctypes.data), threads)
    return found, answers


def shares(batch: int) -> int:
    """Give the parts of a batch whose gradients are summed apart."""
    return -(-batch // int(library().sequences_of_a_share()))


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
