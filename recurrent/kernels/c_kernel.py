"""One layer by recurrence.c, which says how: forward and backward, float32, over torch.get_num_threads() threads.

Legend of shapes: B batch, T steps, D features, H hidden_size.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import torch
from torch import Tensor

from recurrent.kernels import memory
from recurrent.kernels.compiler import library

# Gradients are summed within a share of the batch, then over the shares in their order, so that the bits
# do not depend on the threads; more threads than shares find nothing to do.
SHARES = 8


class Layer(torch.autograd.Function):
    """x (B, T, D), start (B, H) or None, weights as nn.Linear has them -> states (B, T, H)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, start: Tensor | None, w_in: Tensor, b_in: Tensor, w: Tensor, b: Tensor) -> Tensor:
        """Run all steps."""
        x, w_in, w, bias = x.contiguous(), w_in.contiguous(), w.contiguous(), b_in + b
        start = None if start is None else start.contiguous()
        states = memory.empty(*x.shape[:2], len(w), dtype=x.dtype)

        def run(share: int, shares: int) -> int:
            return library().forward(*_sizes(x, w, share, shares), *_addresses(x, start, w_in, w, bias, states))

        _in_threads(run, _shares(x))
        ctx.save_for_backward(x, start, w_in, w, states)
        return states

    @staticmethod
    def backward(ctx: Any, d_states: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of what `forward` takes, in its order."""
        if torch.is_grad_enabled():  # create_graph=True
            raise NotImplementedError("no gradient of a gradient from this kernel: set the backend to reference")
        x, start, w_in, w, states = ctx.saved_tensors
        (D, H), shares, d_states = (x.shape[2], len(w)), _shares(x), d_states.contiguous()
        d_x = torch.empty_like(x) if ctx.needs_input_grad[0] else None
        d_start = None if start is None else torch.empty_like(start)
        sums = x.new_zeros(shares, library().height_of_gradient(D, H), library().width_of_gradient(H))

        def run(share: int, shares: int) -> int:
            tensors = (x, start, w_in, w, states, d_states, sums[share], d_x, d_start)
            return library().backward(*_sizes(x, w, share, shares), *_addresses(*tensors))

        _in_threads(run, shares)
        d_w_in, d_bias, d_w = torch.split(sum(sums.unbind())[: D + 1 + H, :H], [D, 1, H])
        return d_x, d_start, d_w_in.t(), d_bias[0], d_w.t(), d_bias[0]


def _shares(x: Tensor) -> int:
    return max(1, min(SHARES, -(-len(x) // library().rows_of_a_block())))


def _sizes(x: Tensor, w: Tensor, share: int, shares: int) -> tuple[int, ...]:
    """First and last block of a share of the batch, then B, T, D, H."""
    blocks = -(-len(x) // library().rows_of_a_block())
    return blocks * share // shares, blocks * (share + 1) // shares, *x.shape, len(w)


def _addresses(*tensors: Tensor | None) -> tuple[int | None, ...]:
    return tuple(None if tensor is None else tensor.data_ptr() for tensor in tensors)


def _in_threads(run: Callable[[int, int], int], shares: int) -> None:
    """Call run(share, shares) for each share; ctypes lets go of the interpreter's lock."""
    threads = min(torch.get_num_threads(), shares)
    each = map if threads == 1 else _pool(threads).map
    if any(each(run, range(shares), [shares] * shares)):
        raise MemoryError("no memory for the recurrence's weights")


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads)
