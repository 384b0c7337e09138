"""Adam (D. P. Kingma, J. Ba, ICLR 2015, arXiv:1412.6980), on all weights as one vector: a few calls a step.

Equal to torch.optim.Adam to rounding. That one imports torch's compiler, which takes most of a second at every start,
and its last bits depend on the CPU; these are numpy's element by element, and `total`'s sums (docs/numerics.md).
"""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from recurrent.numerics import power, total

DECAY, DECAY_OF_SQUARES, EPSILON = 0.9, 0.999, 1e-8  # the paper's


class Adam:
    """Steps down the gradients of `weights`, float32; its state is three tensors and comes back to the bit."""

    def __init__(self, weights: Iterable[Tensor], *, weight_decay: float = 0.0) -> None:
        self.weight_decay = weight_decay  # L2 penalty: this share of each weight is added to its gradient
        self.weights = [*weights]
        sizes = [weight.numel() for weight in self.weights]
        self._values = torch.cat([weight.detach().reshape(-1) for weight in self.weights])
        for weight, values in zip(self.weights, torch.split(self._values, sizes), strict=True):
            weight.data = values.view(weight.shape)  # of one vector, which a step changes at once
        self.steps = torch.zeros((), dtype=torch.int64)
        self.mean = torch.zeros(sum(sizes))
        self.mean_of_squares = torch.zeros_like(self.mean)

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for weight in self.weights:
            weight.grad = None

    @np.errstate(over="ignore", invalid="ignore")  # what is no number shows in the loss, with its epoch
    def step(self, learning_rate: float, *, clip: float = math.inf) -> float:
        """Change every weight by about `learning_rate` at most; one without a gradient has a gradient of 0.

        A gradient of a larger norm than `clip` is scaled down to it (R. Pascanu, T. Mikolov, Y. Bengio, ICML 2013,
        arXiv:1211.5063). Returns its norm before that.
        """
        values = self._values.numpy()
        given = [torch.zeros_like(weight) if weight.grad is None else weight.grad for weight in self.weights]
        gradient = np.concatenate([part.numpy().ravel() for part in given])
        norm = math.sqrt(total(np.square(gradient, dtype=np.float64)))
        gradient *= np.float32(min(1.0, clip / (norm + 1e-6)))
        if self.weight_decay:
            gradient += np.float32(self.weight_decay) * values
        self.steps += 1
        done = int(self.steps)
        mean, squares = self.mean.numpy(), self.mean_of_squares.numpy()
        mean += np.float32(1 - DECAY) * (gradient - mean)
        squares += np.float32(1 - DECAY_OF_SQUARES) * (gradient * gradient - squares)
        change = np.sqrt(squares)
        change *= np.float32(1 / math.sqrt(1 - power(DECAY_OF_SQUARES, done)))
        change += np.float32(EPSILON)
        np.divide(mean, change, out=change)
        change *= np.float32(-learning_rate / (1 - power(DECAY, done)))
        values += change
        return norm

    def state_dict(self) -> dict[str, Any]:
        """Give what the next step depends on, besides weights and gradients."""
        return {"steps": self.steps, "mean": self.mean, "mean_of_squares": self.mean_of_squares}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        for name, mine in self.state_dict().items():
            mine.copy_(state[name])
