"""Seasonal lags: known when the forecast is made, never from before the beginning, and worth something to ridge."""

import numpy as np
import pytest
from seeds import rng
from small_windows import bounds, cut, with_rows, write_series

from recurrent.evaluate import baselines, seasons

WEEK = 168


def weekly(folder, **params):
    """Hours of load whose shape over the week is random, with noise: a window of six hours cannot tell it."""
    load = np.tile(rng(0).normal(size=WEEK), 12) + 0.5 * rng(2).normal(size=12 * WEEK)
    return cut(folder, write_series(folder, load, load, target_columns=(0,)), **{"seq_len": 6, "horizon": 3} | params)


def error(windows, forecast):
    return np.abs(forecast - windows.labels("test")).mean()


@pytest.mark.parametrize("view", [{}, {"predict_change": True}])
def test_ridge_with_the_lag_of_a_week_beats_ridge_without(tmp_path, view):
    windows = weekly(tmp_path, **view)
    penalties = (0.0, 1.0)
    without, with_lag = (baselines.ridge(windows, "test", penalties, lags) for lags in ((), (WEEK,)))
    naive = baselines.seasonal_naive(windows, "test", WEEK)
    assert error(windows, with_lag) < 0.8 * error(windows, without)
    assert error(windows, with_lag) < error(windows, naive) < error(windows, without)


def test_lags_of_relative_windows_are_shares_of_the_windows_first_value(tmp_path):
    """Prices double in each week of four: 4 steps ago is half of the label, whatever the window begins with."""
    prices = np.ravel([np.array([3.0, 1, 5, 2]) * 1.1**week for week in range(30)])
    series = write_series(tmp_path, prices, prices, target_columns=(0,))
    windows = cut(tmp_path, series, seq_len=1, horizon=1, relative_to_first=True)
    np.testing.assert_allclose(baselines.ridge(windows, "test", (0.0,), (4,)), windows.labels("test"), rtol=0.01)
    assert error(windows, baselines.ridge(windows, "test", (0.0,), ())) > 5


@pytest.mark.parametrize(("season", "horizon", "back"), [(4, 0, 4), (4, 1, 4), (4, 4, 4), (4, 5, 8), (1, 3, 3)])
def test_a_lag_is_at_least_the_horizon(season, horizon, back):
    assert seasons.steps_back(season, horizon) == back


def test_nothing_from_before_the_beginning_of_the_series(tmp_path):
    windows = cut(tmp_path, write_series(tmp_path, np.arange(40), np.arange(40), target_columns=(0,)), horizon=1)
    lagged, exists = seasons.lagged_steps(windows, "train", np.arange(6), 5)
    assert lagged.tolist() == [2, 3, 0, 1, 2, 3] and exists.tolist() == [False] * 2 + [True] * 4
    read = seasons.SeasonalWindows.of(windows, (5,))
    ends = np.concatenate([batch.signal[: batch.n_valid, -1, 0] for batch in read.batches("train", all_steps=False)])
    assert ends.tolist() == windows.last_steps("train")[2:].tolist()  # the first two have no season to learn from
    with pytest.raises(ValueError, match=r"evaluate.season is \[30\]: no window of train has so long a past"):
        baselines.ridge(windows, "test", (0.0,), (30,))


def test_nothing_from_another_group_or_another_copy_of_it(tmp_path):
    values, group = np.arange(60.0), np.repeat([7, 3, 5, 4, 6], 12)
    series = write_series(tmp_path, values, values, target_columns=(0,), group=group)
    each = cut(tmp_path, series, split="each_group", horizon=1, seq_len=1, fractions=(0.5, 0.25))
    for windows in each.splits:
        for part in windows.parts:
            every = np.arange(windows.parts[part].windows)
            last, (lagged, _) = windows.last_steps(part), seasons.lagged_steps(windows, part, every, 6)
            assert (group[lagged] == group[last]).all()
            assert lagged.tolist() == [end - 5 if (end - 5) // 12 == end // 12 else end for end in last]
    folds = cut(tmp_path, series, split="folds", folds=5, one_window_per_group=True, horizon=1, seq_len=4)
    for windows in folds.splits:
        begin = bounds(windows, "train")[0]
        first = seasons.beginnings(windows, np.arange(begin, bounds(windows, "test")[1]))
        assert first.tolist() == [begin + row // 12 * 12 for row in range(60)]


def test_lags_read_nothing_after_the_windows_end(tmp_path):
    windows = weekly(tmp_path)
    usual, end = baselines.ridge(windows, "test", (0.0,), (24, WEEK)), windows.last_steps("test")[40]
    changed = baselines.ridge(with_rows(windows, slice(end + 1, None), 1e3), "test", (0.0,), (24, WEEK))
    assert changed[:41].tolist() == usual[:41].tolist() != changed[1:42].tolist()


def test_a_season_of_what_is_not_read_is_refused(tmp_path):
    windows = cut(tmp_path, write_series(tmp_path, np.arange(40)), horizon=1)
    with pytest.raises(ValueError, match=r"evaluate.season is \[3\], expected \[\]: it needs .* also input columns"):
        baselines.forecasts(
            windows, "test", ["median"], windows, ridge_penalties=(1.0,), moving_average=3, seasons=(3,)
        )
