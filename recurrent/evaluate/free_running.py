"""Forecasts fed on themselves: the network reads its own answer as the next step, and goes on.

Point by point, a network is told the truth after every step; here it is not, so its errors add up. Two ways: many
short runs, each from another place of the test part, and one run from its beginning (J. Aungiers, LSTM neural network
for time series prediction, 2018, shows the three side by side).
Legend of shapes: S runs, H steps ahead, T steps of a window, K targets, which are the columns that the network reads.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from recurrent.evaluate.metrics import mean_squared_error
from recurrent.network.predictor import Model
from recurrent.numerics import mean
from recurrent.window.windows import Windows

Floats = npt.NDArray[np.float64]
WHOLE = 500  # steps of the long run at most


@dataclass(frozen=True, eq=False)
class Runs:
    """Forecasts of S runs over H steps, what came, and what persistence said."""

    start: npt.NDArray[np.int64]  # (S,) step that the first forecast is of
    predicted: Floats  # (S, H, K)
    actual: Floats  # (S, H, K)
    persistence: Floats  # (S, H, K)

    def by_step(self, forecast: Floats) -> Floats:
        """Root mean square error of each step ahead, (H,)."""
        apart = forecast - self.actual
        error: Floats = np.sqrt(mean(mean(apart * apart, axis=2), axis=0))
        return error

    def scores(self) -> dict[str, Any]:
        """For metrics/<system>.json."""
        both = {"rmse": self.predicted, "persistence_rmse": self.persistence}
        found = {name: math.sqrt(mean_squared_error(self.actual, f)) for name, f in both.items()}
        return {"steps": self.actual.shape[1], "runs": len(self.start)} | found


def possible(windows: Windows) -> bool:
    """Whether an answer is all that the network reads, one step later."""
    meta = windows.meta
    return meta["observed"] == list(range(len(meta["features"]))) and meta["horizon"] == 1 and not meta["whole"]


def short(windows: Windows, models: Sequence[Model], steps: int) -> Runs:
    """Run from many places of the test part, none of which shares a forecast with another.

    Raises
    ------
    ValueError
        Where the answers are not what the network reads, or the test part is too short.
    """
    part = windows.parts["test"]
    starts = [
        first + part.seq_len
        for begin, end in part.stretches.tolist()
        for first in range(begin, end - part.seq_len - steps + 1, steps)
    ]
    return _run(windows, models, starts, steps)


def whole(windows: Windows, models: Sequence[Model]) -> Runs:
    """Run once, from the beginning of the test part to its end or for WHOLE steps."""
    part = windows.parts["test"]
    begin, end = part.stretches[0].tolist()
    return _run(windows, models, [begin + part.seq_len], min(WHOLE, end - begin - part.seq_len))


def _run(windows: Windows, models: Sequence[Model], starts: Sequence[int], steps: int) -> Runs:
    if not possible(windows):
        raise ValueError(
            "evaluate.free_running needs a network that forecasts all columns it reads one step ahead: "
            f"columns {windows.meta['features']}, target {windows.meta['target']}, horizon {windows.meta['horizon']}"
        )
    if not starts:
        raise ValueError(f"evaluate.free_running is {steps}: the test part is too short for a run of so many steps")
    start, seq_len = np.array(starts), windows.meta["seq_len"]
    order = np.argsort(windows.meta["observed"])  # column of the signal -> target that measures it
    seen = np.asarray(windows.steps.signal[start[:, None] + np.arange(-seq_len, 0)], dtype=np.float64)
    actual = np.asarray(windows.steps.target[start[:, None] + np.arange(steps)], dtype=np.float64)
    stays = np.repeat(seen[:, -1:, windows.meta["observed"]], steps, axis=1)
    predicted = np.empty_like(actual)
    for step in range(steps):
        signal, unit, offset = windows.view.transform(seen, start - seq_len + step, every=False)
        answers = mean([model(signal, None) for model in models], axis=0)[:, -1:]
        predicted[:, step] = (answers * unit + offset)[:, 0]
        seen = np.concatenate([seen[:, 1:], predicted[:, step : step + 1, order]], axis=1)
    return Runs(start, predicted, actual, stays)


def tables(short_runs: Runs, long_run: Runs, windows: Windows) -> dict[str, dict[str, Floats]]:
    """Columns of free_running.csv (every short run), horizon.csv (error by step ahead) and whole.csv (the long run)."""

    def table(runs: Runs) -> dict[str, Floats]:
        steps, names = runs.actual.shape[1], windows.meta["target"]
        found = {
            "run": np.repeat(np.arange(len(runs.start)), steps).astype(np.float64),
            "time": (runs.start[:, None] + np.arange(steps)).reshape(-1).astype(np.float64),
        }
        for key, values in {"actual": runs.actual, "predicted": runs.predicted}.items():
            found |= {(key if len(names) == 1 else f"{key}_{n}"): values[..., i].ravel() for i, n in enumerate(names)}
        return found

    ahead = {
        "step": np.arange(1.0, short_runs.actual.shape[1] + 1),
        "network": short_runs.by_step(short_runs.predicted),
        "persistence": short_runs.by_step(short_runs.persistence),
    }
    return {"free_running": table(short_runs), "horizon": ahead, "whole": table(long_run)}
