"""What a network must beat: forecasts that need no network, fitted on train only.

Legend of shapes: N windows, T steps, D features.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from recurrent.metrics import mean_absolute_error
from recurrent.windowing import Windows

Floats = npt.NDArray[np.float64]


def forecasts(windows: Windows, part: str, *, ridge_penalties: Sequence[float]) -> dict[str, Floats]:
    """Forecast the last step of each window with every baseline that applies: name -> (N,)."""
    result = {"median": median(windows, part)}
    if windows.meta["failures"]:
        result["clock"] = clock(windows, part)
    result["ridge"] = ridge(windows, part, penalties=ridge_penalties)
    return result


def median(windows: Windows, part: str) -> Floats:
    """Always the median label of train: the constant with the least absolute error."""
    return np.full(windows.parts[part].windows, np.median(windows.labels("train")[:, 0]))


def clock(windows: Windows, part: str) -> Floats:
    """Mean interval between failures in train, less the time since the last failure, never below 0.

    The time since the last failure is how far the countdown has come down since then: the length
    of the cycle cancels out, so nothing of the future enters.
    """
    cycle, since = cycles(windows, windows.last_steps(part))
    ends = np.array(windows.meta["failures"]) // windows.meta["samples_per_step"]
    intervals = np.array(windows.meta["first_targets"])[1:]  # from each failure to the next
    train = windows.parts["train"]
    whole = (ends[:-1] >= train.begin) & (ends[1:] <= train.end)
    known = intervals[:-1][whole] if whole.any() else np.array([windows.labels("train").max()])
    return np.maximum(0.0, known.mean() - since)


def cycles(windows: Windows, steps: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], Floats]:
    """Give the number of failures before each step's last sample, and the time since the last one.

    Before the first failure the recording's own start stands for it.
    """
    rows = (steps + 1) * windows.meta["samples_per_step"] - 1
    cycle = np.searchsorted(windows.meta["failures"], rows, side="right")
    at_start = np.array(windows.meta["first_targets"])
    return cycle, at_start[cycle] - windows.steps.target[steps, 0]


def ridge(windows: Windows, part: str, *, penalties: Sequence[float]) -> Floats:
    """Ridge regression of the label on all T x D features of the window; validation chooses the penalty.

    The normal equations are summed batch by batch, so memory does not grow with the data.
    """
    gram: Floats | float = 0.0
    moment: Floats | float = 0.0
    mean = windows.steps.signal[windows.parts["train"].begin : windows.parts["train"].end].mean(axis=0)
    for design, label in _designs(windows, "train", mean):
        gram, moment = gram + design.T @ design, moment + design.T @ label
    gram = np.asarray(gram)
    free = np.eye(len(gram))
    free[-1, -1] = 0.0  # the intercept is not held back
    fits = [np.linalg.lstsq(gram + penalty * free, moment, rcond=None)[0] for penalty in penalties]

    def forecast(name: str, weights: npt.NDArray[Any]) -> Floats:
        return np.concatenate([design @ weights for design, _ in _designs(windows, name, mean)])

    actual = windows.labels("validation")[:, 0]
    errors = [mean_absolute_error(actual, forecast("validation", weights)) for weights in fits]
    return forecast(part, fits[int(np.argmin(errors))])


def _designs(windows: Windows, part: str, mean: Floats) -> Iterator[tuple[Floats, Floats]]:
    """Yield (B, T x D + 1) features with a column of ones, and labels (B,), real windows only."""
    for x_BTD, y_BTK, real in windows.batches(part):
        flat = (x_BTD[:real] - mean).reshape(real, -1)
        yield np.c_[flat, np.ones(real)], y_BTK[:real, -1, 0].astype(np.float64)
