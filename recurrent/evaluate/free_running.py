"""Forecasts fed on themselves (closed loop): the network reads its own output as the next step, and so on.

Point by point, a network is told the truth after every step; here it is not, so its errors add up. Two ways: many
short runs, each from another place of the test part, and one run from its beginning (J. Aungiers, LSTM neural network
for time series prediction, 2018, shows the three side by side).
Legend of shapes: S runs, H steps ahead, T steps of a window, K targets, which are the columns that the network reads.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from recurrent.evaluate.baselines import drifting
from recurrent.evaluate.metrics import interval, resampled_means
from recurrent.evaluate.ridge import fit_ridge
from recurrent.evaluate.truth import measured
from recurrent.network.predictor import Predictor
from recurrent.numerics import mean
from recurrent.window.windows import Windows

Floats = npt.NDArray[np.float64]
LONGEST = 500  # steps of the long run at most


@dataclass(frozen=True, eq=False)
class Runs:
    """Forecasts of S runs over H steps, the truth, and what the baselines forecast that were run in the same way."""

    start: npt.NDArray[np.int64]  # (S,) step that the first forecast is of
    predicted: Floats  # (S, H, K)
    actual: Floats  # (S, H, K)
    baselines: dict[str, Floats]  # (S, H, K) each
    block: int  # neighbouring runs that share steps

    def by_step(self, forecast: Floats) -> Floats:
        """Root mean square error of each step ahead, (H,)."""
        apart = forecast - self.actual
        error: Floats = np.sqrt(mean(mean(apart * apart, axis=2), axis=0))
        return error

    def scores(self) -> dict[str, Any]:
        """For metrics/<system>.json; the gain's 95 % interval is in root mean square error, over the best baseline."""
        runs = len(self.start)
        squares = {
            name: mean(((forecast - self.actual) ** 2).reshape(runs, -1), axis=1)  # (S,)
            for name, forecast in {"network": self.predicted, **self.baselines}.items()
        }
        rmse = {name: math.sqrt(mean(values)) for name, values in squares.items()}
        best = min(self.baselines, key=lambda name: rmse[name])
        both = resampled_means(np.stack([squares[best], squares["network"]], axis=1), min(self.block, runs))
        low, high = interval(np.sqrt(both[:, 0]) - np.sqrt(both[:, 1]))
        return {
            "steps": self.actual.shape[1],
            "runs": runs,
            "rmse": rmse["network"],
            "persistence_rmse": rmse["persistence"],
            "baselines": {name: {"rmse": rmse[name]} for name in self.baselines},
            "gain_ci95": {"rmse": {"baseline": best, "low": low, "high": high}},
        }


def possible(windows: Windows) -> bool:
    """Return whether an output is all that the network reads, one step later."""
    meta = windows.meta
    reads_targets = meta.target_columns == tuple(range(len(meta.features)))
    return reads_targets and meta.horizon == 1 and not meta.one_window_per_group


def short_runs(
    windows: Windows, predictors: Sequence[Predictor], steps: int, *, ridge_penalties: Sequence[float]
) -> Runs:
    """Run from many places of the test part, none of which shares a forecast with another; baselines likewise.

    Raises
    ------
    ValueError
        Where the outputs are not what the network reads, or the test part is too short.
    """
    part = windows.parts["test"]
    starts = [
        start
        for (begin, end), context in zip(part.group_spans.tolist(), part.context.tolist(), strict=True)
        for start in range(max(begin, context + part.seq_len), end - steps + 1, steps)
        if part.known is None or part.known[start : start + steps].all()
    ]
    runs = _run(windows, predictors, starts, steps)
    last = measured(windows, runs.start - 1)
    baselines = {
        "persistence": np.repeat(last[:, None], steps, axis=1),
        "drift": drifting(windows, last, steps),
        "ridge": _run(windows, [fit_ridge(windows, ridge_penalties)], starts, steps).predicted,
    }
    return replace(runs, baselines=baselines)


def single_run(windows: Windows, predictors: Sequence[Predictor]) -> Runs:
    """Run once, from the beginning of the test part to its end or for LONGEST steps."""
    part = windows.parts["test"]
    end = int(part.group_spans[0, 1])
    start = max(int(part.group_spans[0, 0]), int(part.context[0]) + part.seq_len)
    return _run(windows, predictors, [start], min(LONGEST, end - start))


def _run(windows: Windows, predictors: Sequence[Predictor], starts: Sequence[int], steps: int) -> Runs:
    if not possible(windows):
        raise ValueError(
            "evaluate.free_running needs a network that forecasts all columns it reads one step ahead: "
            f"columns {', '.join(windows.meta.features)}, target {', '.join(windows.meta.target)}, "
            f"horizon {windows.meta.horizon}"
        )
    if not starts:
        raise ValueError(f"evaluate.free_running is {steps}: the test part is too short for a run of so many steps")
    start, seq_len = np.array(starts), windows.meta.seq_len
    order = np.argsort(windows.meta.measured_columns)  # column of the signal -> target that measures it
    seen = np.asarray(windows.steps.signal[start[:, None] + np.arange(-seq_len, 0)], dtype=np.float64)
    actual = np.asarray(windows.steps.target[start[:, None] + np.arange(steps)], dtype=np.float64)
    predicted = np.empty_like(actual)
    for step in range(steps):
        signal, scale, shift = windows.view.transform(seen, start - seq_len + step, all_steps=False)
        outputs = mean([predictor(signal, None) for predictor in predictors], axis=0)[:, -1:]
        predicted[:, step] = (outputs * scale + shift)[:, 0]
        seen = np.concatenate([seen[:, 1:], predicted[:, step : step + 1, order]], axis=1)
    return Runs(start, predicted, actual, {}, -(-(seq_len + steps) // steps))


def tables(of_short: Runs, long_run: Runs, windows: Windows) -> dict[str, dict[str, Floats]]:
    """Return columns of free_running.csv (short runs), error_by_lead_time.csv and single_run.csv."""

    def table(runs: Runs) -> dict[str, Floats]:
        steps, names = runs.actual.shape[1], windows.meta.target
        columns = {
            "run": np.repeat(np.arange(len(runs.start)), steps).astype(np.float64),
            "time": (runs.start[:, None] + np.arange(steps)).reshape(-1).astype(np.float64),
        }
        for key, values in {"actual": runs.actual, "predicted": runs.predicted}.items():
            columns |= {(key if len(names) == 1 else f"{key}_{n}"): values[..., i].ravel() for i, n in enumerate(names)}
        return columns

    ahead = {
        "step": np.arange(1.0, of_short.actual.shape[1] + 1),
        "network": of_short.by_step(of_short.predicted),
    } | {name: of_short.by_step(forecast) for name, forecast in of_short.baselines.items()}
    return {"free_running": table(of_short), "error_by_lead_time": ahead, "single_run": table(long_run)}
