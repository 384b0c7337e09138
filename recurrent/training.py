"""The training loop: one row of history per epoch, and a reason for its end.

The loss of a window is the sum over its steps of each step's loss, on scaled targets; of a batch,
the mean over its windows. Validation chooses the epoch that is kept; the test part is never read.
Legend of shapes: B batch, T steps, D features, K targets.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from recurrent.adam import Adam
from recurrent.forecaster import Forecaster, as_tensor
from recurrent.scaling import Scaler
from recurrent.settings import Train
from recurrent.windowing import BLOCK_ROWS, Windows

LOSSES: dict[str, Callable[..., Tensor]] = {
    "mae": functional.l1_loss,
    "mse": functional.mse_loss,
    "huber": functional.huber_loss,
}


@dataclass(frozen=True)
class Epoch:
    """A row of history.csv; losses on scaled targets, mean deltas in the label's unit at the last step."""

    epoch: int
    train_loss: float
    validation_loss: float
    train_mean_delta: float
    validation_mean_delta: float
    gradient_norm: float
    learning_rate: float


HISTORY_COLUMNS = tuple(field.name for field in fields(Epoch))


def fit_scalers(windows: Windows) -> tuple[Scaler, Scaler]:
    """Fit the scalers of signal and target on the train part, and on nothing else."""
    train = windows.parts["train"]

    def blocks(of: Any) -> Iterator[Any]:
        for first in range(train.begin, train.end, BLOCK_ROWS):
            yield of[first : min(first + BLOCK_ROWS, train.end)]

    return Scaler.fit(blocks(windows.steps.signal)), Scaler.fit(blocks(windows.steps.target))


class Trainer:
    """Trains a forecaster in place; between two epochs its whole state can be saved and restored."""

    def __init__(self, forecaster: Forecaster, windows: Windows, settings: Train, *, seed: int) -> None:
        self.forecaster, self.windows, self.settings, self.seed = forecaster, windows, settings, seed
        self.optimizer = Adam(forecaster.parameters())
        self.history: list[Epoch] = []
        self.best: dict[str, Tensor] = {}
        self.best_epoch = 0

    def state(self) -> dict[str, Any]:
        """Give everything the next epoch depends on, as tensors and plain values."""
        return {
            "weights": self.forecaster.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "history": [asdict(row) for row in self.history],
            "best": self.best,
            "best_epoch": self.best_epoch,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a saved state."""
        self.forecaster.load_state_dict(state["weights"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.history = [Epoch(**row) for row in state["history"]]
        self.best, self.best_epoch = state["best"], state["best_epoch"]

    @property
    def stopped_by(self) -> str | None:
        """Say why training is over: target, patience or max_epochs; None while it is not."""
        if not self.history:
            return None
        if self.history[self.best_epoch - 1].validation_mean_delta <= self.settings.target_delta:
            return "target"
        if len(self.history) - self.best_epoch >= self.settings.patience:
            return "patience"
        return "max_epochs" if len(self.history) >= self.settings.max_epochs else None

    def epochs(self) -> Iterator[Epoch]:
        """Train epoch by epoch until `stopped_by`; then the forecaster holds its best epoch's weights.

        Raises
        ------
        ValueError
            When the loss is no longer a number.
        """
        while self.stopped_by is None:
            row = self._epoch(len(self.history) + 1)
            self.history.append(row)
            best = self.history[self.best_epoch - 1].validation_mean_delta if self.best_epoch else np.inf
            if row.validation_mean_delta < best:
                self.best_epoch = row.epoch
                self.best = {name: weight.clone() for name, weight in self.forecaster.state_dict().items()}
            yield row
        self.forecaster.load_state_dict(self.best)

    def _epoch(self, epoch: int) -> Epoch:
        rate = self.settings.learning_rate * self.settings.learning_rate_decay ** (epoch - 1)
        # the order depends on seed and epoch alone, so that a resumed run sees the same
        order = np.random.default_rng([self.seed, epoch]).permutation(self.windows.parts["train"].windows)
        size = self.windows.parts["train"].batch_size
        train, norms = _Tally(), []
        for first in range(0, len(order) - size + 1, size):
            signal_BTD, target_BTK = self.windows.cut("train", order[first : first + size])
            loss, answers_BTK = self._loss(signal_BTD, target_BTK)
            self.optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            norms.append(float(nn.utils.clip_grad_norm_(self.forecaster.parameters(), self.settings.gradient_clip)))
            self.optimizer.step(rate)
            train.add(float(loss.detach()), self._in_unit(answers_BTK), target_BTK[:, -1])
        validation = _Tally()
        with torch.inference_mode():
            for signal_BTD, target_BTK, real in self.windows.batches("validation"):
                loss, answers_BTK = self._loss(signal_BTD[:real], target_BTK[:real])
                validation.add(float(loss), self._in_unit(answers_BTK), target_BTK[:real, -1])
        if not np.isfinite(loss_of_both := train.loss + validation.loss):
            raise ValueError(f"epoch {epoch}: the loss is {loss_of_both}; a smaller train.learning_rate may help")
        return Epoch(
            epoch, train.loss, validation.loss, train.mean_delta, validation.mean_delta, float(np.mean(norms)), rate
        )

    def _loss(self, signal_BTD: Any, target_BTK: Any) -> tuple[Tensor, Tensor]:
        answers_BTK = self.forecaster(as_tensor(self.forecaster.signal_scaler.transform(signal_BTD)))
        wanted_BTK = as_tensor(self.forecaster.target_scaler.transform(target_BTK))
        each_BTK = LOSSES[self.settings.loss](answers_BTK, wanted_BTK, reduction="none")
        return each_BTK.sum(dim=(1, 2)).mean(), answers_BTK

    def _in_unit(self, answers_BTK: Tensor) -> Any:
        return self.forecaster.target_scaler.inverse(answers_BTK.detach()[:, -1].numpy())


class _Tally:
    """Running mean of the loss and mean delta over the windows of an epoch."""

    def __init__(self) -> None:
        self.windows, self._loss, self._error, self._size = 0, 0.0, 0.0, 0.0

    def add(self, loss: float, predicted_BK: Any, actual_BK: Any) -> None:
        self.windows += len(actual_BK)
        self._loss += loss * len(actual_BK)
        self._error += float(np.abs(predicted_BK - actual_BK).sum())
        self._size += float(np.abs(actual_BK).sum())

    @property
    def loss(self) -> float:
        return self._loss / self.windows

    @property
    def mean_delta(self) -> float:
        if self._size == 0:
            raise ValueError("every label is 0: a relative error has no meaning")
        return self._error / self._size
