"""The gated recurrent unit by hand: nothing but nn.Linear, sigmoid and tanh (K. Cho et al., EMNLP 2014, 1724).

With i = input_to_hidden(x(t)) and j = hidden_to_hidden(h(t - 1)), each in three parts (cuDNN's variant, whose reset
gate comes after the product, so that a step is one product):

    r = sigmoid(i_r + j_r)           reset
    z = sigmoid(i_z + j_z)           update
    n = tanh(i_n + r j_n)            candidate
    h(t) = n + z (h(t - 1) - n)

Legend of shapes: B batch, H hidden_size.
"""

import torch
from torch import Tensor

from recurrent.cells.kernels.hand_made import HandMade


class Cell(HandMade):
    """Equals nn.GRU(batch_first=True) with the same weights, in outputs, last state and gradients."""

    name, gates = "gru", 3

    @staticmethod
    def step(drive_B3H: Tensor, across_B3H: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        """One step of the recurrence above."""
        (h,) = state
        (i_r, i_z, i_n), (j_r, j_z, j_n) = drive_B3H.chunk(3, dim=1), across_B3H.chunk(3, dim=1)
        r, z = torch.sigmoid(i_r + j_r), torch.sigmoid(i_z + j_z)
        n = torch.tanh(i_n + r * j_n)
        return (n + z * (h - n),)
