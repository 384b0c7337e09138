"""recurrence.c from Python: the library for a cell and a hidden size, and what it does without torch.

Legend of shapes: B batch, T steps, D features, H hidden_size, A outputs of a step, G gates of the cell.
"""

import ctypes
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from recurrent import compiled_c
from recurrent.cells.kernels import threads

Floats = npt.NDArray[np.float32]

SOURCE = Path(__file__).with_name("recurrence.c")
GATES = {"manual": 1, "gru": 3, "lstm": 4}  # each has a file of its name, .h
PARTS = {"manual": 1, "gru": 1, "lstm": 2}  # of the state
KEPT = {"manual": 0, "gru": 4, "lstm": 5}  # numbers of a unit and step that are kept for the gradient; see there
SPECIALISED = 16  # hidden size from which a build of its own pays: it takes a second or two, once
long, pointer = ctypes.c_long, ctypes.c_void_p
SIGNATURES: dict[str, tuple[type, ...]] = {  # see recurrence.c and gradient.h
    "sequences_of_a_share": (),
    "size_of_gradient": (long,) * 3,
    "forward": (long,) * 6 + (pointer,) * 14,
    "backward": (long,) * 7 + (pointer,) * 15,
    "together": (long,) * 4 + (pointer,) * 2,
}


@cache
def library(cell: str = "manual", hidden: int = 0) -> ctypes.CDLL:
    """Return recurrence.c compiled for a cell and its hidden size, or any size; or raise compiled_c.Unavailable."""
    if hidden >= SPECIALISED:
        try:
            return compiled_c.load(SOURCE, *flags(cell), f"-DHIDDEN={hidden}", **SIGNATURES)
        except compiled_c.Unavailable:  # such as without a compiler, where one was there before
            pass
    return compiled_c.load(SOURCE, *flags(cell), **SIGNATURES)


def flags(cell: str) -> tuple[str, ...]:
    """Give the compiler's flags; -O3 takes twice as long and is no faster, as what matters is unrolled by hand."""
    return "-O2", f'-DCELL="{cell}.h"'


def forward(cell: str, shape: Sequence[int], hidden: int, outputs: int, addresses: Sequence[int | None]) -> None:
    """Run all steps of a signal of `shape` (B, T, D); `addresses` as recurrence.c has them, NULL where None."""
    (B, T, D), built = shape, library(cell, hidden)
    states_at, kept_at = addresses[9:11]
    kind = "forward", cell, B, T, D, hidden, outputs, states_at is None, kept_at is None
    threads.share(lambda first, last: built.forward(first, last, T, D, hidden, outputs, *addresses), B, kind)


def run(
    cell: str, x: Floats, weights: Sequence[Floats], head: Sequence[Floats] | None, start: Floats | None = None
) -> tuple[Floats, Floats]:
    """Run a layer.

    Parameters
    ----------
    x, weights : signal (B, T, D); (G H, D), (G H,), (G H, H), (G H,) as nn.Linear has them
    head : weight (A, H) and bias (A,)
    start : parts of the state before the first step (P, B, H), zeros where None

    Returns
    -------
    states (B, T, H), or the head's outputs (B, T, A), and the parts of the state after the last step
    """
    (B, T, _), H, A = x.shape, weights[2].shape[1], 0 if head is None else len(head[1])
    found, last = np.empty((B, T, A or H), np.float32), np.empty((2, B, H), np.float32)
    begin = (None, None) if start is None else (*np.ascontiguousarray(start, np.float32), None)[:2]
    given = [np.ascontiguousarray(array, np.float32) for array in (x, *weights, *(head or ()))]
    ends = (None, None) if head is None else ()
    states, outputs = (found, None) if head is None else (None, found)
    addresses = _addresses(given[0], *begin, *given[1:], *ends, states, None, *last, outputs)
    forward(cell, x.shape, H, A, addresses)
    return found, last[: PARTS[cell]]


def gradient(cell: str, x: Floats, layers: Sequence[Sequence[Floats]], head: Floats, d_outputs: Floats) -> Floats:
    """Return how outputs change with the signal, summed over them with the weights `d_outputs`.

    Parameters
    ----------
    x, layers, head : signal (B, T, D); weights of each layer as `run` has them; (A, H)
    d_outputs : (B, T, A)

    Returns
    -------
    (B, T, D)
    """
    (B, T, _), H, signals, kept = x.shape, head.shape[1], [x], list[Floats]()
    for weights in layers:
        states, last = np.empty((B, T, H), np.float32), np.empty((2, B, H), np.float32)
        kept.append(np.empty((B, T, KEPT[cell], H), np.float32))
        addresses = _addresses(signals[-1], None, None, *weights, None, None, states, kept[-1], *last, None)
        forward(cell, signals[-1].shape, H, 0, addresses)
        signals.append(states)
    d_x = _backward(cell, signals[-2], layers[-1], signals[-1], kept[-1], head, None, d_outputs)
    for layer in reversed(range(len(layers) - 1)):
        d_x = _backward(cell, signals[layer], layers[layer], signals[layer + 1], kept[layer], None, d_x, None)
    return d_x


def _backward(
    cell: str,
    x: Floats,
    weights: Sequence[Floats],
    states: Floats,
    kept: Floats,
    head: Floats | None,
    d_states: Floats | None,
    d_outputs: Floats | None,
) -> Floats:
    """Return the gradient (B, T, D) of a layer's signal; that of its weights is made on the way and not used."""
    (B, T, D), H, A, built = x.shape, states.shape[2], 0 if head is None else len(head), library(cell, states.shape[2])
    shares, d_x = -(-B // int(built.sequences_of_a_share())), np.empty_like(x)
    sums = np.empty((shares, built.size_of_gradient(D, H, A)), np.float32)
    given = _addresses(x, None, None, weights[0], weights[2], states, kept, head, d_states, None, d_outputs)
    if built.backward(0, shares, B, T, D, H, A, *given, *_addresses(sums, d_x, None, None)):
        raise MemoryError("no memory for the recurrence's gradient")
    return d_x


def _addresses(*arrays: Floats | None) -> list[int | None]:
    return [None if array is None else array.ctypes.data for array in arrays]
