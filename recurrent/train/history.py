"""history.csv and the progress line: what a person sees of a training run while it lasts.

The file holds no wall-clock times, so that the same run twice gives the same file; the line does.
"""

import csv
import time
from collections.abc import Iterable
from dataclasses import asdict, astuple, fields
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from recurrent.storage.atomic import naming
from recurrent.train.trainer import Epoch, Trainer

HISTORY_COLUMNS = tuple(field.name for field in fields(Epoch))


class History:
    """Writes a row per epoch, complete on disk before the next epoch begins, and prints a line of progress."""

    def __init__(self, path: Path, earlier: Iterable[Epoch], *, max_epochs: int, target_delta: float) -> None:
        self._max_epochs, self._target_delta = max_epochs, target_delta
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path, self._file = path, path.open("w", encoding="utf-8", newline="")
        self._rows = csv.writer(self._file, lineterminator="\n")
        self._write([HISTORY_COLUMNS, *(astuple(row) for row in earlier)])
        self._began, self._done = time.monotonic(), 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with naming(self._path):
            self._file.close()

    def _write(self, rows: Iterable[Iterable[Any]]) -> None:
        with naming(self._path):
            self._rows.writerows(rows)
            self._file.flush()

    def add(self, row: Epoch) -> None:
        """Write the row; print its losses, its mean deltas, and the time left if training runs to max_epochs."""
        self._write([astuple(row)])
        self._done += 1
        seconds = (time.monotonic() - self._began) / self._done
        left = int(seconds * (self._max_epochs - row.epoch))
        print(
            f"epoch {row.epoch:>3}/{self._max_epochs}  loss {row.train_loss:8.3f}  "
            f"validation {row.validation_loss:8.3f}  "
            f"mean delta {row.train_mean_delta:.4f}  validation {row.validation_mean_delta:.4f} "
            f"(target {self._target_delta:g})  {seconds:.1f} s an epoch, at most {left // 60}:{left % 60:02d} left",
            flush=True,
        )


def training_summary(trainer: Trainer) -> dict[str, Any]:
    """Return for training.json how the run ended and which epoch was kept."""
    return {
        "backend": trainer.forecaster.backend,
        "stopped_by": trainer.stopped_by,
        "epochs": trainer.history[-1].epoch,
        "target_delta": trainer.params.target_delta,
        "best": asdict(trainer.best_row),
    }
