"""Which kernel computes a layer of the manual cell; what none takes, the reference computes."""

import sys
from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor, nn

from recurrent import compiled_c
from recurrent.cells.kernels import c_layer, c_library, cudnn_layer, numpy_layer


def choose(backend: str) -> str:
    """Give the backend that this machine can run, reference, numpy or c; auto is the fastest of them.

    Only c gives the same bits on every machine (docs/numerics.md); the others equal it to rounding.
    """
    if backend not in ("auto", "c"):
        return backend
    try:
        c_library.library()
    except compiled_c.Unavailable as reason:
        _say(f"backend numpy instead of c: {reason}")
        return "numpy"
    return "c"


def layer(
    backend: str, x: Tensor, start: Tensor | None, weights: Sequence[Tensor], head: nn.Linear | None
) -> tuple[Tensor, Tensor | None] | None:
    """Run one layer, and a head where there is one.

    Parameters
    ----------
    x, start : signal (B, T, D); state before the first step (B, H), zeros where None
    weights : (H, D), (H,), (H, H), (H,): weight and bias of nn.Linear from the input and from the state

    Returns
    -------
    states (B, T, H) and the head's answers (B, T, A), or None where only the reference can; on a GPU every backend
    but the reference is cuDNN's

    Raises
    ------
    NotImplementedError
        Backwards, where the gradient of a gradient is asked for.
    """
    if backend == "reference":
        return None
    if x.is_cuda:
        return _with_head(cudnn_layer.layer(x, start, *weights), head)
    tensors = [x, *([] if start is None else [start]), *weights, *([] if head is None else head.parameters())]
    alike = {(tensor.device.type, tensor.dtype) for tensor in tensors} == {("cpu", x.dtype)}
    if alike and x.numel() and not torch.is_autocast_enabled("cpu"):
        if backend == "c" and x.dtype == torch.float32:
            ends = (None, None) if head is None else (head.weight, head.bias)
            return c_layer.Layer.apply(x, start, *weights, *ends)  # type: ignore[no-untyped-call]
        if x.dtype in (torch.float32, torch.float64):
            if backend != "numpy":
                _say(f"backend numpy instead of {backend}: {x.dtype}")
            states = numpy_layer.Layer.apply(x, start, *weights)  # type: ignore[no-untyped-call]
            return _with_head(states, head)
    _say(f"backend reference instead of {backend}: {x.dtype} on {x.device}, {tuple(x.shape)}")
    return None


def _with_head(states: Tensor, head: nn.Linear | None) -> tuple[Tensor, Tensor | None]:
    return states, None if head is None else head(states)


@cache
def _say(line: str) -> None:
    """Once is enough."""
    print(line, file=sys.stderr)
