"""The generated sources hold the formulas that were published, seen by what simple forecasts score on them."""

import math
from pathlib import Path

import numpy as np
import pytest

from recurrent.sources import noisy_sine, sine, trajectory

RAW = Path("none")


def mean_squared_error(actual, predicted):
    return float(((actual - predicted) ** 2).mean())


def test_sine():
    value = sine.read(sine.Options(rows=5001), RAW).signal[:, 0]
    assert [value[i] for i in (0, 1, 5000)] == pytest.approx([0.841470985, 0.873736397, 0.841470985], abs=1e-9)
    assert mean_squared_error(value[1:], value[:-1]) == pytest.approx(1.97e-3, rel=0.01)


def test_noisy_sine_is_a_wave_and_noise_of_a_third():
    recording = noisy_sine.read(noisy_sine.Options(rows=1000, series=50, seed=0), RAW)
    value = recording.signal.reshape(50, 1000)
    noise = value - np.sin(0.02 * np.arange(1000))
    assert noise.min() >= 0 and noise.max() < 2
    assert mean_squared_error(noise, 1) == pytest.approx(1 / 3, rel=0.02)
    assert recording.group.tolist() == [i for i in range(50) for _ in range(1000)]
    assert len({row.tobytes() for row in value}) == 50 == len(recording.meta["groups"])


def test_more_noisy_series_leave_the_first_as_they_are_and_another_seed_does_not():
    few, more, other = (
        noisy_sine.read(noisy_sine.Options(rows=50, series=series, seed=seed), RAW).signal
        for series, seed in ((2, 0), (3, 0), (2, 1))
    )
    assert few.tobytes() == more[:100].tobytes()
    assert (few != other).all()


def test_trajectory_by_hand():
    place = trajectory.read(trajectory.Options(rows=3, step=0.02), RAW).signal
    sin, cos, t = math.sin, math.cos, 0.04
    a1, a2, a3, a4, b1, b2, b3, b4 = *trajectory.A, *trajectory.B
    k1, k2, k3, k4, m1, m2, m3, m4 = *trajectory.K, *trajectory.M
    x = a1 * sin((k1 + 20) * t) + a2 * cos((k2 + 10) * t) + a3 * sin((k3 + 5) * t) + a4 * cos((k4 + 5) * t)
    y = b1 * cos((m1 + 20) * t) + b2 * sin((m2 + 10) * t) + b3 * cos((m3 + 5) * t) + b4 * sin((m4 + 5) * t)
    assert place[2] == pytest.approx([x, y], rel=1e-12)
    assert place[0] == pytest.approx([a2 + a4, b1 + b3], rel=1e-12)


def test_trajectory_is_as_hard_as_published():
    place = trajectory.read(trajectory.Options(rows=50_000, step=0.02), RAW).signal
    train, test = place[:40_000], place[40_000:]
    test = (test - train.mean()) / train.std()
    assert mean_squared_error(test[1:], test[:-1]) == pytest.approx(6.8e-2, rel=0.02)
    assert mean_squared_error(test[2:], 2 * test[1:-1] - test[:-2]) == pytest.approx(8.6e-3, rel=0.02)
    # de Prony: eight past values give the next exactly
    lags = np.lib.stride_tricks.sliding_window_view(place[:2000, 0], 9)
    weights = np.linalg.lstsq(lags[:, :8], lags[:, 8], rcond=None)[0]
    assert np.abs(lags[:, :8] @ weights - lags[:, 8]).max() < 1e-6
