"""An audit: three systems recomputed from raw data and predictions.csv by a reader that shares no code with them.

It knows numpy, csv and json, and the definitions of the README and of the params files; nothing of `recurrent`.
"""

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest
from small_data import GRADES, students, write
from small_project import run_stages, run_system

SCORES = ("mean_delta", "mae", "mse", "rmse", "r2")


def columns(path, delimiter=","):
    """Name -> its fields as text."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        header, *rows = csv.reader(file, delimiter=delimiter)
    return {name: [row[i] for row in rows] for i, name in enumerate(header)}


def numbers(path):
    return {name: np.array(texts, dtype=float) for name, texts in columns(path).items()}


def scores(actual, predicted):
    apart = predicted - actual
    mse = (apart**2).mean()
    return {
        "mean_delta": np.abs(apart).sum() / np.abs(actual).sum(),
        "mae": np.abs(apart).mean(),
        "mse": mse,
        "rmse": math.sqrt(mse),
        "r2": 1 - mse / actual.var(),
    }


def gain(losses, ours, block):
    """Best baseline of those losses (name -> one of each window), and the 95 % interval of what it loses more."""
    best = min(losses, key=lambda name: losses[name].mean())
    values = losses[best] - ours
    starts = np.random.default_rng(0).integers(0, len(values), (2000, -(-len(values) // block)))
    means = values[(starts[..., None] + np.arange(block)) % len(values)].mean(axis=(1, 2))
    return best, *np.quantile(means, (0.025, 0.975))


def audit_scores(metrics, table, block):
    """Every score of the network and of each baseline, the gain over the best of them, and the skill."""
    others = [name for name in table if name not in ("group", "time", "actual", "predicted", "lower", "upper")]
    assert set(metrics["baselines"]) == set(others)
    for name, found in {"predicted": metrics["test"], **metrics["baselines"]}.items():
        expected = scores(table["actual"], table[name])
        assert {key: found[key] for key in SCORES} == pytest.approx(expected, rel=1e-9), name
    apart = {name: table[name] - table["actual"] for name in ("predicted", *others)}
    size = np.abs(table["actual"]).mean()
    ways = {"mae": np.abs, "mse": np.square, "mean_delta": lambda off: np.abs(off) / size}
    for error, loss in ways.items():
        best, low, high = gain({name: loss(apart[name]) for name in others}, loss(apart["predicted"]), block)
        found = metrics["gain_ci95"][error]
        assert found["baseline"] == best
        assert (found["low"], found["high"]) == pytest.approx((low, high), rel=1e-6, abs=1e-12)
    if "interval" in metrics:
        inside = (table["lower"] <= table["actual"]) & (table["actual"] <= table["upper"])
        assert metrics["interval"]["coverage"] == pytest.approx(inside.mean())
        assert metrics["interval"]["mean_width"] == pytest.approx((table["upper"] - table["lower"]).mean())
    least = min(np.abs(apart[name]).mean() for name in others)
    assert metrics["skill"] == pytest.approx(1 - np.abs(apart["predicted"]).mean() / least)
    assert len(table["actual"]) == metrics["counts"]["test_windows"]


def audit_counts(data, rows, per_step):
    assert data["read"] - sum(data["dropped"].values()) + sum(data["added"].values()) == data["rows"] == rows
    assert data["rows"] == data["steps"] * per_step + data["rows_after_the_last_step"]
    parts = sum(data[f"{part}_steps"] for part in ("train", "validation", "test"))
    assert data["steps"] == parts + data["steps_in_no_part"]


def read_results(metrics, predictions):
    return json.loads(metrics.read_text(encoding="utf-8")), numbers(predictions / "predictions.csv")


def test_the_earthquake(tmp_path, monkeypatch):
    per_step, seq_len, stride = 50, 20, 2
    monkeypatch.chdir(tmp_path)
    run_stages({"train.max_epochs": 2, "train.members": 2, "simulate.cycles": 12})
    metrics, table = read_results(Path("metrics/quake.json"), Path("data/quake/predictions"))
    left = numbers(Path("data/raw/simulated.csv"))["time_to_failure"]
    failures = np.flatnonzero(np.diff(left) > 0) + 1
    assert len(failures) == 11
    # 12 cycles: 7 to train, 2 to validate, the rest to test; a step lies in one part altogether
    cuts = [0, failures[6], failures[8], len(left)]
    limits = [(-(-cuts[i] // per_step), cuts[i + 1] // per_step) for i in range(3)]
    labels_of_step = left[per_step - 1 :: per_step]
    step_of_row = (np.arange(len(left)) + 1) // per_step - 1

    # which row each forecast is of, the time since the beginning tells: countdowns of whole cycles, and of the last one
    begins = np.r_[0, failures]
    cycle = np.searchsorted(begins, np.arange(len(left)), side="right") - 1
    time = np.cumsum(np.r_[0, left[begins]])[cycle] + left[begins[cycle]] - left
    row = np.searchsorted(time, table["time"] - 1e-6)
    np.testing.assert_allclose(table["actual"], left[row], rtol=0, atol=1e-12)
    steps = step_of_row[row]
    assert (np.diff(steps) == stride).all() and (row == (steps + 1) * per_step - 1).all()
    begin, end = limits[2]
    assert begin <= steps[0] <= begin + seq_len - 1 and end - stride <= steps[-1] < end

    train = labels_of_step[limits[0][0] + seq_len - 1 : limits[0][1] : stride]
    assert len(train) == metrics["counts"]["train_windows"]
    np.testing.assert_allclose(table["median"], np.median(train))
    intervals = left[failures[:6]]  # those that end in train; the first began with the recording, and has no row here
    last = failures[np.searchsorted(failures, row, side="right") - 1]
    clock = np.maximum(0, np.median(intervals) - (left[last] - left[row]))
    np.testing.assert_allclose(table["clock"], clock, atol=1e-9)
    assert metrics["counts"]["test_cycles"] == len(np.unique(last)) == 3
    audit_scores(metrics, table, block=seq_len // stride)
    audit_counts(metrics["data"], len(left), per_step)
    assert metrics["one_network"]["mae"]["n"] == 2


TIDE = {
    "seq_len": 12,
    "source": {
        **{"name": "table", "file": "tide.csv", "url": None, "checksum": None, "join": None, "holes": "last"},
        **{"signal": ["level", "wind"], "target": ["level"], "time": "hour", "time_format": None, "group": None},
        **{"signal_unit": "m, m/s", "target_unit": "m", "time_unit": "h"},
        **{"failure_threshold": None, "last_cycle": "keep"},
    },
    "window": {"horizon": 3, "predict_change": True, "batch_size": 16},
    "model": {"cell": "manual", "hidden_size": 4},
    "train": {"loss": "mae", "max_epochs": 2, "members": 2},
    "evaluate": {"free_running": 0, "season": [24], "ridge_penalties": [0.0], "moving_average": 5},
}


def test_a_table(tmp_path, monkeypatch):
    """Level and wind of 400 hours, of which some are not known and one comes twice; the level in three hours."""
    seq_len, horizon, season = 12, 3, 24
    random = np.random.default_rng(5)
    hours = np.r_[np.arange(200), 199, np.arange(205, 404)]
    level = np.sin(2 * np.pi * hours / 24) + 0.3 * random.normal(size=len(hours)) + 2
    wind = random.normal(size=len(hours))
    texts = [[str(hour), repr(float(a)), repr(float(b))] for hour, a, b in zip(hours, level, wind, strict=True)]
    texts[0][2], texts[50][2], texts[120][2] = "", "", "NA"
    for row in (30, 350, 351, 380):
        texts[row][1] = "NA"
    write(tmp_path / "tide.csv", ("hour", "level", "wind"), [texts[i] for i in random.permutation(len(texts))])
    metrics, table = read_results(*run_system(tmp_path, monkeypatch, "tide", TIDE, tmp_path / "tide.csv"))

    raw = columns(tmp_path / "tide.csv")
    place = np.array(raw["hour"], dtype=float)
    order = np.argsort(place, kind="stable")
    known = np.array([raw["level"][i] != "NA" for i in order])
    texts = np.array([raw["level"], raw["wind"]]).T[order]
    values = np.where(np.isin(texts, ("", "NA")), "nan", texts).astype(float)
    filled = np.isnan(values).any(axis=1)
    for row in range(1, len(values)):
        values[row] = np.where(np.isnan(values[row]), values[row - 1], values[row])
    values, known, filled = values[1:], known[1:], filled[1:]  # nothing is known of the wind of the first hour
    assert metrics["data"]["dropped"] == {"before_every_column_had_a_value": 1}
    noted = metrics["data"]["noted"]
    assert (noted["with_the_time_of_the_row_before"], noted["after_a_gap"], noted["filled_values"]) == (1, 1, 6)
    assert noted["longest_gap_in_usual_steps"] == 6 and noted["filled_rows"] == filled.sum() == 6

    rows, level = len(values), values[:, 0]
    train, validation = round(rows * 0.7), round(rows * 0.15)
    label = table["time"].astype(int)
    assert set(label) <= {*range(train + validation, rows)}
    assert known[label].all() and label[-1] == rows - 1
    missing = {*range(label[0], rows)} - set(label)
    assert missing == {*np.flatnonzero(~known)} & {*range(label[0], rows)}  # no filled label is scored
    assert table["actual"].tolist() == level[label].tolist()
    end = label - horizon
    assert table["persistence"].tolist() == level[end].tolist()
    assert table["seasonal_naive_24"].tolist() == level[label - season].tolist()
    np.testing.assert_allclose(table["moving_average"], [level[e - 4 : e + 1].mean() for e in end])
    learnt = np.array([e for e in range(seq_len - 1, train - horizon) if known[e + horizon]])
    assert len(learnt) == metrics["counts"]["train_windows"]
    np.testing.assert_allclose(table["median"], np.median(level[learnt + horizon]))
    sure = known[: train - 1] & known[1:train]
    np.testing.assert_allclose(table["drift"], level[end] + horizon * np.median(np.diff(level[:train])[sure]))
    signal = np.c_[values, filled]
    fitted = np.array([e for e in learnt if e + horizon - season >= 0])

    def design(ends):
        past = [np.r_[signal[e + horizon - season], signal[e - seq_len + 1 : e + 1].ravel(), 1] for e in ends]
        return np.array(past)

    weights = np.linalg.lstsq(design(fitted), level[fitted + horizon] - level[fitted], rcond=None)[0]
    np.testing.assert_allclose(table["ridge"], level[end] + design(end) @ weights, rtol=1e-6)
    audit_scores(metrics, table, block=seq_len)
    audit_counts(metrics["data"], rows, 1)


MARKS = {
    "seq_len": 4,
    "source": {"name": "grades", "file": "data.csv", "url": None, "checksum": None},
    "window": {
        **{"split": "groups", "seed": 42, "train_fraction": 0.7, "validation_fraction": 0.1, "horizon": 0},
        **{"one_window_per_group": True, "batch_size": 8, "predict_change": True},
    },
    "model": {"cell": "manual", "hidden_size": 4, "readout": "last"},
    "train": {"max_epochs": 3, "members": 2},
    "evaluate": {"free_running": 0, "ridge_penalties": [0.0], "moving_average": 3},
}


def test_grades_of_students(tmp_path, monkeypatch):
    rows = students(60)
    rows[7][2] = ""
    write(tmp_path / "data.csv", GRADES, rows)
    metrics, table = read_results(*run_system(tmp_path, monkeypatch, "marks", MARKS, tmp_path / "data.csv"))
    texts = columns(tmp_path / "data.csv")
    semesters = np.array([texts[name] for name in ("1st", "2nd", "3rd", "4th", "5th")]).T
    grades = np.array([row for row in semesters if "" not in row], dtype=float)
    assert len(grades) == 59 and metrics["data"]["dropped"] == {"with_a_hole_among_their_grades": 1}
    assert metrics["data"]["read"] == 60 and metrics["data"]["unit"] == "students"
    order = np.random.RandomState(42).permutation(59)  # as scikit-learn's train_test_split draws, a fifth to test
    test, rest = order[:12], order[12:]
    train = rest[len(rest) - round(len(rest) * 7 / 8) :]
    assert table["group"].tolist() == test.tolist()
    assert table["actual"].tolist() == grades[test, 4].tolist()
    assert len(train) == metrics["counts"]["train_windows"]
    assert table["persistence"].tolist() == grades[test, 3].tolist()
    np.testing.assert_allclose(table["median"], np.median(grades[train, 4]))
    np.testing.assert_allclose(table["moving_average"], grades[test, 1:4].mean(axis=1))
    weights = np.linalg.lstsq(np.c_[grades[train, :4], np.ones(len(train))], grades[train, 4], rcond=None)[0]
    np.testing.assert_allclose(table["ridge"], np.c_[grades[test, :4], np.ones(12)] @ weights, rtol=1e-9)
    audit_scores(metrics, table, block=1)
