"""Fast paths of the manual cell: the same maths as its loop, to rounding. The loop stays the reference.

Nothing here decides what is computed, only how; what no kernel takes, the reference computes.
"""

import sys
from functools import cache

import torch
from torch import Tensor

from recurrent.kernels import c_kernel, compiler, cudnn_kernel, numpy_kernel

TAKES = {"c": (torch.float32,), "numpy": (torch.float32, torch.float64)}
LAYERS = {"c": c_kernel.Layer, "numpy": numpy_kernel.Layer}


def choose(backend: str) -> str:
    """Give the backend that this machine can run, reference, numpy or c; auto is the fastest of them."""
    if backend not in ("auto", "c"):
        return backend
    try:
        compiler.library()
    except compiler.Unavailable as reason:
        _say(f"backend numpy instead of c: {reason}")
        return "numpy"
    return "c"


def layer(
    backend: str, x: Tensor, start: Tensor | None, w_in: Tensor, b_in: Tensor, w: Tensor, b: Tensor
) -> Tensor | None:
    """Run one layer: x (B, T, D), start (B, H) or None -> states (B, T, H), or None where the reference must.

    On a GPU every backend but the reference is cuDNN's. A gradient of a gradient is an error; ask for the reference.
    """
    if backend == "reference":
        return None
    if x.is_cuda:
        return cudnn_kernel.layer(x, start, w_in, b_in, w, b)
    alike = x.device.type == "cpu" and x.dtype == w.dtype and (start is None or start.dtype == x.dtype)
    for name in dict.fromkeys((backend, "numpy")):
        if alike and x.numel() and x.dtype in TAKES[name] and not torch.is_autocast_enabled("cpu"):
            if name != backend:
                _say(f"backend {name} instead of {backend}: {x.dtype}")
            states: Tensor = LAYERS[name].apply(x, start, w_in, b_in, w, b)  # type: ignore[no-untyped-call]
            return states
    _say(f"backend reference instead of {backend}: {x.dtype} and {w.dtype} on {x.device}, {tuple(x.shape)}")
    return None


@cache
def _say(line: str) -> None:
    """Once is enough."""
    print(line, file=sys.stderr)
