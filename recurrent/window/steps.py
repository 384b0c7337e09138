"""From samples to steps: each step aggregates the same number of samples by one or several statistics.

Those beyond mean and spread are what has told most about laboratory earthquakes: quantiles, kurtosis and the share of
samples beyond a threshold (B. Rouet-Leduc et al., Geophys. Res. Lett. 44, 9276, 2017), and the power in bands of
frequency (P. A. Johnson et al., PNAS 118, e2011362118, 2021, on the competition with LANL's recording).
Legend of shapes: n steps, S samples of a step, D columns (or features) of a step, K targets.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from recurrent.numerics import log, mean, total
from recurrent.storage.npy import Array
from recurrent.storage.series import Series
from recurrent.window.timeline import Timeline

BLOCK_ROWS = 1 << 20  # samples held at a time
BANDS = 4  # of frequencies, equally wide, from 0 to half the sample rate
LARGEST, SMALLEST = 1e36, 1e-30  # between them squares are exact in float64, and scaled values finite in float32
BITS = 30  # of a band's power: beyond them the FFT's rounding decides


def _std(x_nSD: Array) -> Array:
    apart_nSD = x_nSD.astype(np.float64)  # one array throughout: memory from the system costs more than the sums
    apart_nSD -= mean(apart_nSD, axis=1)[:, None]
    apart_nSD *= apart_nSD
    return np.sqrt(mean(apart_nSD, axis=1))


def _quantile(share: float) -> Callable[[Array], Array]:
    # as float64: numpy subtracts neighbours in their own type, which overflows in int16
    return lambda x_nSD: np.quantile(x_nSD.astype(np.float64), share, axis=1)


def _skewness(x_nSD: Array) -> Array:
    apart = x_nSD - mean(x_nSD, axis=1)[:, None]
    variance = mean(apart * apart, axis=1)
    return mean(apart * apart * apart, axis=1) / (variance * np.sqrt(variance))


def _kurtosis(x_nSD: Array) -> Array:
    """Return the excess over a normal distribution's."""
    apart = x_nSD - mean(x_nSD, axis=1)[:, None]
    square = apart * apart
    variance = mean(square, axis=1)
    return mean(square * square, axis=1) / (variance * variance) - 3


def _share_beyond(deviations: float) -> Callable[[Array], Array]:
    def share(x_nSD: Array) -> Array:
        apart = x_nSD - mean(x_nSD, axis=1)[:, None]
        return mean(np.abs(apart) > deviations * np.sqrt(mean(apart * apart, axis=1))[:, None], axis=1)

    return share


def _log_band(number: int) -> Callable[[Array], Array]:
    """Return ln(mean square) of one of BANDS of frequencies; their mean squares add to the variance."""

    def power(x_nSD: Array) -> Array:
        samples = x_nSD.shape[1]
        waves = np.fft.rfft(x_nSD, axis=1)
        square = (waves.real * waves.real + waves.imag * waves.imag) * (2 / samples**2)
        if samples % 2 == 0:
            square[:, -1] /= 2  # the highest frequency has no twin
        ends = [(len(square[0]) - 1) * band // BANDS + 1 for band in (number - 1, number)]  # 0 is the mean
        # sine and cosine in numpy's FFT are the C library's, whose last bit is not the same on every CPU
        mantissa, twos = np.frexp(total(square[:, slice(*ends)], axis=1))
        return log(np.ldexp(np.rint(np.ldexp(mantissa, BITS)), twos - BITS))

    return power


# each turns samples (n, S, D) into features (n, D)
AGGREGATES: dict[str, Callable[[Array], Array]] = {
    "none": lambda x_nSD: x_nSD[:, 0],
    "mean": lambda x_nSD: mean(x_nSD, axis=1),
    "std": _std,
    "max": lambda x_nSD: np.abs(x_nSD.astype(np.float64)).max(axis=1),
    "log_mean": lambda x_nSD: log(mean(x_nSD, axis=1)),
    "log_std": lambda x_nSD: log(_std(x_nSD)),
    **{f"p{percent:02}": _quantile(percent / 100) for percent in (1, 5, 25, 75, 95, 99)},
    "iqr": lambda x_nSD: _quantile(0.75)(x_nSD) - _quantile(0.25)(x_nSD),
    "skewness": _skewness,
    "kurtosis": _kurtosis,
    "beyond_3_std": _share_beyond(3.0),
    **{f"log_band_{number}": _log_band(number) for number in range(1, BANDS + 1)},
}


def features(x_nSD: Array, statistics: Sequence[str], *, row: int) -> Array:
    """Return the features of steps (n, D x statistics), whose first sample is row `row` of the recording.

    Raises
    ------
    ValueError
        Where a statistic has no finite value, such as the logarithm of a constant stretch's spread, or one that is
        too large to compute with.
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):  # refused below, with the row
        columns = {name: AGGREGATES[name](x_nSD) for name in statistics}
    for name, values in columns.items():
        require_computable(values, "signal", name, row=row, samples=x_nSD.shape[1])
    return np.concatenate(list(columns.values()), axis=1)


def require_computable(values_nD: Array, array: str, name: str = "it", *, row: int = 0, samples: int = 1) -> None:
    """Raise ValueError, with the rows of the series, for the first step with a value that is beyond LARGEST."""
    if not (usable := (np.abs(values_nD) <= LARGEST).all(axis=1)).all():
        step = int(np.argmin(usable))
        first, last = row + step * samples, row + (step + 1) * samples - 1
        raise ValueError(
            f"{array}, {f'rows {first} to {last}' if samples > 1 else f'row {first}'}: {name} is {values_nD[step]}, "
            f"expected a number from -{LARGEST:g} to {LARGEST:g}; choose another window.statistic, a larger "
            "samples_per_step or another unit"
        )


def aggregate(series: Series[Any], samples_per_step: int, statistics: Sequence[str]) -> Iterator[tuple[Array, Array]]:
    """Yield blocks of steps: features (n, D) and the targets (n, K) of each step's last sample.

    Samples that do not fill a recording's last step are left out. Raises what `features` does.
    """
    rows = max(1, BLOCK_ROWS // samples_per_step) * samples_per_step
    for begin, end in Timeline.of(series, samples_per_step).spans:
        first = begin
        for signal, target in series.blocks(rows, begin, end):
            steps = len(signal) // samples_per_step
            x_nSD = signal[: steps * samples_per_step].reshape(steps, samples_per_step, signal.shape[1])
            if steps:
                of_steps = target[samples_per_step - 1 :: samples_per_step]
                require_computable(of_steps, "target", row=first, samples=samples_per_step)
                yield features(x_nSD, statistics, row=first), of_steps
            first += len(signal)
