"""One layer without a compiler: per step one product and one sigmoid in place forward, one product backward.

tanh(z) = 2 sigmoid(2 z) - 1, and torch's sigmoid is several times its tanh on many CPUs. What stands between products
is numpy's, whose calls cost a third of torch's. float32 and float64.
Legend of shapes: B batch, T steps, D features, H hidden_size.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from recurrent.cells.kernels import buffers

CELLS = ("manual",)  # that this file computes


class Layer(torch.autograd.Function):
    """Signal (B, T, D), start (B, H) or None, weights as nn.Linear has them -> states (B, T, H)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, start: Tensor | None, w_in: Tensor, b_in: Tensor, w: Tensor, b: Tensor) -> Tensor:
        """Run all steps."""
        (B, T, D), H = x.shape, len(w)
        x_nD = x.transpose(0, 1).reshape(T * B, D)
        h_TBH = buffers.empty(T + 1, B, H, dtype=x.dtype)  # the state before each step, and the last one
        h_TBH[0] = 0 if start is None else start
        torch.addmm(b_in + b, x_nD, w_in.t(), beta=2, alpha=2, out=h_TBH[1:].view(T * B, H))
        steps, across_HH = h_TBH.unbind(), (2 * w).t().contiguous()
        for before_BH, h_BH, h in zip(steps[:-1], steps[1:], h_TBH[1:].numpy(), strict=True):
            h_BH.addmm_(before_BH, across_HH).sigmoid_()
            np.multiply(h, 2, out=h)
            np.subtract(h, 1, out=h)
        ctx.save_for_backward(x_nD, w_in, w)
        ctx.h_TBH, ctx.with_start = h_TBH, start is not None
        return buffers.empty(B, T, H, dtype=x.dtype).copy_(h_TBH[1:].transpose(0, 1))

    @staticmethod
    def backward(ctx: Any, d_states_BTH: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of what `forward` takes, in its order."""
        if torch.is_grad_enabled():  # create_graph=True
            raise NotImplementedError("no gradient of a gradient from this kernel: set the backend to reference")
        (x_nD, w_in, w), h_TBH = ctx.saved_tensors, ctx.h_TBH
        B, T, H = d_states_BTH.shape
        d_z_TBH = buffers.empty(T, B, H, dtype=w.dtype).copy_(d_states_BTH.transpose(0, 1))
        steps, h, d_z = d_z_TBH.unbind(), h_TBH[1:].numpy(), d_z_TBH.numpy()
        slope = np.empty_like(d_z[0])
        for t in range(T - 1, -1, -1):
            if t < T - 1:
                steps[t].addmm_(steps[t + 1], w)
            np.multiply(h[t], h[t], out=slope)
            np.subtract(1, slope, out=slope)
            np.multiply(d_z[t], slope, out=d_z[t])
        d_z_nH = d_z_TBH.view(T * B, H)
        d_x = (d_z_nH @ w_in).view(T, B, -1).transpose(0, 1) if ctx.needs_input_grad[0] else None
        d_start = steps[0] @ w if ctx.with_start else None
        d_bias, d_w = d_z_nH.sum(dim=0), d_z_nH.t() @ h_TBH[:-1].view(T * B, H)
        return d_x, d_start, d_z_nH.t() @ x_nD, d_bias, d_w, d_bias.clone()
