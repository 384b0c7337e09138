"""The training loop: one row of history per epoch, and a reason for its end.

The loss of a window is the sum over its answers of each one's loss, on scaled targets; of a batch,
the mean over its windows. Validation chooses the epoch that is kept; the test part is never read.
Legend of shapes: B batch, T steps, D features, K targets or classes, A answers (T or 1).
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from recurrent.config.schema import Model, Train
from recurrent.network.forecaster import Forecaster, build
from recurrent.network.model_file import Architecture
from recurrent.network.scaler import Scaler
from recurrent.numerics import mean, power, total
from recurrent.storage.series import Array
from recurrent.train.adam import Adam
from recurrent.window.batch import Batch
from recurrent.window.steps import BLOCK_ROWS
from recurrent.window.windows import Windows

# of an answer that is `apart` from its label, and its slope
LOSSES: dict[str, Callable[[Array], tuple[Array, Array]]] = {
    "mae": lambda apart: (np.abs(apart), np.sign(apart)),
    "mse": lambda apart: (apart * apart, 2 * apart),
    "huber": lambda apart: (
        np.where(np.abs(apart) < 1, apart * apart / 2, np.abs(apart) - np.float32(0.5)),
        np.clip(apart, -1, 1),
    ),
}


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


HISTORY_COLUMNS = tuple(field.name for field in fields(Epoch))


def fit_scalers(windows: Windows) -> tuple[Scaler, Scaler]:
    """Fit the scalers of signal and labels on the train part, and on nothing else."""
    train, meta = windows.parts["train"], windows.meta

    def blocks(of: Any) -> Iterator[Any]:
        for first in range(train.begin, train.end, BLOCK_ROWS):
            yield of[first : min(first + BLOCK_ROWS, train.end)]

    if windows.view.depends_on_window:
        seen = (batch.first(batch.real) for batch in windows.batches("train"))
        learnt = (batch.first(batch.real) for batch in windows.batches("train"))
        return Scaler.fit(_rows(b.signal, b.lengths) for b in seen), Scaler.fit(
            _rows(b.labels, b.lengths) for b in learnt
        )
    words, classes = "vocabulary" in meta, "classes" in meta
    return (
        Scaler.identity(windows.steps.signal.shape[1]) if words else Scaler.fit(blocks(windows.steps.signal)),
        Scaler.identity(1) if classes else Scaler.fit(blocks(windows.steps.target)),
    )


def _rows(values: Any, lengths: Any) -> Any:
    if lengths is None:
        return values.reshape(-1, values.shape[-1])
    return values[np.arange(values.shape[1]) < lengths[:, None]]  # no padding


def architecture(model: Model, windows: Windows) -> Architecture:
    """Say what is to be built for these windows: their columns, words, targets and classes.

    Raises
    ------
    ValueError
        Where model.input or model.answer do not fit what the windows hold.
    """
    meta, columns = windows.meta, windows.steps.signal.shape[1]
    classes, words = len(meta.get("classes", ())), len(meta.get("vocabulary", ()))
    if (model.input == "values") == bool(words):
        expected = "multi_hot or embedding, the signal is words" if words else "values, the signal is no words"
        raise ValueError(f"model.input is {model.input}, expected {expected}")
    if classes and model.answer == "every":
        raise ValueError("model.answer is every, expected last or mean: a sequence has one class")
    return Architecture(
        cell=model.cell,
        input_size=columns,
        hidden_size=model.hidden_size,
        num_layers=model.num_layers,
        output_size=classes or windows.steps.target.shape[1],
        input=model.input,
        vocabulary=words,
        embedding_size=model.embedding_size if model.input == "embedding" else 0,
        dropout=model.dropout,
        answer=model.answer,
        classes=classes,
    )


def untrained(model: Model, windows: Windows, *, seed: int, backend: str = "reference") -> Forecaster:
    """Make the network that is trained on these windows, before its first step."""
    return build(architecture(model, windows), fit_scalers(windows), seed=seed, backend=backend)


class Trainer:
    """Trains a forecaster in place; between two epochs its whole state can be saved and restored."""

    def __init__(self, forecaster: Forecaster, windows: Windows, settings: Train, *, seed: int) -> None:
        self.forecaster, self.windows, self.settings, self.seed = forecaster, windows, settings, seed
        self.optimizer = Adam(forecaster.parameters(), weight_decay=settings.weight_decay)
        self.every = forecaster.architecture.answer == "every"
        if bool(forecaster.architecture.classes) != (settings.loss not in LOSSES):
            expected = "cross_entropy for classes, mae, mse or huber for quantities"
            raise ValueError(f"train.loss is {settings.loss}, expected {expected}")
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
            best = self._error(self.history[self.best_epoch - 1]) if self.best_epoch else np.inf
            if self._error(row) < best:
                self.best_epoch = row.epoch
                self.best = {name: weight.clone() for name, weight in self.forecaster.state_dict().items()}
            yield row
        self.forecaster.load_state_dict(self.best)

    def _error(self, row: Epoch) -> float:
        return row.validation_loss if self.settings.best_by == "loss" else row.validation_mean_delta

    def _epoch(self, epoch: int) -> Epoch:
        rate = self.settings.learning_rate * power(self.settings.learning_rate_decay, epoch - 1)
        # order and dropout depend on seed and epoch alone, so that a resumed run sees the same
        order = np.random.default_rng([self.seed, epoch]).permutation(self.windows.parts["train"].windows)
        torch.manual_seed(int(np.random.SeedSequence([self.seed, epoch]).generate_state(1)[0]))
        size = self.windows.parts["train"].batch_size
        train, norms = _Tally(self.forecaster), []
        self.forecaster.train()
        for first in range(0, len(order) - size + 1, size):
            batch = self.windows.cut("train", order[first : first + size], every=self.every)
            loss, answers_BAK = self._loss(batch)
            self.optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            norms.append(self.optimizer.step(rate, clip=self.settings.gradient_clip))
            train.add(float(loss.detach()), answers_BAK.detach(), batch)
        validation = _Tally(self.forecaster)
        self.forecaster.eval()
        with torch.inference_mode():
            for batch in self.windows.batches("validation", every=self.every):
                real = batch.first(batch.real)
                loss, answers_BAK = self._loss(real)
                validation.add(float(loss), answers_BAK, real)
        if not np.isfinite(loss_of_both := train.loss + validation.loss):
            raise ValueError(f"epoch {epoch}: the loss is {loss_of_both}; a smaller train.learning_rate may help")
        return Epoch(
            epoch, train.loss, validation.loss, train.mean_delta, validation.mean_delta, float(mean(norms)), rate
        )

    def _loss(self, batch: Batch) -> tuple[Tensor, Tensor]:
        lengths = None if batch.lengths is None else torch.from_numpy(batch.lengths)
        answers_BAK = self.forecaster(self.forecaster.scaled(batch.signal), lengths)
        if self.forecaster.architecture.classes:
            return functional.cross_entropy(
                answers_BAK[:, 0], torch.from_numpy(batch.labels[:, 0, 0]).long()
            ), answers_BAK
        wanted_BAK = self.forecaster.target_scaler.transform(batch.labels)
        counted = np.ones((1, 1, 1), np.float32)
        if batch.lengths is not None and self.every:
            counted = (np.arange(wanted_BAK.shape[1]) < batch.lengths[:, None])[..., None].astype(np.float32)
        loss: Tensor = _SummedLoss.apply(  # type: ignore[no-untyped-call]
            answers_BAK, wanted_BAK, counted, LOSSES[self.settings.loss]
        )
        return loss, answers_BAK


class _SummedLoss(torch.autograd.Function):
    """Sum over the answers of a window, mean over the windows; in one order, which torch's sums do not keep."""

    @staticmethod
    def forward(ctx: Any, answers_BAK: Tensor, wanted_BAK: Array, counted: Array, loss: Any) -> Tensor:
        with np.errstate(over="ignore", invalid="ignore"):  # the epoch is refused where its loss is no number
            each_BAK, slope_BAK = loss(answers_BAK.detach().numpy() - wanted_BAK)
        windows = len(wanted_BAK)
        ctx.slope_BAK = torch.from_numpy(slope_BAK * counted / np.float32(windows))
        return torch.tensor(float(total(each_BAK * counted)) / windows, dtype=torch.float64)

    @staticmethod
    def backward(ctx: Any, above: Tensor) -> tuple[Tensor, None, None, None]:
        return ctx.slope_BAK * above.to(ctx.slope_BAK.dtype), None, None, None


class _Tally:
    """Running mean of the loss and mean delta over the windows of an epoch."""

    def __init__(self, forecaster: Forecaster) -> None:
        self.windows, self._loss, self._wrong, self._size = 0, 0.0, 0.0, 0.0
        self._classes, self._scaler = forecaster.architecture.classes, forecaster.target_scaler

    def add(self, loss: float, answers_BAK: Tensor, batch: Batch) -> None:
        self.windows += len(batch.labels)
        self._loss += loss * len(batch.labels)
        if self._classes:
            self._wrong += float((answers_BAK[:, -1].argmax(dim=-1).numpy() != batch.labels[:, -1, 0]).sum())
            self._size += len(batch.labels)
            return
        end = batch.end()
        predicted_B1K = end.restore(self._scaler.inverse(batch.at_end(answers_BAK.numpy())))
        actual_B1K = end.actual
        self._wrong += float(total(np.abs(predicted_B1K - actual_B1K)))
        self._size += float(total(np.abs(actual_B1K)))

    @property
    def loss(self) -> float:
        return self._loss / self.windows

    @property
    def mean_delta(self) -> float:
        if self._size == 0:
            raise ValueError("every label is 0: a relative error has no meaning")
        return self._wrong / self._size
