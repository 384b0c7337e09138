"""The training loop: one row of history per epoch, and a reason for its end.

Validation selects the epoch that is kept; the test part is never read.
Legend of shapes: N windows of a block, B of a batch, A outputs of a window, K targets or classes.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from recurrent.config.schema import Train
from recurrent.network.forecaster import Forecaster
from recurrent.network.task import Task
from recurrent.numerics import mean, power
from recurrent.storage.npy import Array
from recurrent.train.adam import Adam
from recurrent.train.block import Block, blocks
from recurrent.train.labels import Residuals
from recurrent.train.loss import LOSSES
from recurrent.window.windows import Windows


@dataclass(frozen=True)
class Epoch:
    """A row of history.csv: losses on scaled targets; mean deltas in the label's unit at the last step.

    Of classes, the mean delta is the share of windows that are put into a wrong one.
    """

    epoch: int
    train_loss: float
    validation_loss: float
    train_mean_delta: float
    validation_mean_delta: float
    gradient_norm: float
    learning_rate: float


class Trainer:
    """Trains a forecaster in place; between two epochs its whole state can be saved and restored."""

    def __init__(self, forecaster: Forecaster, windows: Windows, params: Train, *, seed: int) -> None:
        self.forecaster, self.params, self.seed = forecaster, params, seed
        self.windows = windows if forecaster.ridge is None else Residuals.of(windows, forecaster.ridge)
        if params.loss not in forecaster.task.losses:
            expected = f"{' or '.join(forecaster.task.losses)}, which fits the target"
            raise ValueError(f"train.loss is {params.loss}, expected {expected}")
        if params.input_noise and forecaster.config.input != "values":
            raise ValueError(f"train.input_noise is {params.input_noise}, expected 0: the signal is words")
        self.loss = LOSSES[params.loss]
        self.optimizer = Adam(forecaster.parameters(), weight_decay=params.weight_decay)
        self.history: list[Epoch] = []
        self.best: dict[str, Tensor] = {}
        self.best_epoch = 0

    @property
    def stopped_by(self) -> str | None:
        """Why training is over: target, patience or max_epochs; None while it is not."""
        if not self.history:
            return None
        if self.best_row.validation_mean_delta <= self.params.target_delta:
            return "target"
        done = self.history[-1].epoch
        if done - self.best_epoch >= self.params.patience:
            return "patience"
        return "max_epochs" if done >= self.params.max_epochs else None

    @property
    def best_row(self) -> Epoch:
        """The row of the epoch that is kept."""
        return self.history[self.best_epoch - self.history[0].epoch]

    def run(self, after_epoch: Callable[[Epoch], object]) -> None:
        """Train until `stopped_by`; then the forecaster holds its best epoch's weights.

        With a ridge, epoch 0 is the ridge itself, and it is kept if no later one is better.

        Raises
        ------
        ValueError
            When the loss is no longer a number.
        """
        while self.stopped_by is None:
            starts = self.forecaster.ridge is not None and not self.history
            row = self.untrained() if starts else self.run_epoch()
            if not self.best or self._criterion(row) < self._criterion(self.best_row):
                self.best_epoch = row.epoch
                self.best = {name: weight.clone() for name, weight in self.forecaster.state_dict().items()}
            self.history.append(row)
            after_epoch(row)
        self.forecaster.load_state_dict(self.best)

    def _criterion(self, row: Epoch) -> float:
        return row.validation_loss if self.params.best_by == "loss" else row.validation_mean_delta

    def untrained(self) -> Epoch:
        """Return epoch 0, before the first step."""
        train = self._evaluate("train")
        validation = self._validated(train)
        return Epoch(0, train.loss, validation.loss, train.mean_delta, validation.mean_delta, 0.0, 0.0)

    def run_epoch(self) -> Epoch:
        """Train for one epoch and validate."""
        epoch, part = (self.history[-1].epoch if self.history else 0) + 1, self.windows.parts["train"]
        learning_rate = self.params.learning_rate * power(self.params.learning_rate_decay, epoch - 1)
        # order, noise and dropout depend on seed and epoch alone, so that a resumed run has the same
        random = np.random.default_rng([self.seed, epoch])
        order = random.permutation(part.windows)
        torch.manual_seed(int(np.random.SeedSequence([self.seed, epoch]).generate_state(1)[0]))

        self.forecaster.train()
        train, norms = EpochMeter(self.forecaster.task), []
        whole = part.windows - part.windows % part.batch_size
        for block in blocks(self.windows, self.forecaster, "train", order[:whole]):
            if noise := self.params.input_noise:
                drawn = random.standard_normal(block.x_NTD.shape, dtype=np.float32)
                block = replace(block, x_NTD=block.x_NTD + noise * torch.from_numpy(drawn))
            last_outputs, losses = [], []
            for rows, batch in block.batches:
                outputs_BAK = self.forecaster(*block.inputs(rows))
                loss = self.loss(outputs_BAK, block.labels_NAK[rows], batch)
                self.optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                norms.append(self.optimizer.step(learning_rate, clip=self.params.gradient_clip))
                last_outputs.append(batch.at_final_step(outputs_BAK.detach().numpy()))
                losses.append(float(loss.detach()))
            self._add(train, block, losses, np.concatenate(last_outputs))

        validation = self._validated(train)
        if not np.isfinite(loss_of_both := train.loss + validation.loss):
            raise ValueError(f"epoch {epoch}: the loss is {loss_of_both}; a smaller train.learning_rate may help")
        return Epoch(
            epoch,
            train.loss,
            validation.loss,
            train.mean_delta,
            validation.mean_delta,
            float(mean(norms)),
            learning_rate,
        )

    def _validated(self, train: "EpochMeter") -> "EpochMeter":
        return self._evaluate("validation")

    def _evaluate(self, part: str) -> "EpochMeter":
        """Return loss and mean delta of a part, with the weights as they are."""
        self.forecaster.eval()
        meter = EpochMeter(self.forecaster.task)
        with torch.inference_mode():
            for block in blocks(self.windows, self.forecaster, part, np.arange(self.windows.parts[part].windows)):
                together = [slice(None)] if self.forecaster.outputs_apart else [rows for rows, _ in block.batches]
                outputs_NAK = torch.cat([self.forecaster(*block.inputs(rows)) for rows in together])
                losses = [
                    float(self.loss(outputs_NAK[rows], block.labels_NAK[rows], batch)) for rows, batch in block.batches
                ]
                self._add(meter, block, losses, block.windows.at_final_step(outputs_NAK.numpy()))
        return meter

    def _add(self, meter: "EpochMeter", block: Block, losses: Sequence[float], outputs_N1K: Array) -> None:
        windows, task = block.windows, self.forecaster.task
        predicted_NK = windows.forecast(task.decode(torch.from_numpy(outputs_N1K), self.forecaster.target_scaler))
        actual_NK = windows.final_step().actual[:, 0]
        for (rows, batch), loss in zip(block.batches, losses, strict=True):
            meter.add(loss, batch.weight, actual_NK[rows], predicted_NK[rows])

    def state(self) -> dict[str, Any]:
        """Return everything the next epoch depends on, as tensors and plain values."""
        return {
            "weights": self.forecaster.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "history": [asdict(row) for row in self.history],
            "best": self.best,
            "best_epoch": self.best_epoch,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a saved state."""
        self.forecaster.load_state_dict(state["weights"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.history = [Epoch(**row) for row in state["history"]]
        self.best, self.best_epoch = state["best"], state["best_epoch"]


class Refit(Trainer):
    """Trains anew on train and validation, for as many epochs as validation chose before; the last one is kept.

    It has no validation left: in its history, those columns repeat train's.
    """

    def __init__(self, forecaster: Forecaster, windows: Windows, params: Train, *, seed: int, epochs: int) -> None:
        super().__init__(forecaster, windows, replace(params, max_epochs=epochs, target_delta=-1.0), seed=seed)

    def _validated(self, train: "EpochMeter") -> "EpochMeter":
        return train

    def _criterion(self, row: Epoch) -> float:
        return -row.epoch


class EpochMeter:
    """Running mean of the loss, and the mean delta, over the windows of an epoch."""

    def __init__(self, task: Task) -> None:
        self._windows, self._loss, self._error = 0.0, 0.0, task.Error()

    def add(self, loss: float, windows: float, actual_BK: Any, predicted_BK: Any) -> None:
        """Add a batch, its loss being a mean over so many windows."""
        self._windows += windows
        self._loss += loss * windows
        self._error.add(actual_BK, predicted_BK)

    @property
    def loss(self) -> float:
        """Mean loss of a window."""
        return self._loss / self._windows

    @property
    def mean_delta(self) -> float:
        """Mean delta at the last step, of classes the error rate."""
        return self._error.value
