"""One layer on a GPU: the weights of the nn.Linear are what cuDNN's persistent recurrences take."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from recurrent.cells.kernels.c_library import PARTS

PEERS: dict[str, Callable[..., Any]] = {"manual": torch.rnn_tanh, "gru": torch.gru, "lstm": torch.lstm}


def layer(
    cell: str, x: Tensor, start: tuple[Tensor, ...] | None, weights: Sequence[Tensor]
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Signal (B, T, D), start of (B, H) or None -> states (B, T, H), the last state."""
    w_in, b_in, w, b = weights
    zeros = x.new_zeros(len(x), w.shape[1])
    given = tuple(part[None].contiguous() for part in start or (zeros,) * PARTS[cell])
    # as nn.RNN calls it: bias, one layer, no dropout, in training (so that there is a gradient), one direction, B first
    how = True, 1, 0.0, torch.is_grad_enabled(), False, True
    states, *last = PEERS[cell](x, given if PARTS[cell] > 1 else given[0], (w_in, w, b_in, b), *how)
    return states, tuple(part[0] for part in last)
