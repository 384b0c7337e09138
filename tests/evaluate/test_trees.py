"""Boosted trees: features by hand, fits as scikit-learn makes them from the definition, the same bits whatever runs."""

import numpy as np
import pytest
from seeds import rng
from small_windows import cut, with_rows, write_series
from threadpoolctl import threadpool_limits

from recurrent.evaluate import trees
from recurrent.evaluate.baselines import forecasts
from recurrent.network.ridge import fit_ridge

PARAMS = {"ridge_penalties": (1.0,), "moving_average": 3, "seasons": ()}


def make(folder, *, rows=400, targets=1, seq_len=4, target_columns=None, **params):
    """Labels |x(t)| + |mean of x(t - 2) to x(t)|, and |x(t) - x(t - 1)|: nothing that a line could tell."""
    x = 3 + rng(0).normal(size=rows).cumsum() % 5
    padded, centred = np.r_[x[0], x[0], x] - 5, x - 5
    recent = (padded[2:] + padded[1:-1] + padded[:-2]) / 3
    both = np.c_[np.abs(centred) + np.abs(recent), np.abs(padded[2:] - padded[1:-1])][:, :targets]
    names = [f"t{i}" for i in range(targets)]
    if target_columns:
        both = x[:, None]
    series = write_series(folder, x, both, target_names=names, target_columns=target_columns or (None,) * targets)
    return cut(folder, series, seq_len=seq_len, batch_size=16, **params)


def test_features_by_hand():
    signal = np.arange(14.0).reshape(2, 7, 1) ** 2
    assert trees.window_features(signal)[0].tolist() == [36, (16 + 25 + 36) / 3, (4 + 9 + 16 + 25 + 36) / 5, 11]
    assert trees.window_features(signal)[1].tolist() == [
        169,
        (121 + 144 + 169) / 3,
        (81 + 100 + 121 + 144 + 169) / 5,
        25,
    ]
    assert trees.window_features(signal[:, :1]).tolist() == [[0], [49]]
    two = trees.window_features(np.concatenate([signal, -signal], axis=2))
    assert two[0].tolist() == [36, -36, 77 / 3, -77 / 3, 18, -18, 11, -11]


@pytest.mark.parametrize(("seq_len", "count"), [(1, 1), (2, 2), (9, 4), (80, 8), (200, 8)])
def test_means_reach_no_further_than_the_window(seq_len, count):
    assert trees.window_features(np.ones((3, seq_len, 1))).shape == (3, count)


@threadpool_limits.wrap(1)  # more than one is slower on so few rows
def by_definition(windows, target):
    """Forecasts of the test part by scikit-learn, with features made anew."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    rows, labels = {}, {}
    for name, part in windows.parts.items():
        first, lengths = part.spans(np.arange(part.windows))
        seen = [windows.steps.signal[a : a + n, 0].astype(float) for a, n in zip(first, lengths, strict=True)]
        rows[name] = np.array([[w[-1], w[-3:].mean(), w[-1] - w[-2]] for w in seen])
        labels[name] = windows.labels(name)[:, target]
    found = []
    for loss in ("squared_error", "absolute_error"):
        model = HistGradientBoostingRegressor(
            loss=loss, learning_rate=0.05, max_iter=300, early_stopping=False, random_state=0
        ).fit(rows["train"], labels["train"])
        for one, two in zip(*(model.staged_predict(rows[name]) for name in ("validation", "test")), strict=True):
            found.append((np.abs(one - labels["validation"]).mean(), two))
    return min(found, key=lambda pair: pair[0])[1]


def test_loss_and_number_of_trees_are_the_best_on_validation(tmp_path):
    windows = make(tmp_path, targets=2)
    forecast = trees.fit_trees(windows).forecast(windows, "test")
    assert forecast.shape == (windows.parts["test"].windows, 2)
    for target in range(2):
        np.testing.assert_allclose(forecast[:, target], by_definition(windows, target), rtol=1e-6)
    labels = windows.labels("test")
    off, linear = (
        np.abs(f - labels).mean(axis=0) for f in (forecast, fit_ridge(windows, (0.0,)).forecast(windows, "test"))
    )
    assert (off < linear / 2).all()


@pytest.mark.parametrize("view", [{"relative_to_first": True}, {"predict_change": True}])
def test_trees_learn_what_the_network_does_and_answer_in_the_targets_unit(tmp_path, view):
    windows = make(tmp_path, target_columns=(0,), horizon=1, **view)
    forecast, labels = trees.fit_trees(windows).forecast(windows, "test"), windows.labels("test")
    batch = windows.gather("test", np.arange(windows.parts["test"].windows), all_steps=False)
    assert not np.allclose(batch.labels[:, 0], labels, atol=0.5)  # another unit
    assert np.abs(forecast - labels).mean() < np.abs(labels - np.median(labels)).mean() * 1.2


def test_the_test_part_selects_nothing_and_nothing_looks_ahead(tmp_path):
    windows = make(tmp_path)
    usual, part = trees.fit_trees(windows).forecast(windows, "test"), windows.parts["test"]
    for number in (0, 30):
        end = windows.last_steps("test")[number]
        assert part.steps[0] < end + 1 <= part.steps[-1]
        other = with_rows(windows, slice(end + 1, None), 1e3)
        changed = trees.fit_trees(other).forecast(other, "test")
        assert changed[: number + 1].tolist() == usual[: number + 1].tolist()
        assert changed[number + 1 :].tolist() != usual[number + 1 :].tolist()


def test_only_where_train_has_windows_enough(tmp_path):
    few, many = (make(tmp_path / str(rows), rows=rows) for rows in (300, 400) if not (tmp_path / str(rows)).mkdir())
    assert few.parts["train"].windows < trees.LEAST_WINDOWS < many.parts["train"].windows
    for windows, expected in ((few, []), (many, ["boosted_trees"])):
        found = forecasts(windows, "test", ["boosted_trees"], windows, **PARAMS)
        assert [*found] == expected


def test_threads_do_not_decide_bits(tmp_path):
    windows, found = make(tmp_path), []
    for threads in (1, 2, 3):
        with threadpool_limits(threads):
            found.append(trees.fit_trees(windows).forecast(windows, "test").tolist())
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("scale", [1e-9, 1.0, 3.7, 1e12])
def test_rounded_labels_have_the_same_sum_in_any_order(scale):
    random = rng(0)
    values = random.normal(size=5000) * scale
    found = trees.rounded(values)
    assert np.abs(found - values).max() <= np.abs(values).max() * 2.0**-trees.BITS
    sums = {float(np.cumsum(random.permutation(found))[-1]) for _ in range(20)}
    assert len(sums) == 1 and len({float(np.cumsum(random.permutation(values))[-1]) for _ in range(20)}) > 1
    assert trees.rounded(np.zeros(3)).tolist() == [0, 0, 0]
