"""Intervals, scores of classes and of directions, several splits: by hand, and the words that follow from them."""

import numpy as np
import pytest
from seeds import rng
from small_windows import cut, write_series

from recurrent.evaluate import counts, metrics, prediction_tables
from recurrent.evaluate.report import report, summary_text
from recurrent.evaluate.scoring import SplitResult, evaluate_split
from recurrent.evaluate.truth import Classes, truth_of
from recurrent.storage.meta import RowCounts
from recurrent.window.meta import PARTS

SURE = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.5, 0.5]])
CLASSES = np.array([0.0, 1.0, 1.0, 0.0])


def test_accuracy_and_log_loss_by_hand():
    assert metrics.accuracy(CLASSES, SURE) == 0.75  # of two that are equally likely, the first
    expected = -(np.log(0.9) + np.log(0.8) + np.log(0.4) + np.log(0.5)) / 4
    assert metrics.score_classes(CLASSES, SURE) == {"accuracy": 0.75, "log_loss": pytest.approx(expected)}
    assert metrics.log_loss(np.array([0.0]), np.array([[0.0, 1.0]])) == pytest.approx(-np.log(1e-15))


def test_blocks_go_round_the_end_by_hand():
    """Of three values in blocks of two, a resample is the mean of two blocks, each of 01, 12 or 20."""
    values = np.array([0.0, 6.0, 30.0])
    blocks = [3.0, 18.0, 15.0]  # means of neighbours; the last goes round the end
    starts = np.random.default_rng(5).integers(0, 3, (40, 2))
    means = [(blocks[a] + blocks[b]) / 2 for a, b in starts]
    assert metrics.block_bootstrap(values, 2, resamples=40, seed=5) == pytest.approx(np.quantile(means, (0.025, 0.975)))


def test_a_block_of_all_values_leaves_nothing_to_chance():
    assert metrics.block_bootstrap(np.arange(7.0), 7) == pytest.approx((3, 3))


def test_the_interval_holds_the_mean_about_95_times_in_100():
    random, inside = rng(0), 0
    for _ in range(600):  # of a rate of 94 %, 90 and 98 % lie four standard errors away
        low, high = metrics.block_bootstrap(random.normal(3, 1, 80), 1, resamples=400)
        inside += low <= 3 <= high
    assert 0.90 <= inside / 600 <= 0.98


def test_neighbours_that_depend_on_each_other_need_blocks():
    """A moving average over 10 has ten times the variance of its mean: blocks of one see none of that, 60 nearly all.

    Of blocks of 60 the expected variance is 1 + 2 sum over k < 10 of (1 - k / 10) (1 - k / 60) = 9.45 times as large.
    """
    random, inside, widths = rng(1), {1: 0, 60: 0}, {1: [], 60: []}
    for _ in range(600):
        values = np.convolve(random.normal(size=2409), np.ones(10) / 10, "valid")
        for block in inside:
            low, high = metrics.block_bootstrap(values, block, resamples=300)
            inside[block] += low <= 0 <= high
            widths[block].append(high - low)
    # the ratio of two widths varies by 0.34, so its mean by 0.014
    assert 2.9 <= np.mean(np.divide(widths[60], widths[1])) <= 9.45**0.5 + 0.1
    # 46 and 92 times in 100, to standard errors of 2 and 1.1: a series this long leaves no such bound to luck
    assert inside[1] / 600 < 0.6 and 0.88 <= inside[60] / 600 <= 0.99


def prices(folder, **params):
    """Test labels 4 5 3 3 8 8, one step after 2 4 5 3 3 8."""
    signal = np.r_[[1.0, 3.0, 1.0, 3.0, 1.0, 3.0, 1.0, 3.0, 1.0], [2.0, 1.0, 2.0], [4.0, 5.0, 3.0, 3.0, 8.0, 8.0]]
    parts = {"train": (0, 9), "validation": (9, 12), "test": (12, 18)}
    series = write_series(folder, signal, signal, target_columns=(0,), parts=parts)
    return cut(folder, series, split="given", **{"seq_len": 1, "horizon": 1} | params)


def test_direction_counts_the_moves_that_were_forecast_to_go_their_way(tmp_path):
    windows = prices(tmp_path)
    assert windows.labels("test")[:, 0].tolist() == [4, 5, 3, 3, 8, 8]
    # moves: up, up, down, none, up, none; forecast: down, up, up, (down), no move, (up)
    forecast = np.array([[1.0], [4.5], [5.5], [2.0], [3.0], [9.0]])
    assert truth_of(windows, "test").score(forecast)["direction"] == pytest.approx(1 / 4)
    assert truth_of(windows, "test").score(windows.labels("test"))["direction"] == 1


def test_direction_is_asked_only_of_what_lies_ahead(tmp_path):
    windows = prices(tmp_path, horizon=0)
    assert "direction" not in truth_of(windows, "test").score(windows.labels("test"))
    (tmp_path / "unseen").mkdir()
    unseen = cut(tmp_path / "unseen", write_series(tmp_path / "unseen", np.arange(30)), horizon=1)
    assert set(truth_of(unseen, "test").score(unseen.labels("test"))) == {"mean_delta", "mae", "mse", "rmse", "r2"}


def test_normalised_mse_is_over_the_spread_of_trains_labels(tmp_path):
    windows = prices(tmp_path)
    off = np.array([[1.0], [0.0], [-2.0], [0.0], [0.0], [1.0]])
    scores = truth_of(windows, "test").score(windows.labels("test") + off)
    assert windows.labels("train").std() == 1  # 3 1 3 1 3 1 3 1
    assert scores["normalised_mse"] == pytest.approx(6 / 6) and scores["mse"] == pytest.approx(1)


def test_normalised_mse_of_relative_windows_is_over_their_first_values(tmp_path):
    windows = prices(tmp_path, relative_to_first=True, seq_len=2)
    off = np.array([[3.0], [2.0], [1.0], [0.0], [-6.0], [6.0]])  # first values: 1 2 4 5 3 3
    scores = truth_of(windows, "test").score(windows.labels("test") + off)
    assert scores["normalised_mse"] == pytest.approx(
        ((3 / 1) ** 2 + (2 / 2) ** 2 + (1 / 4) ** 2 + (6 / 3) ** 2 + (6 / 3) ** 2) / 6
    )


def result_of(windows, off, others_off) -> SplitResult:
    actual = windows.labels("test")
    forecast = actual + np.reshape(off, (-1, 1))
    scores = {part: metrics.score(actual, forecast) for part in PARTS}
    others = {"other": actual + np.reshape(others_off, (-1, 1))}
    return SplitResult(windows, truth_of(windows, "test"), scores, forecast, others, (scores["test"],), None)


def test_the_interval_is_of_the_gain_over_the_best_baseline_in_blocks_of_shared_steps(tmp_path):
    windows = cut(tmp_path, write_series(tmp_path, np.arange(200)), stride=2, seq_len=5)
    random = rng(0)
    ours, theirs = random.normal(size=20), 2 * random.normal(size=20)
    result = report([result_of(windows, ours, theirs)])
    low, high = metrics.block_bootstrap(np.abs(theirs) - np.abs(ours), 3)  # 5 steps, 2 from one to the next
    expected = {"baseline": "other", "low": pytest.approx(low), "high": pytest.approx(high)}
    assert result["gain_ci95"]["mae"] == expected
    assert result["skill"] == pytest.approx(1 - np.abs(ours).mean() / np.abs(theirs).mean())


def test_the_gain_in_each_error_is_over_the_baseline_that_is_best_in_it(tmp_path):
    """One baseline is off by 1 everywhere, the other by 3 on three windows of twenty: best in mse and in mae."""
    windows = cut(tmp_path, write_series(tmp_path, np.arange(200)), stride=2, seq_len=5)
    ours, often, rarely = np.full(20, 0.5), np.ones(20), 3.0 * (np.arange(20) % 7 == 0)
    one = result_of(windows, ours, often)
    two = np.reshape(windows.labels("test")[:, 0] + rarely, (-1, 1))
    result = report(
        [SplitResult(windows, one.truth, one.scores, one.predicted, {**one.baseline_forecasts, "rare": two}, (), None)]
    )
    labels = windows.labels("test").mean()
    expected = {
        "mae": ("rare", metrics.block_bootstrap(rarely - ours, 3)),
        "mse": ("other", (0.75, 0.75)),
        "mean_delta": ("rare", metrics.block_bootstrap((rarely - ours) / labels, 3)),
    }
    assert set(result["gain_ci95"]) == set(expected)
    for error, (name, (low, high)) in expected.items():
        found = {"baseline": name, "low": pytest.approx(low), "high": pytest.approx(high)}
        assert result["gain_ci95"][error] == found, error


@pytest.mark.parametrize("params", [{}, {"relative_to_first": True, "seq_len": 2}])
def test_losses_are_what_each_window_adds_to_the_scores(tmp_path, params):
    windows = prices(tmp_path, **params)
    truth = truth_of(windows, "test")
    forecast = truth.actual + rng(0).normal(size=truth.actual.shape)
    losses, scores = truth.losses(forecast), truth.score(forecast)
    assert set(losses) == {"mean_delta", "mae", "mse", "normalised_mse"}
    assert {name: values.mean() for name, values in losses.items()} == pytest.approx({n: scores[n] for n in losses})


def test_of_several_splits_scores_are_means_and_a_split_is_one_value(tmp_path):
    group = np.repeat(np.arange(12), 4)
    series = write_series(tmp_path, np.arange(48), group=group)
    windows = cut(
        tmp_path, series, split="folds", folds=3, one_window_per_group=True, seq_len=4, horizon=0, fractions=(0.5, 0.25)
    )
    offs, others = (1.0, 2.0, 6.0), (2.0, 4.0, 5.0)
    parts = [result_of(one, [a] * 4, [b] * 4) for one, a, b in zip(windows.splits, offs, others, strict=True)]
    result = report(parts)
    assert result["test"]["mae"] == 3 and result["baselines"]["other"]["mae"] == pytest.approx(11 / 3)
    expected = {"mean": 3, "sd": pytest.approx(np.std(offs, ddof=1)), "worst": 6, "n": 3}
    assert result["one_network"]["mae"] == expected
    assert result["counts"] == {
        "train_windows": 5,
        "validation_windows": 3,
        "validation_windows_apart": 3,
        "test_windows": 4,
        "splits": 3,
    }
    low, high = metrics.block_bootstrap(np.array([1.0, 2.0, -1.0]), 1)
    expected = {"baseline": "other", "low": pytest.approx(low), "high": pytest.approx(high)}
    assert result["gain_ci95"]["mae"] == expected


def test_networks_of_several_seeds_are_scored_alone_and_the_gain_is_of_their_mean(tmp_path):
    """Off by 3, -1 and 1: each alone by 5 / 3 on average, their mean by 1."""
    windows = cut(tmp_path, write_series(tmp_path, np.arange(60)), horizon=1)
    # signal and target count the rows
    predictors = [lambda x, n, by=by: x + 1.0 + by for by in (3.0, -1.0, 1.0)]
    params = {"ridge_penalties": (1.0,), "moving_average": 3, "seasons": ()}
    result = evaluate_split(windows, predictors, refit=False, **params)
    content = report([result])
    assert content["test"]["mae"] == pytest.approx(1)
    expected = {"mean": 5 / 3, "sd": np.std([3, 1, 1], ddof=1), "worst": 3, "n": 3}
    assert content["one_network"]["mae"] == pytest.approx(expected)
    assert content["one_network"]["r2"]["worst"] == min(scores["r2"] for scores in result.networks)
    assert result.predicted.tolist() == (windows.labels("test") + 1).tolist()
    assert "one_network" not in report([evaluate_split(windows, predictors[:1], refit=False, **params)])


def reviews(folder):
    group, classes = np.repeat(np.arange(16), 2), np.repeat(np.arange(16) % 2, 2)
    meta = {"vocabulary": ("a", "b", "c"), "classes": ("no", "yes")}
    series = write_series(folder, np.arange(32) % 3, classes, group=group, **meta)
    return cut(folder, series, split="groups", one_window_per_group=True, seq_len=2, fractions=(0.5, 0.25))


def test_of_classes_the_gain_is_in_log_loss(tmp_path):
    windows = reviews(tmp_path)
    actual = windows.labels("test")[:, 0].astype(int)
    right, given = np.arange(2) == actual[:, None], np.array([[0.8], [0.6], [0.9], [0.7]])
    ours, theirs = np.where(right, given, 1 - given), np.full((4, 2), 0.5)
    scores = {part: metrics.score_classes(actual, ours) for part in PARTS}
    truth = truth_of(windows, "test")
    result = report([SplitResult(windows, truth, scores, ours, {"class_prior": theirs}, (), None)])
    low, high = metrics.block_bootstrap(np.log(np.array([0.8, 0.6, 0.9, 0.7]) / 0.5), 1)
    expected = {"baseline": "class_prior", "low": pytest.approx(low), "high": pytest.approx(high)}
    assert result["gain_ci95"]["log_loss"] == expected
    # ours are right all four times, the prior on the two of class 0, to which it gives the first place
    low, high = metrics.block_bootstrap((actual == 1).astype(float), 1)
    assert result["gain_ci95"]["accuracy"] == {"baseline": "class_prior", "low": low, "high": high}
    assert result["skill"] == pytest.approx(1 - scores["test"]["log_loss"] / np.log(2))
    assert summary_text(result, truth).splitlines()[-1].startswith("The network's error is ")
    table = prediction_tables.rows(SplitResult(windows, truth, scores, ours, {"class_prior": theirs}, (), None))
    assert [*table] == ["group", "time", "actual", "predicted_no", "predicted_yes", "class_prior_no", "class_prior_yes"]
    assert table["predicted_yes"].tolist() == ours[:, 1].tolist()
    about = prediction_tables.describe(
        [SplitResult(windows, truth, scores, 1 - ours, {"class_prior": theirs}, (), None)]
    )
    assert [text["given"] for text in about["most_wrong"]] == pytest.approx([0.1, 0.2, 0.3, 0.4])
    first = windows.last_steps("test")[2] - 1
    worst = [windows.meta.vocabulary[word] for word in windows.steps.signal[first : first + 2, 0]]
    assert about["most_wrong"][0]["text"] == " ".join(worst)


@pytest.mark.parametrize(
    ("network", "low", "high", "words"),
    [
        (0.5, 0.1, 0.2, "The network's error is 17% below that of the best baseline, 'tfidf'."),
        (
            0.62,
            -0.1,
            -0.01,
            "Nothing learnt beyond 'tfidf', which is better (95 % interval of the gain in log loss: -0.1 to",
        ),
        (0.59, -0.1, 0.2, "Nothing learnt beyond 'tfidf' that may not be chance"),
        (0.68, -0.1, 0.2, "A constant is as good here"),
    ],
)
def test_the_summary_of_classes(network, low, high, words):
    others = {"class_prior": {"accuracy": 0.5, "log_loss": 0.69}, "tfidf": {"accuracy": 0.7, "log_loss": 0.6}}
    gain = {"low": low, "high": high}
    result = {"test": {"accuracy": 0.8, "log_loss": network}, "baselines": others, "skill": 1 - network / 0.6}
    *table, last = summary_text(result | {"gain_ci95": {"log_loss": gain}}, Classes).splitlines()
    assert last.startswith(words) and table[0].split() == ["accuracy", "log", "loss"]


def test_predictions_of_groups_say_whose_they_are(tmp_path):
    group = np.repeat(np.arange(12), 4)
    series = write_series(tmp_path, np.arange(48), group=group, groups=tuple(f"s{i}" for i in range(12)))
    windows = cut(
        tmp_path, series, split="groups", one_window_per_group=True, seq_len=4, horizon=0, fractions=(0.5, 0.25)
    )
    one = result_of(windows, [0.5] * 3, [1.0] * 3)
    table = prediction_tables.rows(one)
    assert table["actual"].tolist() == [4 * number + 3 for number in table["group"]]
    found = prediction_tables.sheets(one)
    assert found["predictions"]["group"] == [f"s{int(number)}" for number in table["group"]]
    rows = found["test rows"]
    assert [*rows] == ["group", "none of c0", "target: t"] and len(rows["group"]) == 12
    assert [f"s{int(row) // 4}" for row in rows["none of c0"]] == rows["group"]


def test_every_row_and_step_is_accounted_for(tmp_path):
    """Of 103 rows read, 3 are dropped; 100 rows are 33 steps of three, one row too few for another."""
    raw = RowCounts("rows", 103, {"too_early": 3}, {}, {"gaps": 2})
    series = write_series(tmp_path, np.arange(100) % 7, counts=raw)
    windows = cut(tmp_path, series, samples_per_step=3, statistics=("mean",))
    part = windows.parts["test"].windows
    found = report([result_of(windows, [0.5] * part, [1.0] * part)])["data"]
    assert found == {
        **{"unit": "rows", "read": 103, "dropped": {"too_early": 3}, "added": {}, "noted": {"gaps": 2}},
        **{"rows": 100, "rows_after_the_last_step": 1, "steps": 33, "steps_in_no_part": 0},
        **{"train_steps": 20, "validation_steps": 7, "test_steps": 6},
    }


@pytest.mark.parametrize(
    ("split", "outside"), [("contiguous", 0), ("failures", 0), ("each_group", 32), ("groups", 0), ("folds", 0)]
)
def test_steps_are_those_of_the_parts_whatever_the_split(tmp_path, split, outside):
    group = np.repeat(np.arange(5), 8)
    series = write_series(tmp_path, np.arange(40), group=group)
    single = split in ("groups", "folds")
    windows = cut(tmp_path, series, split=split, folds=5, one_window_per_group=single, horizon=0, seq_len=1)
    found = counts.data(windows.splits)
    assert found["steps"] == found["rows"] == 40 and found["rows_after_the_last_step"] == 0
    assert found["steps_in_no_part"] == outside  # of the other groups, which are other splits
