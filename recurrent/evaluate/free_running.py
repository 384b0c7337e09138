"""Forecasts fed on themselves (closed loop): the network reads its own output as the next step, and so on.

Point by point, a network is told the truth after every step; here it is not, so its errors add up. Two ways: many
short runs, each from another place of the test part, and one run from its beginning (J. Aungiers, LSTM neural network
for time series prediction, 2018, shows the three side by side).
Legend of shapes: S runs, H steps ahead, P past steps, K targets, which are the columns that the network reads.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from recurrent.evaluate.baselines import drift_step
from recurrent.evaluate.metrics import interval, over_draws, resampled_means
from recurrent.evaluate.seasons import SeasonalWindows, beginnings, seen
from recurrent.evaluate.trees import fit_trees, trees_apply
from recurrent.network.predictor import Predictor
from recurrent.network.ridge import fit_ridge
from recurrent.numerics import mean
from recurrent.window.windows import Windows

Floats = npt.NDArray[np.float64]
Steps = npt.NDArray[np.int64]
LONGEST = 500  # steps of the long run at most
Move = Callable[[Floats, Steps], Floats]  # past (S, P, K), number of the next step (S,) -> forecast of it (S, K)


@dataclass(frozen=True, eq=False)
class Runs:
    """Forecasts of S runs over H steps, the truth, and what the baselines forecast that were run in the same way."""

    start: npt.NDArray[np.int64]  # (S,) step that the first forecast is of
    predicted: Floats  # (S, H, K)
    actual: Floats  # (S, H, K)
    baselines: dict[str, Floats]  # (S, H, K) each
    block: int  # neighbouring runs that share steps
    alone: tuple[Floats, ...] = ()  # (S, H, K) by each network on its own output

    def by_step(self, forecast: Floats) -> Floats:
        """Root mean square error of each step ahead, (H,)."""
        apart = forecast - self.actual
        error: Floats = np.sqrt(mean(mean(apart * apart, axis=2), axis=0))
        return error

    def rmse(self, forecast: Floats) -> float:
        """Root mean square error over all steps."""
        return math.sqrt(mean((forecast - self.actual) ** 2))

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
        draws = [{"rmse": self.rmse(forecast)} for forecast in self.alone]
        return {
            "steps": self.actual.shape[1],
            "runs": runs,
            "rmse": rmse["network"],
            "baselines": {name: {"rmse": rmse[name]} for name in self.baselines},
            "gain_ci95": {"rmse": {"baseline": best, "low": low, "high": high}},
        } | ({"one_network": over_draws(draws)} if len(draws) > 1 else {})


def possible(windows: Windows) -> bool:
    """Return whether an output is all that the network reads, one step later."""
    meta = windows.meta
    reads_targets = meta.target_columns == tuple(range(len(meta.features)))
    return reads_targets and meta.horizon == 1 and not meta.one_window_per_group


def short_runs(
    windows: Windows,
    predictors: Sequence[Predictor],
    steps: int,
    chosen_on: Windows | None = None,
    *,
    ridge_penalties: Sequence[float],
    moving_average: int,
    seasons: tuple[int, ...],
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
    _require_runs(windows, starts, steps)
    middle, drifted = np.median(windows.labels("train"), axis=0), drift_step(windows)
    seasonal = SeasonalWindows.of(windows, seasons) if seasons else windows
    moves: dict[str, Move] = {
        "median": lambda past, _: np.tile(middle, (len(past), 1)),
        "persistence": lambda past, _: past[:, -1],
        "drift": lambda past, _: drifted(past[:, -1]),
        **{f"seasonal_naive_{n}": partial(_by_season, season=n) for n in seasons},
        "moving_average": lambda past, _: mean(past[:, -min(moving_average, part.seq_len) :], axis=1),
        "ridge": _by_networks(windows, [fit_ridge(seasonal, ridge_penalties)], seasons),
    }
    if trees_apply(windows):
        moves["boosted_trees"] = _by_networks(windows, [fit_trees(windows, chosen_on)])
    run = partial(_run, windows, starts=starts, steps=steps, reach=max([part.seq_len, *seasons]))
    runs = run(_by_networks(windows, predictors))
    several = predictors if len(predictors) > 1 else []
    alone = tuple(run(_by_networks(windows, [predictor])).predicted for predictor in several)
    return replace(runs, baselines={name: run(move).predicted for name, move in moves.items()}, alone=alone)


def single_run(windows: Windows, predictors: Sequence[Predictor]) -> Runs:
    """Run once, from the beginning of the test part to its end or for LONGEST steps."""
    part = windows.parts["test"]
    end = int(part.group_spans[0, 1])
    start = max(int(part.group_spans[0, 0]), int(part.context[0]) + part.seq_len)
    steps = min(LONGEST, end - start)
    _require_runs(windows, [start], steps)
    return _run(windows, _by_networks(windows, predictors), starts=[start], steps=steps, reach=part.seq_len)


def _require_runs(windows: Windows, starts: Sequence[int], steps: int) -> None:
    if not possible(windows):
        raise ValueError(
            "evaluate.free_running needs a network that forecasts all columns it reads one step ahead: "
            f"columns {', '.join(windows.meta.features)}, target {', '.join(windows.meta.target)}, "
            f"horizon {windows.meta.horizon}"
        )
    if not starts:
        raise ValueError(f"evaluate.free_running is {steps}: the test part is too short for a run of so many steps")


def _season_ago(past: Floats, season: int) -> Floats:
    """Return the values of a season before the next step, or the last where there are none, (S, K)."""
    earlier: Floats = past[:, -season]
    return np.where(np.isnan(earlier), past[:, -1], earlier)


def _by_season(past: Floats, _: Steps, season: int) -> Floats:
    return _season_ago(past, season)


def _by_networks(windows: Windows, predictors: Sequence[Predictor], seasons: Sequence[int] = ()) -> Move:
    """Return what the mean of some networks forecasts; those that read seasons get their steps before the window's."""
    length, view = windows.meta.seq_len, windows.view

    def move(past: Floats, following: Steps) -> Floats:
        window = past[:, -length:]
        signal, scale, shift = view.transform(window, following - length, all_steps=False)
        if seasons:
            earlier = np.stack([_season_ago(past, season) for season in seasons], axis=1)
            signal = np.concatenate([seen(earlier, window[:, 0], relative=view.relative_to_first), signal], axis=1)
        outputs = mean([predictor(signal, None) for predictor in predictors], axis=0)[:, -1:]
        found: Floats = (outputs * scale + shift)[:, 0]
        return found

    return move


def _run(windows: Windows, move: Move, *, starts: Sequence[int], steps: int, reach: int) -> Runs:
    """Run over the last `reach` steps before each start, NaN where the series or group had not begun."""
    start, seq_len = np.array(starts), windows.meta.seq_len
    before = start[:, None] + np.arange(-reach, 0)
    begun = before >= beginnings(windows, start - 1)[:, None]
    past = np.where(begun[..., None], windows.steps.signal[np.maximum(before, 0)], np.nan)
    actual = np.asarray(windows.steps.target[start[:, None] + np.arange(steps)], dtype=np.float64)
    predicted = np.empty_like(actual)
    for step in range(steps):
        predicted[:, step] = move(past, start + step)
        past = np.concatenate([past[:, 1:], predicted[:, step : step + 1]], axis=1)
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
