"""Memory that is used again: the system hands out large blocks page by page, which costs as much as filling them."""

import math
import sys

import numpy as np
import torch
from torch import Tensor

_kept = [np.empty(0, np.float32)]
_IDLE = sys.getrefcount(_kept[0])  # of an array that no tensor looks at


def empty(*shape: int, dtype: torch.dtype) -> Tensor:
    """Give a tensor of any content; its memory comes back when no tensor looks at it any more."""
    size = math.prod(shape) * dtype.itemsize // 4
    idle = [i for i in range(len(_kept)) if sys.getrefcount(_kept[i]) == _IDLE]
    fits = next((i for i in idle if size <= _kept[i].size <= 2 * size), None)
    if fits is None:
        for i in reversed(idle):  # of another size than is wanted now
            del _kept[i]
        _kept.append(np.empty(size, np.float32))
        fits = -1
    return torch.from_numpy(_kept[fits])[:size].view(dtype).view(shape)
