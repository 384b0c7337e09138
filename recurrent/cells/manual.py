"""The Elman recurrence by hand: nothing but nn.Linear and a tanh (J. L. Elman, Cogn. Sci. 14, 179, 1990).

h(t) = tanh(input_to_hidden(x(t)) + hidden_to_hidden(h(t - 1)))

Legend of shapes: B batch, H hidden_size.
"""

import torch
from torch import Tensor

from recurrent.cells.kernels.hand_made import HandMade


class Cell(HandMade):
    """Equals nn.RNN(batch_first=True) with the same weights, in outputs, last state and gradients."""

    name = "manual"

    @staticmethod
    def step(drive_BH: Tensor, across_BH: Tensor, *_: Tensor) -> tuple[Tensor, ...]:
        """One step of the recurrence above."""
        return (torch.tanh(drive_BH + across_BH),)
