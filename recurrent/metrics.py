"""Errors of a forecast: (actual, predicted) -> float. Any shape, the same for both, in the label's unit."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def mean_delta(actual: Floats, predicted: Floats) -> float:
    """Sum of |predicted - actual| over the sum of |actual|.

    Not to be confused with the mean of |predicted - actual| / |actual|, which labels near zero spoil.
    """
    total = float(np.abs(actual).sum())
    if total == 0:
        raise ValueError("every label is 0: a relative error has no meaning")
    return float(np.abs(predicted - actual).sum()) / total


def mean_absolute_error(actual: Floats, predicted: Floats) -> float:
    """Mean of |predicted - actual|."""
    return float(np.abs(predicted - actual).mean())


def root_mean_squared_error(actual: Floats, predicted: Floats) -> float:
    """Square root of the mean of (predicted - actual) squared."""
    return float(np.sqrt(((predicted - actual) ** 2).mean()))


def r2(actual: Floats, predicted: Floats) -> float:
    """Share of the labels' variance that the forecast explains; 0 where the labels never change."""
    variance = float(((actual - actual.mean()) ** 2).mean())
    return 1 - root_mean_squared_error(actual, predicted) ** 2 / variance if variance > 0 else 0.0


def score(actual: Floats, predicted: Floats) -> dict[str, float]:
    """All of them, under the names of metrics/<system>.json."""
    return {
        "mean_delta": mean_delta(actual, predicted),
        "mae": mean_absolute_error(actual, predicted),
        "rmse": root_mean_squared_error(actual, predicted),
        "r2": r2(actual, predicted),
    }
