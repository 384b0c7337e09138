"""One layer by recurrence.c, which says how: forward and backward, float32, over torch.get_num_threads() threads.

No sum of torch's or BLAS's is on the way, so the bits are the same on every machine (docs/numerics.md).
Legend of shapes: B batch, T steps, D features, H hidden_size, A answers of a step.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from recurrent.cells.kernels import buffers, c_library


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
        start, head, head_bias = (None if given is None else given.contiguous() for given in (start, head, head_bias))
        states = buffers.empty(*x.shape[:2], len(w), dtype=x.dtype)
        answers = None if head is None else x.new_empty(*x.shape[:2], len(head))
        addresses = _addresses(x, start, w_in, w, bias, head, head_bias, states, answers)
        c_library.forward(x.shape, len(w), 0 if head is None else len(head), addresses, torch.get_num_threads())
        ctx.save_for_backward(x, start, w_in, w, states, head)
        ctx.set_materialize_grads(False)
        return states, answers

    @staticmethod
    def backward(ctx: Any, d_states: Tensor | None, d_answers: Tensor | None) -> tuple[Tensor | None, ...]:
        """Gradients of what `forward` takes, in its order."""
        if torch.is_grad_enabled():  # create_graph=True
            raise NotImplementedError("no gradient of a gradient from this kernel: set the backend to reference")
        x, start, w_in, w, states, head = ctx.saved_tensors
        D, H, A = x.shape[2], len(w), 0 if d_answers is None else len(head)
        d_states, d_answers = (None if tensor is None else tensor.contiguous() for tensor in (d_states, d_answers))
        d_x = torch.empty_like(x) if ctx.needs_input_grad[0] else None
        d_start = None if start is None else torch.empty_like(start)
        library, shares = c_library.library(), c_library.shares(len(x))
        sums = np.zeros((shares, library.size_of_gradient(D, H, A)), np.float32)

        def run(first: int, last: int) -> int:
            given, wanted = (x, start, w_in, w, states, head, d_states, d_answers), (d_x, d_start)
            sums_at, wanted_at = sums[first:].ctypes.data, _addresses(*wanted)
            return int(library.backward(first, last, *x.shape, H, A, *_addresses(*given), sums_at, *wanted_at))

        c_library.in_threads(run, shares, torch.get_num_threads())
        total = sums[0]
        for share in sums[1:]:  # one after the other, whichever thread made them
            total += share
        rows = torch.from_numpy(total[: (D + 1 + H + A) * library.width_of_gradient(H)]).view(D + 1 + H + A, -1)[:, :H]
        d_w_in, d_bias, d_w, d_head = torch.split(rows, [D, 1, H, A])
        of_head = (d_head, torch.from_numpy(total[rows.stride(0) * len(rows) :][:A])) if A else (None, None)
        # two biases, two gradients: what changes one in place, such as clipping, must not change the other
        return d_x, d_start, d_w_in.t(), d_bias[0], d_w.t(), d_bias[0].clone(), *of_head


def _addresses(*tensors: Tensor | None) -> tuple[int | None, ...]:
    return tuple(None if tensor is None else tensor.data_ptr() for tensor in tensors)
