"""What is predicted, a quantity or a class: losses that fit, size and decoding of the outputs, running error.

No other file branches on the task; scores and tables of each are in recurrent/evaluate/truth.py.
Legend of shapes: B windows of a batch, A outputs of a window, K targets, C classes.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from recurrent.network.scaler import Scaler
from recurrent.numerics import total
from recurrent.storage.npy import Array

if TYPE_CHECKING:
    from torch import Tensor

Floats = npt.NDArray[np.float64]


class MeanDelta:
    """Sum of |predicted - actual| over the sum of |actual|, added up over batches.

    Not to be confused with the mean of |predicted - actual| / |actual|, which labels near zero spoil.
    """

    def __init__(self) -> None:
        self.error = self.size = 0.0

    def add(self, actual: Array, predicted: Array) -> None:
        """Add values of any shape, the same for both."""
        self.error += float(total(np.abs(predicted - actual)))
        self.size += float(total(np.abs(actual)))

    @property
    def value(self) -> float:
        """The mean delta; ValueError where all labels are 0."""
        if self.size == 0:
            raise ValueError("every label is 0: a relative error has no meaning")
        return self.error / self.size


class ErrorRate:
    """Share of windows whose likeliest class is wrong, added up over batches."""

    def __init__(self) -> None:
        self.error = self.size = 0

    def add(self, actual: Array, predicted: Array) -> None:
        """Add classes (B, 1) and the probabilities forecast for each, (B, C)."""
        self.error += int((predicted.argmax(axis=-1) != actual[:, 0]).sum())
        self.size += len(actual)

    @property
    def value(self) -> float:
        """The share."""
        return self.error / self.size


@dataclass(frozen=True)
class Regression:
    """Targets are quantities."""

    losses: ClassVar = ("mae", "mse", "huber")
    readouts: ClassVar = ("all_steps", "last", "mean")
    has_interval: ClassVar = True
    residuals: ClassVar = ("none", "ridge")
    Error: ClassVar = MeanDelta

    def output_size(self, targets: int) -> int:
        """Return the outputs of a step, for so many columns of targets."""
        return targets

    def target_scaler(self, fitted: Scaler) -> Scaler:
        """Return the scaler of the labels, of which `fitted` is the usual one."""
        return fitted

    def decode(self, outputs_BAK: "Tensor", target_scaler: Scaler) -> Floats:
        """Return outputs of a network in the labels' unit, (B, A, K)."""
        return target_scaler.inverse(outputs_BAK.numpy())


@dataclass(frozen=True)
class Classification:
    """The target is the number of a class; each window has one, at its last step."""

    losses: ClassVar = ("cross_entropy",)
    readouts: ClassVar = ("last", "mean")
    has_interval: ClassVar = False  # probabilities say how sure a forecast is
    residuals: ClassVar = ("none",)
    Error: ClassVar = ErrorRate

    classes: int

    def output_size(self, targets: int) -> int:
        """Return the outputs of a step, a logit for each class."""
        return self.classes

    def target_scaler(self, fitted: Scaler) -> Scaler:
        """Return a scaler that leaves the classes' numbers as they are."""
        return Scaler.identity(1)

    def decode(self, outputs_BAK: "Tensor", target_scaler: Scaler) -> Floats:
        """Return the probabilities of the classes, (B, 1, C)."""
        probabilities: Floats = outputs_BAK.double().softmax(dim=-1).numpy()
        return probabilities


Task = Regression | Classification


def task_of(classes: int) -> Task:
    """Return the task of targets with so many classes; 0 of a quantity."""
    return Classification(classes) if classes else Regression()
