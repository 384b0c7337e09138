"""Long short-term memory by hand: nothing but nn.Linear, sigmoid and tanh.

S. Hochreiter, J. Schmidhuber, Neural Comput. 9, 1735 (1997); the forget gate: F. A. Gers et al., 12, 2451 (2000).
With z = input_to_hidden(x(t)) + hidden_to_hidden(h(t - 1)) in four parts:

    i, f, o = sigmoid(z_i), sigmoid(z_f), sigmoid(z_o)     input, forget and output gate
    g = tanh(z_g)                                          candidate
    c(t) = f c(t - 1) + i g                                memory
    h(t) = o tanh(c(t))

Legend of shapes: B batch, H hidden_size.
"""

import torch
from torch import Tensor

from recurrent.cells.kernels.hand_made import HandMade


class Cell(HandMade):
    """Equals nn.LSTM(batch_first=True) with the same weights, in outputs, last state (h, c) and gradients."""

    name, gates, parts_of_state = "lstm", 4, 2

    @staticmethod
    def step(drive_B4H: Tensor, across_B4H: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        """One step of the recurrence above."""
        _, c = state
        z_i, z_f, z_g, z_o = (drive_B4H + across_B4H).chunk(4, dim=1)
        c = torch.sigmoid(z_f) * c + torch.sigmoid(z_i) * torch.tanh(z_g)
        return torch.sigmoid(z_o) * torch.tanh(c), c
