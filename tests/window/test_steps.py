"""The statistics of a step are those of SciPy, and their last bits are those of every CPU."""

from typing import get_args

import numpy as np
import pytest
from scipy import signal, stats
from seeds import rng
from small_windows import write_series

from recurrent.config.fields import Statistic
from recurrent.window import steps


def _power_of_band(number):
    """A quarter of SciPy's periodogram, as ln of the mean square."""

    def power(samples):
        frequencies, density = signal.periodogram(samples.astype(float), detrend=False)
        # the bands' ends are rounded down to whole frequencies
        quarter = (len(frequencies) - 1) * np.arange(5) // 4
        return np.log(density[quarter[number - 1] + 1 : quarter[number] + 1].sum() / len(samples))

    return power


BY_SCIPY = {
    "skewness": stats.skew,
    "kurtosis": stats.kurtosis,
    "iqr": stats.iqr,
    "beyond_3_std": lambda samples: np.mean(np.abs(stats.zscore(samples)) > 3),
    **{f"p{n:02}": lambda samples, n=n: stats.scoreatpercentile(samples, n) for n in (1, 5, 25, 75, 95, 99)},
    **{f"log_band_{n}": _power_of_band(n) for n in (1, 2, 3, 4)},
}


@pytest.mark.parametrize("length", [64, 93, 94])
@pytest.mark.parametrize("statistic", BY_SCIPY)
def test_statistics_are_those_of_scipy(tmp_path, statistic, length):
    samples = np.rint(10 * rng(1).standard_t(3, (5, length, 2))).astype(np.int16)
    series = write_series(tmp_path, samples.reshape(-1, 2))
    [(features, _)] = steps.aggregate(series, length, (statistic,))
    expected = [[BY_SCIPY[statistic](samples[step, :, column]) for column in (0, 1)] for step in range(5)]
    np.testing.assert_allclose(features, expected, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("statistic", ["p25", "p75", "iqr", "max"])
def test_loud_samples_of_16_bits_are_those_of_any_type(statistic):
    loud = np.array([[[-30000], [30000]]], np.int16)  # a quantile lies between the two
    found, wanted = (steps.features(of, (statistic,), row=0) for of in (loud, loud.astype(np.float64)))
    assert found.tolist() == wanted.tolist()


def test_every_statistic_is_known_to_the_schema_and_compared_with_something():
    assert {*steps.AGGREGATES} == {*get_args(Statistic)}
    assert {*steps.AGGREGATES} == {*BY_SCIPY, "none", "mean", "std", "max", "log_mean", "log_std"}


def test_the_bands_hold_the_whole_variance(tmp_path):
    series = write_series(tmp_path, rng(1).normal(5.0, 2.0, 200))
    [(features, _)] = steps.aggregate(series, 100, [f"log_band_{number}" for number in (1, 2, 3, 4)])
    variances = [np.var(series.signal[first : first + 100]) for first in (0, 100)]
    np.testing.assert_allclose(np.exp(features).sum(axis=1), variances, rtol=1e-8)


def test_a_band_does_not_hang_on_the_last_bits_of_sine_and_cosine(tmp_path, monkeypatch):
    series = write_series(tmp_path, rng(1).normal(5.0, 2.0, 2000))
    names, usual = [f"log_band_{number}" for number in (1, 2, 3, 4)], np.fft.rfft
    [(expected, _)] = steps.aggregate(series, 100, names)
    monkeypatch.setattr(steps.np.fft, "rfft", lambda *args, **kw: usual(*args, **kw) * (1 + 1e-15))
    [(features, _)] = steps.aggregate(series, 100, names)
    assert features.tobytes() == expected.tobytes()
