"""From samples to steps: each step aggregates the same number of samples by one or several statistics.

Legend of shapes: n steps, S samples of a step, D columns (or features) of a step, K targets.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from recurrent.numerics import log, mean
from recurrent.storage.npy import Array
from recurrent.storage.series import Series

BLOCK_ROWS = 1 << 20  # samples held at a time


def _std(x_nSD: Array) -> Array:
    apart = x_nSD - mean(x_nSD, axis=1)[:, None]
    return np.sqrt(mean(apart * apart, axis=1))


# each turns samples (n, S, D) into features (n, D)
AGGREGATES: dict[str, Callable[[Array], Array]] = {
    "none": lambda x_nSD: x_nSD[:, 0],
    "mean": lambda x_nSD: mean(x_nSD, axis=1),
    "std": _std,
    "max": lambda x_nSD: np.abs(x_nSD.astype(np.float64)).max(axis=1),
    "log_mean": lambda x_nSD: log(mean(x_nSD, axis=1)),
    "log_std": lambda x_nSD: log(_std(x_nSD)),
}


def features(x_nSD: Array, statistics: Sequence[str], *, row: int) -> Array:
    """Return the features of steps (n, D x statistics), whose first sample is row `row` of the recording.

    Raises
    ------
    ValueError
        Where a statistic has no finite value, such as the logarithm of a constant stretch's spread.
    """
    samples = x_nSD.shape[1]
    with np.errstate(divide="ignore", invalid="ignore"):  # refused below, with the row
        columns = {name: AGGREGATES[name](x_nSD) for name in statistics}
    for name, values in columns.items():
        if not (finite := np.isfinite(values).all(axis=1)).all():
            step = int(np.argmin(finite))
            raise ValueError(
                f"signal, rows {row + step * samples} to {row + (step + 1) * samples - 1}: {name} is {values[step]}, "
                "expected a finite number; choose another window.statistic or a larger samples_per_step"
            )
    return np.concatenate(list(columns.values()), axis=1)


def aggregate(series: Series[Any], samples_per_step: int, statistics: Sequence[str]) -> Iterator[tuple[Array, Array]]:
    """Yield blocks of steps: features (n, D) and the targets (n, K) of each step's last sample.

    Samples that do not fill a last step are left out. Raises what `features` does.
    """
    rows = max(1, BLOCK_ROWS // samples_per_step) * samples_per_step
    first = 0
    for signal, target in series.blocks(rows):
        steps = len(signal) // samples_per_step
        x_nSD = signal[: steps * samples_per_step].reshape(steps, samples_per_step, signal.shape[1])
        if steps:
            yield features(x_nSD, statistics, row=first), target[samples_per_step - 1 :: samples_per_step]
        first += len(signal)
