"""history.csv and the progress line: what a person sees of a training run while it lasts.

The file holds no wall-clock times, so that the same run twice gives the same file; the line does.
"""

import csv
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, astuple
from pathlib import Path
from typing import Any

from recurrent.train.trainer import HISTORY_COLUMNS, Epoch, Trainer


def record(path: Path, earlier: Iterable[Epoch], epochs: Iterable[Epoch]) -> Iterator[Epoch]:
    """Write a row per epoch, complete on disk before the epoch is passed on; `earlier` ones first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(HISTORY_COLUMNS)
        rows.writerows(astuple(row) for row in earlier)
        file.flush()
        for row in epochs:
            rows.writerow(astuple(row))
            file.flush()
            yield row


def narrate(epochs: Iterable[Epoch], *, max_epochs: int, target_delta: float) -> Iterator[Epoch]:
    """Print a line per epoch: losses, mean deltas, and the time left if it runs to max_epochs."""
    began = time.monotonic()
    for done, row in enumerate(epochs, start=1):
        seconds = (time.monotonic() - began) / done
        left = int(seconds * (max_epochs - row.epoch))
        print(
            f"epoch {row.epoch:>3}/{max_epochs}  loss {row.train_loss:8.3f}  validation {row.validation_loss:8.3f}  "
            f"mean delta {row.train_mean_delta:.4f}  validation {row.validation_mean_delta:.4f} "
            f"(target {target_delta:g})  {seconds:.1f} s an epoch, at most {left // 60}:{left % 60:02d} left",
            flush=True,
        )
        yield row


def outcome(trainer: Trainer) -> dict[str, Any]:
    """Say for training.json how the run ended and which epoch was kept."""
    return {
        "backend": trainer.forecaster.backend,
        "stopped_by": trainer.stopped_by,
        "epochs": len(trainer.history),
        "target_delta": trainer.settings.target_delta,
        "best": asdict(trainer.history[trainer.best_epoch - 1]),
    }
