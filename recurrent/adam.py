"""Adam (D. P. Kingma, J. Ba, ICLR 2015, arXiv:1412.6980), on all weights as one vector: a few calls a step.

Equal to torch.optim.Adam to rounding; that one imports torch's compiler, which takes most of a second at every start.
"""

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

DECAY, DECAY_OF_SQUARES, EPSILON = 0.9, 0.999, 1e-8  # the paper's


class Adam:
    """Steps down the gradients of `weights`; its state is three tensors and comes back to the bit."""

    def __init__(self, weights: Iterable[Tensor], *, weight_decay: float = 0.0) -> None:
        self.weight_decay = weight_decay  # L2 penalty: this share of each weight is added to its gradient
        self.weights = [*weights]
        self.steps = torch.zeros((), dtype=torch.int64)
        self.mean = torch.cat([torch.zeros_like(weight).flatten() for weight in self.weights])
        self.mean_of_squares = torch.zeros_like(self.mean)

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for weight in self.weights:
            weight.grad = None

    @torch.no_grad()
    def step(self, learning_rate: float, *, clip: float = math.inf) -> float:
        """Change every weight by about `learning_rate` at most; one without a gradient has a gradient of 0.

        A gradient of a larger norm than `clip` is scaled down to it (R. Pascanu, T. Mikolov, Y. Bengio, ICML 2013,
        arXiv:1211.5063). Returns its norm before that.
        """
        whole = [torch.zeros_like(weight) if weight.grad is None else weight.grad for weight in self.weights]
        gradient = torch.cat([part.flatten() for part in whole])
        norm = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(part) for part in whole]))
        gradient.mul_(torch.clamp(clip / (norm + 1e-6), max=1.0))
        if self.weight_decay:
            gradient.add_(torch.cat([weight.flatten() for weight in self.weights]), alpha=self.weight_decay)
        self.steps += 1
        done = int(self.steps)
        self.mean.lerp_(gradient, 1 - DECAY)
        self.mean_of_squares.mul_(DECAY_OF_SQUARES).addcmul_(gradient, gradient, value=1 - DECAY_OF_SQUARES)
        spread = self.mean_of_squares.sqrt().div_((1 - DECAY_OF_SQUARES**done) ** 0.5).add_(EPSILON)
        change = torch.div(self.mean, spread, out=gradient).mul_(-learning_rate / (1 - DECAY**done))
        for weight, part in zip(self.weights, torch.split(change, [w.numel() for w in self.weights]), strict=True):
            weight.add_(part.view_as(weight))
        return float(norm)

    def state_dict(self) -> dict[str, Any]:
        """Give what the next step depends on, besides weights and gradients."""
        return {"steps": self.steps, "mean": self.mean, "mean_of_squares": self.mean_of_squares}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        for name, mine in self.state_dict().items():
            mine.copy_(state[name])
