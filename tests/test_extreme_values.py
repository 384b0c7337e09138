"""Numbers at the ends of what float64 holds, from a CSV to the scores: each right, or refused in one line."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from small_project import run_stages

CHANGES = {
    "ingest.csv": "own.csv",
    "ingest.signal": ["x"],
    "ingest.target": "t",
    "ingest.failure_threshold": None,
    "window.split": "contiguous",
    "window.samples_per_step": 1,
    "window.statistic": ["none"],
    "window.stride": 1,
    "window.batch_size": 8,
    "seq_len": 5,
    "model.hidden_size": 2,
    "train.max_epochs": 1,
    "train.input_noise": 0.0,
}
RATIOS = {"ingest.signal": ["t"], "window.relative_to_first": True, "window.predict_change": True}
X = [f"{value:.3f}" for value in 5 * np.sin(np.arange(120) ** 1.1)]
T = [f"{value:.4f}" for value in 2 + np.sin(np.arange(120) / 5)]
TOO_LARGE = "1e302 -1e302 1e308 -1.7976931348623157e308 1e155 1e37 -1e40".split()
LARGE = "9007199254740992 -9007199254740992 1e15 1e20 -1e30 1e35".split()
ROUNDED = "9007199254740993 -9007199254740993 18446744073709551615".split()
NEARLY_0 = "5e-324 -5e-324 1e-310 2.2250738585072011e-308 -0 -0.0 1e-160 1e-45 -1e-31".split()
HUGE_COUNTS = [
    {"seq_len": 10**6},
    {"window.samples_per_step": 10**6, "window.statistic": ["mean"]},
    {"window.batch_size": 10**9},
    {"window.horizon": 10**6},
]


def scores(x=X, t=T, **changes):
    """Run the stages over columns x and t; give the scores, all of them finite."""
    Path("own.csv").write_text("x,t\n" + "".join(f"{a},{b}\n" for a, b in zip(x, t, strict=True)))
    run_stages(CHANGES | changes, ("ingest", "window", "train", "evaluate"))
    found = json.loads(Path("metrics/quake.json").read_text())
    numbers = [*found["test"].values(), *(score for scores in found["baselines"].values() for score in scores.values())]
    assert np.isfinite(numbers).all()
    return {key: value for key, value in found.items() if key != "data"}  # which tells the file's digest


def refusal(**columns):
    with pytest.raises(ValueError) as refused:
        scores(**columns)
    assert len(str(refused.value).splitlines()) == 1
    assert not Path("metrics").exists()
    return str(refused.value)


def changed(column, row, value):
    return [*column[:row], value, *column[row + 1 :]]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def usual(tmp_path_factory):
    """Scores with 0 in row 10 of x."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("usual"))
        return scores(x=changed(X, 10, "0.0"))


@pytest.mark.parametrize("row", [10, 115], ids=["train", "test"])
@pytest.mark.parametrize("value", TOO_LARGE)
def test_a_value_too_large_to_compute_with_is_refused_by_row(value, row):
    assert refusal(x=changed(X, row, value)).startswith(f"signal, row {row}: none is [")
    assert refusal(t=changed(T, row, value)).startswith(f"target, row {row}: it is [")


@pytest.mark.parametrize("value", ROUNDED)
def test_an_integer_that_float64_would_round_is_refused_by_line(value):
    assert f"own.csv:12: column 'x' holds '{value}'" in refusal(x=changed(X, 10, value))


@pytest.mark.parametrize("value", LARGE)
def test_a_large_value_is_computed_with(value):
    found = scores(x=changed(X, 10, value), t=changed(T, 115, value))
    assert found["test"]["mae"] == pytest.approx(abs(float(value)) / found["counts"]["test_windows"], rel=1e-3)


@pytest.mark.parametrize("value", NEARLY_0)
def test_a_value_that_is_nearly_0_counts_as_0(value, usual):
    assert scores(x=changed(X, 10, value)) == usual


@pytest.mark.parametrize("value", NEARLY_0)
def test_nothing_is_divided_by_what_is_nearly_0(value):
    assert "the first of a window, which window.relative_to_first" in refusal(t=changed(T, 10, value), **RATIOS)


@pytest.mark.parametrize("factor", ["e302", "e155", "e40", "e-45", "e-160", "e-310"])
def test_a_column_of_another_order_of_magnitude_is_refused(factor):
    assert "another unit" in refusal(x=[value + factor for value in X])
    assert "another unit" in refusal(t=[value + factor for value in T])


@pytest.mark.parametrize("factor", [1e30, 1e-25])
def test_the_unit_does_not_matter(factor):
    one, other = scores(), scores(t=[repr(float(value) * factor) for value in T])
    for name in ("mean_delta", "r2"):
        assert other["test"][name] == pytest.approx(one["test"][name], rel=1e-4)


@pytest.mark.parametrize("counts", HUGE_COUNTS, ids=str)
def test_a_huge_count_is_refused_with_what_there_is(counts):
    assert re.search("has 0 steps|too few for one", refusal(**counts))
