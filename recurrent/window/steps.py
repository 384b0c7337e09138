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


def aggregate(series: Series[Any], samples_per_step: int, statistics: Sequence[str]) -> Iterator[tuple[Array, Array]]:
    """Yield blocks of steps: features (n, D) and the targets (n, K) of each step's last sample.

    Samples that do not fill a last step are left out.

    Raises
    ------
    ValueError
        Where a statistic has no finite value, such as the logarithm of a constant stretch's spread.
    """
    rows = max(1, BLOCK_ROWS // samples_per_step) * samples_per_step
    first = 0
    for signal, target in series.blocks(rows):
        steps = len(signal) // samples_per_step
        x_nSD = signal[: steps * samples_per_step].reshape(steps, samples_per_step, signal.shape[1])
        with np.errstate(divide="ignore", invalid="ignore"):  # refused below, with the row
            columns = {name: AGGREGATES[name](x_nSD) for name in statistics}
        for name, values in columns.items():
            if not (finite := np.isfinite(values).all(axis=1)).all():
                row = first + int(np.argmin(finite)) * samples_per_step
                found = values[int(np.argmin(finite))]
                raise ValueError(
                    f"signal, rows {row} to {row + samples_per_step - 1}: {name} is {found}, expected a finite "
                    "number; choose another window.statistic or a larger samples_per_step"
                )
        if steps:
            yield np.concatenate(list(columns.values()), axis=1), target[samples_per_step - 1 :: samples_per_step]
        first += len(signal)
