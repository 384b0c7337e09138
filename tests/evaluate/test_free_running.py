"""A network fed on its own output: exact where the model is, and told nothing of what came."""

import numpy as np
import pytest
from small_windows import cut, with_rows, write_series

from recurrent.evaluate import free_running


def short_runs(windows, predictors, steps, seasons=()):
    params = {"ridge_penalties": (0.0,), "moving_average": 2, "seasons": seasons}
    return free_running.short_runs(windows, predictors, steps, **params)


# two columns: x(t+1) = 0.9 x(t) + 2, y(t+1) = x(t) + y(t)
START, STEPS = (1.0, 5.0), 60


def move(x_y):
    x, y = x_y[..., 0], x_y[..., 1]
    return np.stack([0.9 * x + 2, x + y], axis=-1)


def path():
    rows = [np.array(START)]
    while len(rows) < STEPS:
        rows.append(move(rows[-1]))
    return np.array(rows)


def make(folder, *, order=(0, 1), **params):
    rows = path()
    series = write_series(folder, rows, rows[:, order], target_columns=order, target_names=[f"t{i}" for i in order])
    return cut(folder, series, horizon=1, **params)


def exact(signal_BTD, lengths):
    """Answers of every step for plain windows."""
    assert lengths is None
    return move(signal_BTD)


def exact_change(signal_BTD, lengths):
    return move(signal_BTD) - signal_BTD


def test_an_exact_model_runs_exactly(tmp_path):
    windows = make(tmp_path)  # the test part is rows 48 to 59; what is read before it is past
    runs = short_runs(windows, [exact], 4)
    assert runs.start.tolist() == [48, 52, 56]
    np.testing.assert_allclose(runs.predicted, path()[runs.start[:, None] + np.arange(4)], rtol=1e-12)
    assert runs.actual.tolist() == path()[runs.start[:, None] + np.arange(4)].tolist()
    assert runs.baselines["persistence"].tolist() == [[path()[start - 1].tolist()] * 4 for start in (48, 52, 56)]
    long = free_running.single_run(windows, [exact])
    assert long.start.tolist() == [48] and long.predicted.shape == (1, 12, 2)
    np.testing.assert_allclose(long.predicted[0], path()[48:], rtol=1e-12)
    off = runs.baselines["persistence"] - runs.actual
    np.testing.assert_allclose(runs.by_step(runs.baselines["persistence"]), np.sqrt((off**2).mean(axis=(0, 2))))
    scores = runs.scores()
    assert (scores["steps"], scores["runs"]) == (4, 3) and scores["rmse"] == pytest.approx(0, abs=1e-9)
    assert scores["baselines"]["persistence"] == {"rmse": pytest.approx(np.sqrt((off**2).mean()))}


def test_baselines_run_on_their_own_output_too(tmp_path):
    """The next step is linear in the last one, so ridge runs exactly; drift adds the median change of train."""
    windows = make(tmp_path)
    runs = short_runs(windows, [lambda x, n: exact(x, n) + 0.1], 4)
    assert list(runs.baselines) == ["median", "persistence", "drift", "moving_average", "ridge"]
    np.testing.assert_allclose(runs.baselines["ridge"], runs.actual, rtol=1e-6)
    typical = np.median(np.diff(path()[:36], axis=0), axis=0)
    expected = [[path()[start - 1] + ahead * typical for ahead in (1, 2, 3, 4)] for start in (48, 52, 56)]
    np.testing.assert_allclose(runs.baselines["drift"], expected, rtol=1e-10)
    first = path()[[46, 47]].mean(axis=0)  # of the last two, then of the last one and its own
    assert runs.baselines["moving_average"][0, :2].tolist() == [first.tolist(), ((path()[47] + first) / 2).tolist()]
    assert (runs.baselines["median"] == np.median(windows.labels("train"), axis=0)).all()
    scores = runs.scores()
    assert scores["baselines"].keys() == runs.baselines.keys()
    for name, forecast in runs.baselines.items():
        assert scores["baselines"][name]["rmse"] == pytest.approx(np.sqrt(((forecast - runs.actual) ** 2).mean()))
    gain = scores["gain_ci95"]["rmse"]
    assert gain["baseline"] == "ridge" and gain["low"] <= gain["high"] < 0


def test_seasons_are_taken_from_the_past_and_then_from_the_run_itself(tmp_path):
    """A cycle of five rows, longer than the window: ridge needs the season, and so does seasonal_naive; 3 is none."""
    rows = np.tile([3.0, 1.0, 1.0, 1.0, 7.0], 40)
    windows = cut(tmp_path, write_series(tmp_path, rows, rows, target_columns=(0,)), horizon=1, seq_len=2)
    runs = short_runs(windows, [lambda x, n: x], 12, (5, 3))
    for name in ("seasonal_naive_5", "ridge"):
        np.testing.assert_allclose(runs.baselines[name], runs.actual, atol=1e-9)
    start = runs.start[0]
    expected = [rows[start - 3 + step % 3] for step in range(12)]
    assert runs.baselines["seasonal_naive_3"][0, :, 0].tolist() == expected
    without = short_runs(windows, [lambda x, n: x], 12)
    assert np.abs(without.baselines["ridge"] - without.actual).max() > 1
    assert "boosted_trees" not in without.baselines  # fewer than 200 windows


def test_trees_run_on_their_own_output(tmp_path):
    rows = np.tile([3.0, 1.0, 4.0, 7.0], 100)
    windows = cut(tmp_path, write_series(tmp_path, rows, rows, target_columns=(0,)), horizon=1, seq_len=3)
    runs = short_runs(windows, [lambda x, n: x], 8)
    np.testing.assert_allclose(runs.baselines["boosted_trees"], runs.actual, atol=0.1)


def test_the_gain_of_runs_is_in_root_mean_square_error():
    """Two runs in one block: no resample differs, so both ends are the difference itself. In blocks of one they do."""
    actual = np.zeros((2, 2, 1))
    ours, theirs = actual + [[[1.0], [1.0]], [[1.0], [5.0]]], actual + [[[3.0], [3.0]], [[4.0], [4.0]]]
    both = {"persistence": theirs + 1, "drift": theirs}
    runs = free_running.Runs(np.array([0, 2]), ours, actual, both, 2)
    expected = pytest.approx(12.5**0.5 - 7**0.5)
    assert runs.scores()["gain_ci95"] == {"rmse": {"baseline": "drift", "low": expected, "high": expected}}
    gain = free_running.Runs(np.array([0, 2]), ours, actual, both, 1).scores()["gain_ci95"]["rmse"]
    assert (gain["low"], gain["high"]) == pytest.approx((4 - 13**0.5, 3 - 1))


def test_the_mean_of_several_networks_is_fed_back(tmp_path):
    models = [lambda x, n, by=by: move(x) + by for by in (1.0, -1.0)]
    runs = short_runs(make(tmp_path), models, 4)
    np.testing.assert_allclose(runs.predicted, runs.actual, rtol=1e-12)
    alone = [np.sqrt(((forecast - runs.actual) ** 2).mean()) for forecast in runs.alone]
    assert len(alone) == 2 and min(alone) > 1
    found = runs.scores()["one_network"]["rmse"]
    assert found == pytest.approx({"mean": np.mean(alone), "sd": np.std(alone, ddof=1), "worst": max(alone), "n": 2})


def test_targets_in_another_order_than_the_columns_are_refused(tmp_path):
    windows = make(tmp_path, order=(0, 1))
    assert free_running.possible(windows)
    (tmp_path / "other").mkdir()
    with pytest.raises(ValueError, match="forecasts all columns it reads one step ahead"):
        short_runs(make(tmp_path / "other", order=(1, 0)), [exact], 4)


@pytest.mark.parametrize("relative", [False, True])
def test_views_are_made_anew_in_each_step(tmp_path, relative):
    """The base of a relative window moves along with the window; a fixed one would miss by far."""
    windows = make(tmp_path, relative_to_first=relative, predict_change=True, seq_len=3)
    bases = []

    def model(signal_BTD, lengths):
        if not relative:
            return exact_change(signal_BTD, lengths)
        assert (signal_BTD[:, 0] == 0).all()  # p / p - 1
        base_B1D = np.array([rows[len(bases)] for rows in truth])[:, None]
        bases.append(base_B1D)
        plain = (signal_BTD + 1) * base_B1D
        return exact_change(plain, lengths) / base_B1D

    truth = [path()[start - 3 :] for start in (48, 52, 56)]
    runs = short_runs(windows, [model], 4)
    np.testing.assert_allclose(runs.predicted, runs.actual, rtol=1e-10)
    assert len(bases) == (4 if relative else 0)


@pytest.mark.parametrize("params", [{}, {"predict_change": True}])
def test_a_run_reads_its_own_output_and_nothing_that_came(tmp_path, params):
    windows = make(tmp_path, **params)
    model = (lambda x, n: exact_change(x, n) + 0.1) if params else (lambda x, n: exact(x, n) + 0.1)
    usual = short_runs(windows, [model], 4, (3, 20)), free_running.single_run(windows, [model])
    # in the first run, every row from its start on is another; in the second, those from 52 on
    for number, start in enumerate((48, 52, 56)):
        other = with_rows(windows, slice(start, None), -1e6)
        runs, long = short_runs(other, [model], 4, (3, 20)), free_running.single_run(other, [model])
        assert runs.predicted[number].tolist() == usual[0].predicted[number].tolist()
        assert long.predicted.tolist() == usual[1].predicted.tolist()
        for name, forecast in runs.baselines.items():
            assert forecast[number].tolist() == usual[0].baselines[name][number].tolist()
        assert (runs.actual[number] == -1e6).all()
    assert np.abs(usual[0].predicted - usual[0].actual).min() > 0.09


def test_where_it_cannot_run_it_says_why(tmp_path):
    with pytest.raises(ValueError, match="evaluate.free_running is 13: the test part is too short"):
        short_runs(make(tmp_path), [exact], 13)
    (tmp_path / "far").mkdir()
    far = cut(tmp_path / "far", write_series(tmp_path / "far", np.arange(30), target_columns=(0,)), horizon=2)
    with pytest.raises(ValueError, match=r"columns none of c0, target t, horizon 2"):
        short_runs(far, [exact], 2)


def test_tables_hold_every_run(tmp_path):
    windows = make(tmp_path)
    runs, long = short_runs(windows, [exact], 4), free_running.single_run(windows, [exact])
    tables = free_running.tables(runs, long, windows)
    assert list(tables) == ["free_running", "error_by_lead_time", "single_run"]
    assert tables["free_running"]["run"].tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert tables["free_running"]["time"].tolist() == [*range(48, 60)]
    assert tables["free_running"]["actual_t1"].tolist() == path()[48:60, 1].tolist()
    assert tables["error_by_lead_time"]["step"].tolist() == [1, 2, 3, 4]
    assert list(tables["error_by_lead_time"]) == ["step", "network", *runs.baselines]
    for name, forecast in runs.baselines.items():
        assert tables["error_by_lead_time"][name].tolist() == runs.by_step(forecast).tolist()
    assert tables["single_run"]["time"].tolist() == [*range(48, 60)]
