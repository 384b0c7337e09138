"""The interval of a model, from its errors on validation, goes into its file."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from recurrent.network.interval import Interval
from recurrent.network.model_file import ModelFile
from recurrent.network.predictor import read_predictor
from recurrent.numerics import mean
from recurrent.train.setup import task_of_windows
from recurrent.window.windows import Windows


def calibrate(windows: Windows, paths: Sequence[Path], *, backend: str, threads: int | Literal["auto"]) -> None:
    """Fit the interval of the networks' mean and write it into the first one's file.

    Not for classes, nor where validation has too few windows. Networks must not have learnt validation: then the
    interval would be too narrow.
    """
    if not task_of_windows(windows).has_interval:
        return
    networks = [read_predictor(path, backend=backend, threads=threads) for path in paths]
    predicted, actual = [], []
    for padded in windows.batches("validation", all_steps=False):
        batch = padded.valid()
        outputs_BAK = mean([network(batch.signal, batch.lengths) for network in networks], axis=0)
        predicted.append(batch.forecast(outputs_BAK))
        actual.append(batch.actual[:, -1])
    if interval := Interval.fit(np.concatenate(predicted), np.concatenate(actual)):
        replace(ModelFile.read(paths[0]), interval=interval).write(paths[0])
