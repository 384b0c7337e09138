"""The Elman recurrence by hand: nothing but nn.Linear and a tanh (J. L. Elman, Cogn. Sci. 14, 179, 1990).

    state(t) = tanh(input_to_hidden(x(t)) + hidden_to_hidden(state(t - 1)))

Legend of shapes: B batch, T steps, D features, H hidden_size, L num_layers.
"""

import torch
from torch import Tensor, nn

from recurrent.cells.kernels import dispatch


class Cell(nn.Module):
    """Equals nn.RNN(batch_first=True) with the same weights, in outputs, last state and gradients.

    The loop below says what is computed; with another `backend` a kernel computes the same, faster.
    """

    backend = "reference"  # or as dispatch.choose gives it

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1) -> None:
        super().__init__()
        sizes = [input_size] + [hidden_size] * (num_layers - 1)
        self.input_to_hidden = nn.ModuleList(nn.Linear(size, hidden_size) for size in sizes)
        self.hidden_to_hidden = nn.ModuleList(nn.Linear(hidden_size, hidden_size) for _ in sizes)
        for weight in self.parameters():  # as nn.RNN starts; nn.Linear's own start depends on D
            nn.init.uniform_(weight, -(hidden_size**-0.5), hidden_size**-0.5)

    def forward(
        self, x_BTD: Tensor, state_LBH: Tensor | None = None, head: nn.Linear | None = None
    ) -> tuple[Tensor, Tensor]:
        """Read a batch of sequences.

        Parameters
        ----------
        x_BTD : signal
        state_LBH : states before the first step, one per layer; zeros when absent
        head : for the last layer's states, which a kernel can do along the way

        Returns
        -------
        states_BTH : the last layer's state after each step; with a head, its answers in their place
        last_LBH : every layer's state after the last step
        """
        states_BTH, last = x_BTD, []
        layers = [*zip(self.input_to_hidden, self.hidden_to_hidden, strict=True)]
        for layer, (from_input, from_hidden) in enumerate(layers):
            start_BH = None if state_LBH is None else state_LBH[layer]
            weights = [*from_input.parameters(), *from_hidden.parameters()]
            top = head if layer == len(layers) - 1 else None
            if (fast := dispatch.layer(self.backend, states_BTH, start_BH, weights, top)) is not None:
                states_BTH, answers_BTA = fast
            else:
                states_BTH = loop(states_BTH, start_BH, from_input, from_hidden)
                answers_BTA = None if top is None else top(states_BTH)
            last.append(states_BTH[:, -1])
        return states_BTH if answers_BTA is None else answers_BTA, torch.stack(last)


def loop(x_BTD: Tensor, start_BH: Tensor | None, input_to_hidden: nn.Module, hidden_to_hidden: nn.Module) -> Tensor:
    """Run one layer step by step: the reference of every kernel."""
    drive_BTH = input_to_hidden(x_BTD)  # of all steps at once: it does not wait for the state
    h_BH = drive_BTH.new_zeros(drive_BTH[:, 0].shape) if start_BH is None else start_BH
    states = []
    for drive_BH in drive_BTH.unbind(dim=1):
        h_BH = torch.tanh(drive_BH + hidden_to_hidden(h_BH))
        states.append(h_BH)
    return torch.stack(states, dim=1)
