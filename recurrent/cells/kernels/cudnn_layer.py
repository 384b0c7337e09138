"""One layer on a GPU: the weights of the nn.Linear are what cuDNN's persistent recurrence takes."""

import torch
from torch import Tensor


def layer(x: Tensor, start: Tensor | None, w_in: Tensor, b_in: Tensor, w: Tensor, b: Tensor) -> Tensor:
    """Signal (B, T, D), start (B, H) or None -> states (B, T, H)."""
    start_1BH = x.new_zeros(1, len(x), len(w)) if start is None else start[None].contiguous()
    # as nn.RNN calls it: bias, one layer, no dropout, in training (so that there is a gradient), one direction, B first
    states, _ = torch.rnn_tanh(x, start_1BH, (w_in, w, b_in, b), True, 1, 0.0, torch.is_grad_enabled(), False, True)
    return states
