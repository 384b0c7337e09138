"""The tables that people read are those that the commands make from the committed numbers."""

import json

import pytest

from reports import benchmarks_page as summary
from reports import systems_table as systems
from reports.readme import fill


def test_the_readmes_table_of_systems_is_that_of_the_metrics(committed, monkeypatch):
    monkeypatch.setattr(systems, "ROOT", committed)
    readme = (committed / "README.md").read_text()
    assert fill(readme, "systems", systems.table()) == readme


def test_every_system_has_a_row_and_its_section(committed, monkeypatch):
    monkeypatch.setattr(systems, "ROOT", committed)
    table = systems.table()
    sections = systems.yaml.safe_load((committed / "systems" / "params.yaml").read_text())["systems"]
    assert set(systems.REQUIRED) == set(sections)
    assert all(f"| {name} |" in table for name in sections)


@pytest.mark.parametrize("name", ["recurrence", "ingest", "pipeline", "follow"])
def test_the_page_of_the_benchmarks_holds_what_was_measured(committed, name):
    page = (committed / "docs" / "benchmarks.md").read_text()
    assert fill(page, name, summary.tables(committed / "docs" / "benchmarks", name)) == page


def test_another_kind_of_core_has_a_table_of_its_own(committed, tmp_path):
    name, (own, *_) = "ingest", sorted((committed / "docs" / "benchmarks").glob("*/ingest.json"))
    for kind, ratio in {"one": 2.0, "two": 3.0}.items():
        found = json.loads(own.read_text()) | {"cpu": f"core {kind}", "ours_vs_pandas": ratio}
        (tmp_path / kind).mkdir()
        (tmp_path / kind / "ingest.json").write_text(json.dumps(found))
    both = summary.tables(tmp_path, name)
    one, two = both.split("### core two")
    assert one.startswith("### core one\n") and "| 2.00 |" in one and "/one/ingest.png)" in one
    assert "| 3.00 |" in two and "/two/ingest.png)" in two


@pytest.mark.parametrize(
    ("path", "ours", "theirs", "mark"),
    [("test.mse", 1.0, 2.0, "✓"), ("test.mse", 3.0, 2.0, "✗"), ("test.accuracy", 0.9, 0.8, "✓")],
)
def test_a_row_says_whether_the_figure_was_reached(path, ours, theirs, mark):
    key = path.split(".")[1]
    metrics = {
        "test": {key: ours},
        "baselines": {"one": {key: theirs}, "two": {key: theirs * 0.5}},
        "gain_ci95": {key: {"low": -1.0, "high": 2.0}, "mae": {"low": 5.0, "high": 6.0}},
    }
    reach = 0.85 if key == "accuracy" else 1.5
    metrics["one_network"] = {key: {"mean": ours + 0.125, "sd": 0.0625, "worst": 9, "n": 5}}
    row = systems.row("name", "manual", metrics, "what", path, reach)
    assert f"| {ours:g} | {ours + 0.125:.3g} ± 0.06 (5) |" in row
    best = "one" if key == "accuracy" else "two"
    assert mark in row and best in row and row.endswith("| -1 to 2 | not sure |")


@pytest.mark.parametrize(("low", "high", "words"), [(0.1, 0.2, "better"), (-0.2, 0.0, "not sure"), (-2, -1, "worse")])
def test_the_verdict_is_that_of_the_interval(low, high, words):
    assert systems.verdict(low, high) == words


def test_gains_are_in_the_unit_of_the_row():
    gains = {"mse": {"low": 4.0, "high": 8.0}}
    metrics = {"test": {"mse": 1.0}, "baselines": {"persistence": {"mse": 2.0}}, "gain_ci95": gains}
    row = systems.row("name", "rnn", metrics, "what", "test.mse / baselines.persistence.mse", 1.0)
    assert "| 0.5 |  | 1 ✓ | persistence 1 | 2 to 4 | better |" in row
    runs = {"rmse": 3.0, "baselines": {"ridge": {"rmse": 1.0}, "drift": {"rmse": 2.0}}}
    runs["gain_ci95"] = {"rmse": {"low": -3.0, "high": -1.0}}
    runs["one_network"] = {"rmse": {"mean": 4.0, "sd": 1.0, "worst": 5.0, "n": 2}}
    row = systems.row("name", "rnn", metrics | {"free_running": runs}, "what", "free_running.rmse", 2.0)
    assert "| 3 | 4 ± 1 (2) | 2 ✗ | ridge 1 | -3 to -1 | worse |" in row


@pytest.mark.parametrize(
    ("key", "ours", "theirs", "low", "high", "words"),
    [
        ("mae", 0.9, 1.0, 0.01, 0.2, "10.0% of the error that ridge leaves (what 0.9 against 1)"),
        ("accuracy", 0.9, 0.8, 0.01, 0.2, "50.0% of the error that ridge leaves (what 0.9 against 0.8)"),
        ("mae", 0.9, 1.0, -0.01, 0.2, "nothing beyond ridge that may not be chance (what 0.9 against 1)"),
        ("mae", 2.0, 1.0, -2.0, -0.2, "nothing beyond ridge, which is better (what 2 against 1)"),
        (
            "mse",
            1e-20,
            2e-20,
            1e-21,
            2e-20,
            "nothing beyond ridge, which it equals to rounding (what 1e-20 against 2e-20)",
        ),
    ],
)
def test_what_was_learnt_is_said_also_where_that_is_nothing(key, ours, theirs, low, high, words):
    metrics = {
        "test": {key: ours},
        "baselines": {"ridge": {key: theirs}, "median": {key: 0.5 if key == "accuracy" else 3.0}},
        "gain_ci95": {key: {"low": low, "high": high}},
    }
    assert systems.Figure.read(metrics, f"test.{key}").learnt("what") == words


def test_every_system_has_a_line_on_what_it_has_learnt(committed, monkeypatch):
    monkeypatch.setattr(systems, "ROOT", committed)
    lines = systems.table().split("\n\n")[-1].splitlines()
    assert [line.split("**")[1] for line in lines] == list(systems.REQUIRED)
