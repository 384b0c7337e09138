"""One layer without a compiler: everything transposed, and one product per step.

A step's column [h; x; 1] against the weights [W, W_in, b] gives the next one's h in place, and numpy's tanh is several
times torch's on many CPUs. float32 and float64.
Legend of shapes: B batch, T steps, D features, H hidden_size, K = H + D + 1.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from recurrent.kernels import memory


class Layer(torch.autograd.Function):
    """x (B, T, D), start (B, H) or None, weights as nn.Linear has them -> states (B, T, H)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, start: Tensor | None, w_in: Tensor, b_in: Tensor, w: Tensor, b: Tensor) -> Tensor:
        """Run all steps."""
        (B, T, D), H = x.shape, len(w)
        weights_HK = torch.cat([w, w_in, (b_in + b)[:, None]], dim=1)
        columns_TKB = memory.empty(T + 1, H + D + 1, B, dtype=x.dtype)
        columns_TKB[0, :H] = 0 if start is None else start.t()
        columns_TKB[:-1, H:-1] = x.permute(1, 2, 0)
        columns_TKB[:, -1] = 1
        states_THB = columns_TKB[1:, :H]
        states = states_THB.numpy()
        for column_KB, h_HB, h in zip(columns_TKB[:-1].unbind(), states_THB.unbind(), states, strict=True):
            torch.mm(weights_HK, column_KB, out=h_HB)
            np.tanh(h, out=h)
        ctx.save_for_backward(w_in, w)
        ctx.columns_TKB, ctx.with_start = columns_TKB, start is not None
        return memory.empty(B, T, H, dtype=x.dtype).copy_(states_THB.permute(2, 0, 1))

    @staticmethod
    def backward(ctx: Any, d_states_BTH: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of what `forward` takes, in its order."""
        if torch.is_grad_enabled():  # create_graph=True
            raise NotImplementedError("no gradient of a gradient from this kernel: set the backend to reference")
        (w_in, w), columns_TKB = ctx.saved_tensors, ctx.columns_TKB
        (B, T, H), (D, dtype) = d_states_BTH.shape, (w_in.shape[1], w.dtype)
        d_z_THB = memory.empty(T, H, B, dtype=dtype).copy_(d_states_BTH.permute(1, 2, 0))
        back_HH = w.t().contiguous()
        d_h_HB, sums_HK = torch.zeros(H, B, dtype=dtype), torch.zeros(H, H + D + 1, dtype=dtype)
        d_z, slope, d_h = d_z_THB.numpy(), np.empty((H, B), d_h_HB.numpy().dtype), d_h_HB.numpy()
        steps = zip(
            d_z_THB.unbind(), columns_TKB[:-1].transpose(1, 2).unbind(), d_z, columns_TKB[1:, :H].numpy(), strict=True
        )
        for d_z_HB, column_BK, d_z, h in reversed([*steps]):
            np.multiply(h, h, out=slope)
            np.subtract(1, slope, out=slope)
            np.add(d_z, d_h, out=d_z)
            np.multiply(d_z, slope, out=d_z)
            torch.mm(back_HH, d_z_HB, out=d_h_HB)
            sums_HK.addmm_(d_z_HB, column_BK)
        d_x = torch.matmul(w_in.t(), d_z_THB).permute(2, 0, 1) if ctx.needs_input_grad[0] else None
        d_w, d_w_in, d_bias = torch.split(sums_HK, [H, D, 1], dim=1)
        d_start = d_h_HB.t() if ctx.with_start else None
        return d_x, d_start, d_w_in, d_bias[:, 0], d_w, d_bias[:, 0]
