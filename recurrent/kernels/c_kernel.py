"""One layer by recurrence.c, which says how: forward and backward, float32, over torch.get_num_threads() threads.

Legend of shapes: B batch, T steps, D features, H hidden_size, A answers of a step.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from recurrent.kernels import compiled, memory

# Gradients are summed within a share of the batch, then over the shares in their order, so that the bits
# do not depend on the threads; more threads than shares find nothing to do.
SHARES = 8


class Layer(torch.autograd.Function):
    """Signal (B, T, D), start (B, H) or None, weights as nn.Linear has them -> states (B, T, H), answers (B, T, A).

    The head, two Nones where there is none, comes along because the gradient of its states need not be stored then.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        start: Tensor | None,
        w_in: Tensor,
        b_in: Tensor,
        w: Tensor,
        b: Tensor,
        head: Tensor | None,
        head_bias: Tensor | None,
    ) -> tuple[Tensor, Tensor | None]:
        """Run all steps."""
        x, w_in, w, bias = x.contiguous(), w_in.contiguous(), w.contiguous(), b_in + b
        start, head = (None if tensor is None else tensor.contiguous() for tensor in (start, head))
        states = memory.empty(*x.shape[:2], len(w), dtype=x.dtype)
        addresses = _addresses(x, start, w_in, w, bias, states)
        compiled.forward(x.shape, len(w), addresses, torch.get_num_threads())
        ctx.save_for_backward(x, start, w_in, w, states, head)
        ctx.set_materialize_grads(False)
        return states, None if head is None else functional.linear(states, head, head_bias)

    @staticmethod
    def backward(ctx: Any, d_states: Tensor | None, d_answers: Tensor | None) -> tuple[Tensor | None, ...]:
        """Gradients of what `forward` takes, in its order."""
        if torch.is_grad_enabled():  # create_graph=True
            raise NotImplementedError("no gradient of a gradient from this kernel: set the backend to reference")
        x, start, w_in, w, states, head = ctx.saved_tensors
        D, H, shares = x.shape[2], len(w), min(SHARES, compiled.blocks(len(x)))
        d_states, d_answers = (None if tensor is None else tensor.contiguous() for tensor in (d_states, d_answers))
        A = 0 if d_answers is None else len(head)
        d_x = torch.empty_like(x) if ctx.needs_input_grad[0] else None
        d_start = None if start is None else torch.empty_like(start)
        library = compiled.library()
        sums = x.new_zeros(shares, library.height_of_gradient(D, H), library.width_of_gradient(H))

        def run(first: int, last: int) -> int:
            given, wanted = (x, start, w_in, w, states, head, d_states, d_answers), (sums[first:], d_x, d_start)
            return int(library.backward(first, last, shares, *x.shape, H, A, *_addresses(*given, *wanted)))

        compiled.in_threads(run, shares, torch.get_num_threads())
        d_w_in, d_bias, d_w = torch.split(sums.sum(dim=0)[: D + 1 + H, :H], [D, 1, H])
        d_head = d_head_bias = None
        if d_answers is not None:
            flat = d_answers.view(-1, A)
            d_head, d_head_bias = flat.t() @ states.view(-1, H), flat.sum(dim=0)
        # two biases, two gradients: what changes one in place, such as clipping, must not change the other
        return d_x, d_start, d_w_in.t(), d_bias[0], d_w.t(), d_bias[0].clone(), d_head, d_head_bias


def _addresses(*tensors: Tensor | None) -> tuple[int | None, ...]:
    return tuple(None if tensor is None else tensor.data_ptr() for tensor in tensors)
