"""Scores, scalers, baselines and the report, each against arrays worked out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from seeds import rng
from small_windows import bounds, with_rows, write_series
from small_windows import cut as cut_series

from recurrent.evaluate import baselines, metrics, prediction_tables, scoring
from recurrent.evaluate.report import report, summary_text
from recurrent.evaluate.truth import Quantities, truth_of
from recurrent.network.scaler import Scaler
from recurrent.train.setup import fit_scalers
from recurrent.window.meta import PARTS
from recurrent.window.windows import Windows

ACTUAL, PREDICTED = np.array([1.0, 2.0, 5.0]), np.array([2.0, 2.0, 3.0])
# the first cycle began before the recording, so train knows the whole intervals 6 and 8, whose median is 7
CYCLES = (5, 6, 8, 4, 7)


def cut(folder, signal, target, *, cycles=(), **params) -> Windows:
    """Windows over a recording; with `cycles`, it is a countdown that is split at its failures."""
    failures = np.cumsum(cycles).tolist()[:-1]
    series = write_series(folder, signal, target, countdown=bool(cycles), failures=tuple(failures))
    usual = {"seq_len": 1, "batch_size": 4, "split": "failures" if cycles else "contiguous"}
    return cut_series(folder, series, **usual | params)


def countdown(folder, cycles, **params) -> Windows:
    """One sample a second, which begin at a failure: 5 4 3 2 1 6 5 4 ..."""
    target = np.concatenate([np.arange(cycle, 0, -1) for cycle in cycles])
    return cut(folder, np.zeros(len(target)), target, cycles=cycles, **params)


def forecasts(windows, **options):
    """Every baseline that applies, of the test part."""
    options = {"ridge_penalties": (1.0,), "moving_average": 3, "seasons": ()} | options
    return baselines.forecasts(windows, "test", truth_of(windows, "test").baselines, windows, **options)


def with_labels(windows, part, value) -> Windows:
    """The same windows with other labels, and with other signals, in one part."""
    return with_rows(windows, slice(*bounds(windows, part)), value)


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        (metrics.mean_delta, 3 / 8),
        (metrics.mean_absolute_error, 1),
        (metrics.mean_squared_error, 5 / 3),
        (metrics.r2, 1 - 5 / (26 / 3)),  # the labels' mean is 8/3
    ],
)
def test_metric_by_hand(metric, expected):
    assert metric(ACTUAL, PREDICTED) == pytest.approx(expected, rel=1e-14)


def test_a_perfect_forecast():
    assert metrics.score(ACTUAL, ACTUAL) == {"mean_delta": 0, "mae": 0, "mse": 0, "rmse": 0, "r2": 1}


def test_mean_delta_counts_negative_labels_by_their_size():
    assert metrics.mean_delta(np.array([-2.0, 2.0]), np.array([-1.0, 2.0])) == 0.25


def test_mean_delta_of_zero_labels_is_refused():
    with pytest.raises(ValueError, match="every label is 0"):
        metrics.mean_delta(np.zeros(3), np.ones(3))


def test_labels_that_never_change_have_no_variance_to_explain():
    assert metrics.r2(np.ones(3), np.arange(3.0)) == 0


@given(
    offset=st.sampled_from([0.0, -3.0, 1e9]), rows=st.integers(1, 50), size=st.integers(1, 50), seed=st.integers(0, 9)
)
def test_scaler_over_blocks_equals_numpy_over_all(offset, rows, size, seed):
    values = offset + np.random.default_rng(seed).normal(size=(rows, 2)) * [1, 20]
    scaler = Scaler.fit(values[first : first + size] for first in range(0, rows, size))
    np.testing.assert_allclose(scaler.mean, values.mean(axis=0), rtol=1e-14, atol=1e-14)
    spread = values.std(axis=0)
    np.testing.assert_allclose(scaler.scale, np.where(rows > 1, spread, 1), rtol=1e-6 if offset > 1 else 1e-12)


def test_scaler_of_integers_does_not_overflow():
    assert Scaler.fit([np.array([[-32768], [32767]], np.int16)]).scale == (32767.5,)


def test_scaling_is_undone_and_a_constant_column_stays_finite():
    values = np.c_[np.linspace(-3, 9, 20), np.full(20, 7.0)]
    scaler = Scaler.fit([values])
    scaled = scaler.transform(values)
    assert scaled.dtype == np.float32 and scaler.scale[1] == 1
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(scaled.std(axis=0), [1, 0], atol=1e-6)
    assert scaler.inverse(scaled).dtype == np.float64
    np.testing.assert_allclose(scaler.inverse(scaled), values, atol=1e-6)


def test_no_rows_no_scaler():
    with pytest.raises(ValueError, match="no rows"):
        Scaler.fit([])


def test_scalers_and_median_see_train_only(tmp_path):
    windows = cut(tmp_path, np.arange(50) / 4, np.arange(50) ** 2 / 4)
    train = windows.steps.target[:30]
    assert baselines.median(windows, "test").tolist() == [[np.median(train)]] * 10
    assert fit_scalers(windows)[1] == Scaler.fit([train])
    for part in ("validation", "test"):
        other = with_labels(windows, part, 1e6)
        assert fit_scalers(other) == fit_scalers(windows)
        assert (baselines.median(other, "test") == np.median(train)).all()
    assert fit_scalers(with_labels(windows, "train", 1e6)) != fit_scalers(windows)


def test_clock_is_the_median_interval_of_trains_whole_cycles_less_the_time_since(tmp_path):
    windows = countdown(tmp_path, CYCLES)
    assert baselines.clock(windows, "train")[:, 0].tolist() == [
        7,
        6,
        5,
        4,
        3,
        *(7, 6, 5, 4, 3, 2),
        *(7, 6, 5, 4, 3, 2, 1, 0),
    ]
    assert baselines.clock(windows, "validation")[:, 0].tolist() == [7, 6, 5, 4]
    assert baselines.clock(windows, "test")[:, 0].tolist() == [7, 6, 5, 4, 3, 2, 1]


def test_clock_is_never_below_0(tmp_path):
    assert baselines.clock(countdown(tmp_path, (5, 2, 2, 4, 5)), "test")[:, 0].tolist() == [2, 1, 0, 0, 0]


def test_clock_knows_nothing_of_the_cycle_it_is_in(tmp_path):
    short, long = (countdown(tmp_path, (*CYCLES[:4], last)) for last in (6, 9))
    assert baselines.clock(long, "test")[:, 0][:6].tolist() == baselines.clock(short, "test")[:, 0].tolist()
    # nor does the length of validation's cycle, or of the first one, which is not whole, enter
    assert baselines.clock(countdown(tmp_path, (3, 6, 8, 9, 7)), "test")[:, 0].tolist() == [7, 6, 5, 4, 3, 2, 1]


def test_clock_without_a_whole_cycle_in_train_takes_the_longest_label(tmp_path):
    assert baselines.clock(countdown(tmp_path, (5, 9, 9)), "test")[:, 0].tolist() == [5, 4, 3, 2, 1, 0, 0, 0, 0]


def test_clock_takes_the_median_of_the_intervals(tmp_path):
    """Of the intervals 6, 7 and 20 in train, not 11; validation's 9 and test's 8 do not enter."""
    windows = countdown(tmp_path, (5, 6, 20, 7, 9, 8, 8))
    assert bounds(windows, "train")[1] == 38 < bounds(windows, "test")[0]
    assert baselines.clock(windows, "test")[0].tolist() == [7]


@pytest.mark.parametrize("samples", [1, 2])
def test_clock_leaves_out_the_interval_that_begins_with_the_recording(tmp_path, samples):
    """A countdown that ends in the recording's first step, as that of p4581, is the beginning of the file."""
    params = {"samples_per_step": samples, "statistics": ("mean",), "batch_size": 1}
    windows = countdown(tmp_path, (1, 3, 8, 10, 4, 8, 8), **params)
    assert baselines.clock(windows, "test")[0].tolist() == [9 - samples + 1]


@pytest.mark.parametrize("samples", [1, 2, 3])
def test_time_axis_is_the_time_of_each_windows_last_sample(tmp_path, samples):
    windows = countdown(tmp_path, (12, 11, 13, 12, 11), samples_per_step=samples, statistics=("mean",), batch_size=1)
    for part in PARTS:
        time, unit = prediction_tables.time_axis(windows, part)
        assert time.tolist() == ((windows.last_steps(part) + 1) * samples - 1).tolist() and unit == "s"


def test_time_axis_without_a_countdown_counts_rows(tmp_path):
    windows = cut(tmp_path, np.arange(40), np.ones(40), samples_per_step=2, statistics=("mean",))
    time, unit = prediction_tables.time_axis(windows, "test")
    assert time.tolist() == [33, 35, 37, 39] and unit == "row"


def linear(folder) -> Windows:
    """label(t) = 3 x(t) - x(t - 1) + 5; two steps a window."""
    x = rng(0).normal(size=100)
    return cut(folder, x, 3 * x - np.r_[0, x[:-1]] + 5, seq_len=2)


def test_the_clock_runs_only_where_there_are_failures(tmp_path):
    assert list(forecasts(linear(tmp_path))) == [
        "median",
        "ridge",
    ]
    quake = forecasts(countdown(tmp_path, CYCLES))
    assert list(quake) == ["median", "clock", "ridge"] and {len(forecast) for forecast in quake.values()} == {7}


@pytest.mark.parametrize("batch_size", [1, 3, 7, 30])
def test_padding_is_never_scored(tmp_path, batch_size):
    windows = cut(tmp_path, np.arange(60) % 11, np.arange(60) % 7 + 1.0, seq_len=3, batch_size=batch_size)
    batch = windows.gather("test", np.arange(12))
    target, answers = batch.labels, batch.signal.cumsum(axis=1) / 2
    in_part = np.arange(48, 60)[:, None] + np.arange(-2, 1) >= 48  # all but three labels, which are of validation
    predictor = [lambda signal_BTD, _: signal_BTD.cumsum(axis=1) / 2]
    predicted, alone, scores = scoring.forecast(windows, "test", predictor)
    assert predicted.tolist() == answers[:, -1].tolist()
    assert [found.tolist() for found in alone] == [predicted.tolist()]
    every_step = metrics.mean_delta(target[in_part], answers[in_part])
    assert scores == {"mean_delta_all_steps": pytest.approx(every_step)}
    result = scoring.evaluate_split(
        windows, predictor, refit=False, ridge_penalties=(1.0,), moving_average=3, seasons=()
    )
    assert result.scores["test"] == metrics.score(target[:, -1], predicted) | scores


def test_report_holds_scores_baselines_skill_and_counts(tmp_path):
    windows = countdown(tmp_path, CYCLES)
    scores = {part: {"mae": 0.5, "mean_delta": 0.1} for part in PARTS}
    forecasts = {"median": np.full((7, 1), 4.0), "clock": np.arange(7.0, 0, -1)[:, None] + 1}  # mae 12/7 and 1
    network = windows.labels("test") + 0.5
    result = report([scoring.SplitResult(windows, truth_of(windows, "test"), scores, network, forecasts, (), None)])
    assert result.keys() == {*PARTS, "baselines", "skill", "gain_ci95", "counts", "data"}
    assert {part: result[part] for part in PARTS} == scores
    assert {name: other["mae"] for name, other in result["baselines"].items()} == {"median": 12 / 7, "clock": 1}
    assert result["skill"] == 0.5
    assert result["gain_ci95"] == {  # the clock is off by 1 everywhere, the network by 0.5, the labels are 4 on average
        "mae": {"baseline": "clock", "low": 0.5, "high": 0.5},
        "mse": {"baseline": "clock", "low": 0.75, "high": 0.75},
        "mean_delta": {"baseline": "clock", "low": 0.125, "high": 0.125},
    }
    assert result["counts"] == {
        "train_windows": 19,
        "validation_windows": 4,
        "validation_windows_apart": 4,
        "test_windows": 7,
        "test_cycles": 1,
    }


def test_a_perfect_baseline_leaves_no_skill(tmp_path):
    windows = countdown(tmp_path, CYCLES)
    scores = {part: {"mae": 0.0} for part in PARTS}
    actual = windows.labels("test")
    result = scoring.SplitResult(windows, truth_of(windows, "test"), scores, actual, {"clock": actual}, (), None)
    assert report([result])["skill"] == 0


@pytest.mark.parametrize(
    ("mae", "r2", "clock", "skill", "low", "high", "words"),
    [
        (1.0, 0.9, 2.0, 0.5, 0.9, 1.2, "The network's error is 50% below that of the best baseline, 'clock'."),
        (2.5, 0.9, 2.0, -0.25, -0.6, -0.1, "Nothing learnt beyond 'clock', which is better"),
        (2.5, 0.9, 2.0, -0.25, -0.6, 0.1, "Nothing learnt beyond 'clock' that may not be chance"),
        (1.9, 0.9, 2.0, 0.05, -0.1, 0.2, "Nothing learnt beyond 'clock' that may not be chance"),
        (1.9, 0.9, 2.0, 0.05, 0.0, 0.2, "Nothing learnt beyond 'clock' that may not be chance"),
        (3.9, 0.9, 5.0, 0.025, -0.1, 0.2, "A constant is as good here: the network is no better than it."),
        (1.0, 0.0, 2.0, 0.5, 0.9, 1.2, "A constant is as good here: the network is no better than it."),
    ],
)
def test_the_summary_hides_no_defeat(mae, r2, clock, skill, low, high, words):
    others = {"median": {"mae": 4.0, "mean_delta": 0.4}, "clock": {"mae": clock, "mean_delta": 0.2}}
    result = {"test": {"mae": mae, "mean_delta": 0.1, "r2": r2}, "baselines": others, "skill": skill}
    interval = {"low": low, "high": high}
    *table, last = summary_text(result | {"gain_ci95": {"mae": interval}}, Quantities).splitlines()
    gain = f" (95 % interval of the gain in mae: {low:.3g} to {high:.3g})."
    assert last == words + gain * words.startswith("No")
    assert [line.split()[0] for line in table] == ["mean", "median", "clock", "network"]


def test_where_networks_learnt_validation_too_baselines_did(tmp_path):
    windows = cut(tmp_path, np.arange(40.0), np.arange(40.0) ** 2)
    params = {"ridge_penalties": (1.0,), "moving_average": 3, "seasons": ()}
    for refit, parts in ((False, ["train"]), (True, ["train", "validation"])):
        networks = [lambda signal, _: np.zeros((len(signal), 1, 1))]
        found = scoring.evaluate_split(windows, networks, refit=refit, **params).baseline_forecasts["median"]
        learnt = np.concatenate([windows.labels(part) for part in parts])
        np.testing.assert_array_equal(found, np.median(learnt))
