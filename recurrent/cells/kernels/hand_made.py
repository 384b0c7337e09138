"""What the hand-made cells share: two nn.Linear a layer, and the loop over layers and steps around a cell's `step`.

Legend of shapes: B batch, T steps, D features, H hidden_size, L num_layers, A outputs of a step, G gates.
"""

from typing import Any

import torch
from torch import Tensor, nn

from recurrent.cells.kernels import dispatch

State = Tensor | tuple[Tensor, ...]


class HandMade(nn.Module):
    """Signal (B, T, D) -> states (B, T, H) and the last state, called like nn.RNN with the batch first.

    `loop` says what is computed; with another `backend` a kernel computes the same, faster.
    """

    backend = "reference"  # or as dispatch.choose gives it
    name: str  # of the kernel
    gates = 1  # what a step computes from signal and state, in units
    parts_of_state = 1

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1) -> None:
        super().__init__()
        sizes, width = [input_size] + [hidden_size] * (num_layers - 1), self.gates * hidden_size
        self.input_to_hidden = nn.ModuleList(nn.Linear(size, width) for size in sizes)
        self.hidden_to_hidden = nn.ModuleList(nn.Linear(hidden_size, width) for _ in sizes)
        for weight in self.parameters():  # as nn.RNN starts; nn.Linear's own start depends on D
            nn.init.uniform_(weight, -(hidden_size**-0.5), hidden_size**-0.5)

    def forward(self, x_BTD: Tensor, state: State | None = None, head: nn.Linear | None = None) -> tuple[Tensor, State]:
        """Read a batch of sequences.

        Parameters
        ----------
        x_BTD : signal
        state : before the first step, (L, B, H) or, where the state has parts, a tuple of such; zeros when absent
        head : for the last layer's states, which a kernel can do along the way

        Returns
        -------
        states_BTH : the last layer's state after each step; with a head, its outputs (B, T, A) in their place
        last : every layer's state after the last step, as `state`
        """
        found, last = x_BTD, []
        given = (state,) if isinstance(state, Tensor) else state
        layers: Any = [*zip(self.input_to_hidden, self.hidden_to_hidden, strict=True)]
        for layer, (from_input, from_hidden) in enumerate(layers):
            start = None if given is None else tuple(part_LBH[layer] for part_LBH in given)
            weights = [from_input.weight, from_input.bias, from_hidden.weight, from_hidden.bias]
            top = head if layer == len(layers) - 1 else None
            if (fast := dispatch.layer(self.name, self.backend, found, start, weights, top)) is not None:
                found, ending = fast
            else:
                found, ending = self.loop(found, start, from_input, from_hidden)
                found = found if top is None else top(found)
            last.append(ending)
        ends = tuple(torch.stack(part) if len(part) > 1 else part[0][None] for part in zip(*last, strict=True))
        return found, ends[0] if len(ends) == 1 else ends

    def loop(
        self, x_BTD: Tensor, start: tuple[Tensor, ...] | None, input_to_hidden: nn.Module, hidden_to_hidden: nn.Module
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Run one layer step by step: the reference of every kernel."""
        drive_BTG = input_to_hidden(x_BTD)  # of all steps at once: it does not wait for the state
        zeros_BH = drive_BTG.new_zeros(len(x_BTD), drive_BTG.shape[2] // self.gates)
        state, states = start or (zeros_BH,) * self.parts_of_state, []
        for drive_BG in drive_BTG.unbind(dim=1):
            state = self.step(drive_BG, hidden_to_hidden(state[0]), *state)
            states.append(state[0])
        return torch.stack(states, dim=1), state

    @staticmethod
    def step(drive_BG: Tensor, across_BG: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        """New state from what signal and state give, each (B, G H), and from the state before."""
        raise NotImplementedError
