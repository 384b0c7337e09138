"""One layer by recurrence.c, which says how: forward and backward, float32, over the threads of threads.use.

No sum of torch's or BLAS's is on the way, so the bits are the same on every machine (docs/numerics.md).
Legend of shapes: B batch, T steps, D features, H hidden_size, A outputs of a step, G gates, P parts of a gradient.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from recurrent.cells.kernels import buffers, c_library, ranks, threads

Start = Sequence[Tensor | None]  # state and, of the LSTM, memory before the first step (B, H), zeros where None


def infer(
    cell: str, x: Tensor, start: Start, weights: Sequence[Tensor], head: Sequence[Tensor | None]
) -> tuple[Tensor | None, Tensor, Tensor | None, Tensor | None]:
    """Run all steps without a thought of gradients: no states where there is a head."""
    return _forward(cell, x, start, weights, head, None, with_states=head[0] is None)


class Layer(torch.autograd.Function):
    """Signal (B, T, D), start, weights as nn.Linear has them -> states (B, T, H), last memory, outputs (B, T, A).

    The head, two Nones where there is none, comes along because the gradient of its states need not be stored then.
    """

    @staticmethod
    def forward(
        ctx: Any,
        cell: str,
        x: Tensor,
        start: Tensor | None,
        start_memory: Tensor | None,
        w_in: Tensor,
        b_in: Tensor,
        w: Tensor,
        b: Tensor,
        head: Tensor | None,
        head_bias: Tensor | None,
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """Run all steps."""
        x, w_in, w, head = x.contiguous(), w_in.contiguous(), w.contiguous(), _contiguous(head)
        start, start_memory = _contiguous(start), _contiguous(start_memory)
        kept = None
        if of_unit := c_library.KEPT[cell]:
            kept = buffers.empty(*x.shape[:2], of_unit, w.shape[1], dtype=x.dtype)
        states, _, memory, outputs = _forward(
            cell, x, (start, start_memory), (w_in, b_in, w, b), (head, head_bias), kept, with_states=True
        )
        ctx.cell = cell
        ctx.save_for_backward(x, start, start_memory, w_in, w, states, kept, head)
        ctx.set_materialize_grads(False)
        return states, memory, outputs

    @staticmethod
    def backward(
        ctx: Any, d_states: Tensor | None, d_memory: Tensor | None, d_outputs: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        """Gradients of what `forward` takes, in its order."""
        if torch.is_grad_enabled():  # create_graph=True
            raise NotImplementedError("no gradient of a gradient from this kernel: set the backend to reference")
        x, start, start_memory, w_in, w, states, kept, head = ctx.saved_tensors
        (B, T, D), H, G, A = x.shape, w.shape[1], c_library.GATES[ctx.cell], 0 if d_outputs is None else len(head)
        given = [x, start, start_memory, w_in, w, states, kept, head]
        given += [_contiguous(tensor) for tensor in (d_states, d_memory, d_outputs)]
        d_x = torch.empty_like(x) if ctx.needs_input_grad[1] else None
        d_start, d_start_memory = (None if of is None else torch.empty_like(of) for of in (start, start_memory))
        library = c_library.library(ctx.cell, H)
        shares = -(-B // int(library.sequences_of_a_share()))
        before = int(not ranks.first())  # a row for what the ranks before this one add up to
        sums = buffers.empty(before + shares, library.size_of_gradient(D, H, A), dtype=x.dtype)

        given_at = _addresses(*given)

        def run(first: int, last: int) -> int:
            wanted = _addresses(sums[before + first :], d_x, d_start, d_start_memory)
            return int(library.backward(first, last, B, T, D, H, A, *given_at, *wanted))

        threads.share(run, shares, ("backward", ctx.cell, B, T, D, H, A, d_x is None))
        sizes = [G * H * D, G * H, G * H * H, G * H, A * H, A]
        total = x.new_empty(sum(sizes))
        with ranks.in_turn(sums[0], total):
            library.together(before + shares, D, H, A, *_addresses(sums, total))
        d_w_in, d_b_in, d_w, d_b, d_head, d_head_bias = total.split_with_sizes(sizes)
        of_head = (d_head.view(A, H), d_head_bias) if A else (None, None)
        return None, d_x, d_start, d_start_memory, d_w_in.view(-1, D), d_b_in, d_w.view(-1, H), d_b, *of_head


def _forward(
    cell: str,
    x: Tensor,
    start: Start,
    weights: Sequence[Tensor],
    head: Sequence[Tensor | None],
    kept: Tensor | None,
    *,
    with_states: bool,
) -> tuple[Tensor | None, Tensor, Tensor | None, Tensor | None]:
    """States, the last one, the last memory, outputs."""
    B, T, _ = x.shape
    H, A = weights[2].shape[1], 0 if head[0] is None else len(head[0])
    states = buffers.empty(B, T, H, dtype=x.dtype) if with_states else None
    last, outputs = x.new_empty(B, H), x.new_empty(B, T, A) if A else None
    memory = x.new_empty(B, H) if c_library.PARTS[cell] > 1 else None
    given = [_contiguous(tensor) for tensor in (x, *start, *weights, *head)]
    c_library.forward(cell, x.shape, H, A, _addresses(*given, states, kept, last, memory, outputs))
    return states, last, memory, outputs


def _contiguous(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else tensor.contiguous()


def _addresses(*tensors: Tensor | None) -> list[int | None]:
    return [None if tensor is None else tensor.data_ptr() for tensor in tensors]
