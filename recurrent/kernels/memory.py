"""Memory that is used again: the system hands out large blocks page by page, which costs as much as filling them."""

import math
import sys

import numpy as np
import torch
from torch import Tensor

from_numpy = torch.from_numpy
_kept = [np.empty(0, np.float32)]
_IDLE = sys.getrefcount(_kept[0])  # of an array that no tensor looks at


def empty(*shape: int, dtype: torch.dtype) -> Tensor:
    """Give a tensor of any content; its memory comes back when no tensor looks at it any more."""
    size = math.prod(shape) * dtype.itemsize
    for i in range(len(_kept)):
        if sys.getrefcount(_kept[i]) == _IDLE and size <= _kept[i].nbytes <= 2 * size:
            return from_numpy(_kept[i])[: size // 4].view(dtype).view(shape)
    _kept[:] = [memory for i, memory in enumerate(_kept) if sys.getrefcount(_kept[i]) > _IDLE + 1]
    _kept.append(np.empty(-(-size // 4), np.float32))
    return from_numpy(_kept[-1]).view(dtype).view(shape)
