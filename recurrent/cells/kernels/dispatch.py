"""Which kernel computes a layer of a hand-made cell; what none takes, the reference computes."""

import sys
from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor, nn

from recurrent import compiled_c
from recurrent.cells.kernels import c_layer, c_library, cudnn_layer, numpy_layer


def choose(backend: str, cell: str = "manual", hidden: int = 0) -> str:
    """Return the backend that this machine can run, reference, numpy or c; auto is the fastest of them.

    Only c gives the same bits on every machine (docs/numerics.md); the others equal it to rounding. It is compiled for
    the cell and the hidden size here, where it is not yet.
    """
    if backend not in ("auto", "c"):
        return backend
    try:
        c_library.library(cell, hidden)
    except compiled_c.Unavailable as reason:
        other = "numpy" if cell in numpy_layer.CELLS else "reference"
        _say_once(f"backend {other} instead of c: {reason}")
        return other
    return "c"


def layer(
    cell: str,
    backend: str,
    x: Tensor,
    start: tuple[Tensor, ...] | None,
    weights: Sequence[Tensor],
    head: nn.Linear | None,
) -> tuple[Tensor, tuple[Tensor, ...]] | None:
    """Run one layer, and a head where there is one.

    Parameters
    ----------
    x, start : signal (B, T, D); parts of the state before the first step (B, H), zeros where None
    weights : (G H, D), (G H,), (G H, H), (G H,): weight and bias of nn.Linear from the input and from the state

    Returns
    -------
    states (B, T, H), or the head's outputs (B, T, A) in their place, and the last state, or None where only the
    reference can; on a GPU every backend but the reference is cuDNN's

    Raises
    ------
    NotImplementedError
        Backwards, where the gradient of a gradient is asked for.
    """
    if backend == "reference":
        return None
    if x.is_cuda:
        states, last = cudnn_layer.layer(cell, x, start, weights)
        return states if head is None else head(states), last
    ends = (None, None) if head is None else (head.weight, head.bias)
    tensors = [tensor for tensor in (x, *(start or ()), *weights, *ends) if tensor is not None]
    alike = [tensor for tensor in tensors if tensor.is_cpu and tensor.dtype == x.dtype]
    if len(alike) == len(tensors) and x.numel() and not torch.is_autocast_enabled("cpu"):
        if backend == "c" and x.dtype == torch.float32:
            return _compiled(cell, tensors, x, start, weights, ends)
        if cell in numpy_layer.CELLS and x.dtype in (torch.float32, torch.float64):
            if backend != "numpy":
                _say_once(f"backend numpy instead of {backend}: {x.dtype}")
            states = numpy_layer.Layer.apply(x, None if start is None else start[0], *weights)  # type: ignore[no-untyped-call]
            return states if head is None else head(states), (states[:, -1],)
    _say_once(f"backend reference instead of {backend}: {x.dtype} on {x.device}, {tuple(x.shape)}")
    return None


def _compiled(
    cell: str,
    tensors: Sequence[Tensor],
    x: Tensor,
    start: tuple[Tensor, ...] | None,
    weights: Sequence[Tensor],
    ends: Sequence[Tensor | None],
) -> tuple[Tensor, tuple[Tensor, ...]]:
    begin = (*(start or (None,)), None)[:2]
    if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors):
        states, memory, outputs = c_layer.Layer.apply(cell, x, *begin, *weights, *ends)  # type: ignore[no-untyped-call]
        last = states[:, -1]
    else:
        states, last, memory, outputs = c_layer.infer(cell, x, begin, weights, ends)
    return states if outputs is None else outputs, (last, memory)[: c_library.PARTS[cell]]


@cache
def _say_once(line: str) -> None:
    print(line, file=sys.stderr)
