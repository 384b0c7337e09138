"""Losses of a batch: the sum over the outputs of a window, the mean over the windows.

Outputs whose label is not known or not of the part do not count; a window of which half the labels count is half one.

Legend of shapes: B windows of a batch, T steps, A outputs of a window (T or 1), K targets, C classes.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from recurrent.numerics import total
from recurrent.storage.npy import Array
from recurrent.window.batch import Batch

# scaled outputs, scaled labels (B, A, K), the batch that they are of -> loss
Loss = Callable[[Tensor, Array, Batch], Tensor]


def _mae(error: Array) -> tuple[Array, Array]:
    return np.abs(error), np.sign(error)


def _mse(error: Array) -> tuple[Array, Array]:
    return error * error, 2 * error


def _huber(error: Array) -> tuple[Array, Array]:
    small = np.abs(error) < 1
    return np.where(small, error * error / 2, np.abs(error) - np.float32(0.5)), np.clip(error, -1, 1)


class _SummedLoss(torch.autograd.Function):
    """Sum in one order, which torch's sums do not keep (docs/numerics.md)."""

    @staticmethod
    def forward(ctx: Any, outputs_BAK: Tensor, labels_BAK: Array, batch: Batch, loss: Any) -> Tensor:
        with np.errstate(over="ignore", invalid="ignore"):  # the epoch is refused where its loss is no number
            loss_BAK, slope_BAK = loss(outputs_BAK.detach().numpy() - labels_BAK)
        if (mask := batch.mask) is not None:
            loss_BAK, slope_BAK = (np.where(mask[..., None], values, 0) for values in (loss_BAK, slope_BAK))
        ctx.slope_BAK = torch.from_numpy(slope_BAK / np.float32(batch.weight))
        return torch.tensor(float(total(loss_BAK)) / batch.weight, dtype=torch.float64)

    @staticmethod
    def backward(ctx: Any, d_loss: Tensor) -> tuple[Tensor, None, None, None]:
        return ctx.slope_BAK * d_loss.to(ctx.slope_BAK.dtype), None, None, None


def _summed(loss: Any, outputs_BAK: Tensor, labels_BAK: Array, batch: Batch) -> Tensor:
    """`loss` gives the loss of each error and its slope."""
    result: Tensor = _SummedLoss.apply(outputs_BAK, labels_BAK, batch, loss)  # type: ignore[no-untyped-call]
    return result


def _cross_entropy(logits_B1C: Tensor, labels_B11: Array, batch: Batch) -> Tensor:
    return functional.cross_entropy(logits_B1C[:, 0], torch.from_numpy(labels_B11[:, 0, 0]).long())


LOSSES: dict[str, Loss] = {
    "mae": partial(_summed, _mae),
    "mse": partial(_summed, _mse),
    "huber": partial(_summed, _huber),
    "cross_entropy": _cross_entropy,
}
