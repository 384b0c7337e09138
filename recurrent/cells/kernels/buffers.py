"""Memory that is used again: the system hands out large blocks page by page, which costs as much as filling them."""

import math
import weakref

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

SMALL = 1 << 14  # floats; such blocks the system leaves to the process
_idle: list[npt.NDArray[np.float32]] = []  # blocks that no tensor uses


def empty(*shape: int, dtype: torch.dtype) -> Tensor:
    """Return a tensor of any content; its memory can be given out again once no tensor uses it any more."""
    size = math.prod(shape) * dtype.itemsize // 4 + 15
    if size < SMALL:
        return torch.empty(shape, dtype=dtype)
    fits = next((i for i in reversed(range(len(_idle))) if size <= _idle[i].size <= 2 * size), None)  # the latest
    if fits is None:
        _idle.clear()  # blocks of other sizes than are wanted now
        block = np.empty(size, np.float32)
    else:
        block = _idle.pop(fits)
    begin = -block.ctypes.data % 64 // 4  # at the begin of a cache line, where vectors cross none
    part = block[begin : begin + size - 15]  # the tensors hold this array: when it goes, the last of them has gone
    weakref.finalize(part, _idle.append, block).atexit = False
    return torch.from_numpy(part).view(dtype).view(shape)
