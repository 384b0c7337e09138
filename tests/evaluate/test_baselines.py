"""Baselines that need what is measured, or words: by hand, with a horizon, and blind to what comes after."""

import numpy as np
import pytest
from seeds import rng
from small_windows import bounds, cut, with_rows, write_series

from recurrent.evaluate import baselines, words
from recurrent.evaluate.truth import truth_of
from recurrent.network.ridge import fit_ridge

SIGNAL = np.array([5.0, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3, 2, 3, 8, 4, 6, 2, 6, 4, 3, 3, 8, 3, 2, 7])
TEST = 24  # rows 24 to 29


def forecasts(windows, **options):
    """Every baseline that applies, of the test part."""
    options = {"ridge_penalties": (1.0,), "moving_average": 3, "seasons": ()} | options
    return baselines.forecasts(windows, "test", truth_of(windows, "test").baselines, windows, **options)


def series_of(folder, horizon, **meta):
    # two columns, of which the second is learnt
    both = np.c_[SIGNAL + 100, SIGNAL]
    series = write_series(folder, both, SIGNAL, target_columns=(1,), **meta)
    return cut(folder, series, horizon=horizon, **{"seq_len": 3})


def ends(horizon):
    return range(TEST - horizon, 30 - horizon)


@pytest.mark.parametrize("horizon", [1, 2, 3])
def test_persistence_and_moving_average_by_hand(tmp_path, horizon):
    windows = series_of(tmp_path, horizon)
    assert windows.labels("test")[:, 0].tolist() == [SIGNAL[end + horizon] for end in ends(horizon)]
    found = forecasts(windows, moving_average=2)
    assert found["persistence"][:, 0].tolist() == [SIGNAL[end] for end in ends(horizon)]
    assert found["moving_average"][:, 0].tolist() == [(SIGNAL[end] + SIGNAL[end - 1]) / 2 for end in ends(horizon)]
    # no window has more than three steps
    expected = [SIGNAL[end - 2 : end + 1].mean() for end in ends(horizon)]
    np.testing.assert_allclose(baselines.moving(windows, "test", 10)[:, 0], expected)


@pytest.mark.parametrize("horizon", [1, 2, 3])
def test_drift_adds_trains_median_change_for_each_step_ahead(tmp_path, horizon):
    """Changes in train, whose rows are 0 to 17: -4 3 -3 4 4 -7 4 -1 -2 2 3 1 -2 2 -6 -1 1; their median is 1."""
    windows = series_of(tmp_path, horizon)
    assert bounds(windows, "train")[1] == 18 and np.diff(SIGNAL[:18]).sum() == -2
    assert forecasts(windows)["drift"][:, 0].tolist() == [SIGNAL[end] + horizon for end in ends(horizon)]
    other = with_rows(windows, slice(18, None), 50)
    assert (forecasts(other)["drift"][:, 0] == 50 + horizon).all()


def test_drift_of_relative_windows_is_the_median_return(tmp_path):
    """Prices that rise by 10 % or by 30 %, or fall by a half: of five returns in train, the median is 10 %."""
    prices = 100 * np.cumprod([1, 1.1, 0.5, 1.1, 1.3, 1.3, 2.0, 1.5, 3.0, 1.2, 1.4, 0.8])
    parts = {"train": (0, 6), "validation": (6, 9), "test": (9, 12)}
    series = write_series(tmp_path, prices, prices, target_columns=(0,), parts=parts)
    windows = cut(tmp_path, series, split="given", horizon=2, seq_len=1, relative_to_first=True)
    assert np.median(np.diff(prices[:6])) > 9  # points a step, which is no share
    np.testing.assert_allclose(baselines.drift(windows, "test")[:, 0], prices[7:10] * 1.1**2, rtol=1e-12)


def test_drift_counts_no_change_from_one_group_to_the_next(tmp_path):
    group = np.repeat(np.arange(6), 4)
    values = np.arange(24.0) + 100 * group  # 1 a step, 101 from group to group
    series = write_series(tmp_path, values, values, target_columns=(0,), group=group)
    windows = cut(
        tmp_path, series, split="groups", one_window_per_group=True, horizon=1, fractions=(0.5, 0.25), seq_len=2
    )
    np.testing.assert_allclose(baselines.drift(windows, "test"), windows.labels("test"))


@pytest.mark.parametrize(("horizon", "back"), [(0, 2), (1, 2), (2, 2), (3, 4)])
def test_seasonal_naive_is_the_same_phase_of_the_last_complete_season_that_is_known(tmp_path, horizon, back):
    windows = series_of(tmp_path, horizon)
    expected = [SIGNAL[end + horizon - back] for end in ends(horizon)]
    assert forecasts(windows, seasons=(2,))["seasonal_naive_2"][:, 0].tolist() == expected


def test_only_those_that_apply(tmp_path):
    assert [*forecasts(series_of(tmp_path, 0))] == [
        "median",
        "persistence",
        "moving_average",
        "ridge",
    ]
    found = forecasts(series_of(tmp_path, 1), moving_average=5, seasons=(4, 6))
    seasonal = ["seasonal_naive_4", "seasonal_naive_6"]
    assert [*found] == ["median", "persistence", "drift", *seasonal, "moving_average", "ridge"]
    assert {forecast.shape for forecast in found.values()} == {(6, 1)}


@pytest.mark.parametrize("view", [{}, {"relative_to_first": True}, {"predict_change": True}])
def test_ridge_learns_what_the_network_does_and_answers_in_the_targets_unit(tmp_path, view):
    """X doubles every step: each view of it is linear in what is read."""
    signal = 1.5 ** np.arange(30.0)
    series = write_series(tmp_path, signal, signal, target_columns=(0,))
    windows = cut(tmp_path, series, horizon=1, **view)
    np.testing.assert_allclose(
        fit_ridge(windows, (1e-12,)).forecast(windows, "test"), windows.labels("test"), rtol=1e-3
    )


LENGTHS = [5, 2, 4, 2, 5, 2, 6, 2, 4, 5, 2, 4]


def test_short_groups_use_no_rows_of_their_neighbours(tmp_path):
    group = np.repeat(np.arange(len(LENGTHS)), LENGTHS)
    values = rng(0).integers(1, 99, len(group)).astype(float)
    series = write_series(tmp_path, values, values, target_columns=(0,), group=group)
    params = {"split": "groups", "one_window_per_group": True, "seq_len": 9, "batch_size": 1, "horizon": 1}
    windows = cut(tmp_path, series, fractions=(0.3, 0.2), **params)
    found = forecasts(windows)
    assert "ridge" not in found  # windows of several lengths have no common columns
    own = [windows.steps.signal[begin : end - 1, 0] for begin, end in windows.parts["test"].group_spans]
    assert {1, 4} <= {*map(len, own)}
    assert found["moving_average"][:, 0].tolist() == pytest.approx([rows[-3:].mean() for rows in own])
    of_train = [windows.steps.signal[begin:end, 0] for begin, end in windows.parts["train"].group_spans]
    typical = np.median(np.concatenate([np.diff(rows) for rows in of_train]))
    assert found["drift"][:, 0].tolist() == [rows[-1] + typical for rows in own]


@pytest.mark.parametrize("horizon", [1, 3])
def test_none_looks_ahead(tmp_path, horizon):
    """Everything after a window's end is changed: its forecasts stay."""
    windows = series_of(tmp_path, horizon)
    usual = forecasts(windows, seasons=(2, 5))
    for number, end in enumerate(ends(horizon)):
        changed = forecasts(with_rows(windows, slice(end + 1, None), 1e3), seasons=(2, 5))
        for name, forecast in usual.items():
            assert changed[name][number].tolist() == forecast[number].tolist(), name


def reviews(folder):
    """Texts whose class is that of their word 2 (no) or 3 (yes); word 1 says nothing."""
    random, classes = rng(0), np.arange(60) % 3 > 0
    texts = [[1] * random.integers(0, 3) + [3 if yes else 2] * random.integers(1, 4) for yes in classes]
    group = np.repeat(np.arange(60), [len(text) for text in texts])
    meta = {"vocabulary": ("<padding>", "film", "bad", "good"), "classes": ("no", "yes")}
    series = write_series(folder, np.concatenate(texts), classes[group].astype(int), group=group, **meta)
    return cut(folder, series, split="groups", one_window_per_group=True, seq_len=9, fractions=(0.5, 0.25))


def test_class_prior_is_the_shares_of_train(tmp_path):
    windows = reviews(tmp_path)
    train = windows.labels("train")[:, 0]
    assert 0 < train.mean() < 1
    expected = [[(train == 0).mean(), (train == 1).mean()]] * windows.parts["test"].windows
    assert baselines.class_prior(windows, "test").tolist() == expected
    other = with_rows(windows, slice(bounds(windows, "test")[0], None), 0)
    assert baselines.class_prior(other, "test").tolist() == expected


def test_tfidf_is_logistic_regression_on_frequencies_weighted_by_rarity(tmp_path):
    from sklearn.linear_model import LogisticRegression

    windows = reviews(tmp_path)
    found = forecasts(windows)
    assert [*found] == ["class_prior", "tfidf"]
    counts, labels = {}, {}
    for name, part in windows.parts.items():
        texts = [windows.steps.signal[begin:end, 0] for begin, end in part.group_spans]
        counts[name] = np.array([[(text == word).sum() for word in range(4)] for text in texts])
        labels[name] = windows.labels(name)[:, 0].astype(int)
    texts_with = (counts["train"] > 0).sum(axis=0)
    rarity = np.log((1 + len(counts["train"])) / (1 + texts_with)) + 1
    assert len({*texts_with.tolist()}) > 2
    weighted = {}
    for name, count in counts.items():
        frequency = np.where(count > 0, 1 + np.log(np.maximum(count, 1)), 0) * rarity
        weighted[name] = frequency / np.sqrt((frequency**2).sum(axis=1, keepdims=True))
    models = [
        LogisticRegression(C=c, max_iter=1000).fit(weighted["train"], labels["train"]) for c in words.INVERSE_PENALTIES
    ]
    right = [m.score(weighted["validation"], labels["validation"]) for m in models]
    best = models[int(np.argmax(right))]
    np.testing.assert_allclose(found["tfidf"], best.predict_proba(weighted["test"]), atol=1e-6)
    assert (found["tfidf"].argmax(axis=1) == labels["test"]).mean() > 0.9
