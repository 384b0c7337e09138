"""The table of experiments: a row for each, at most 100 columns, whatever differs."""

import sys

from processes import command
from small_project import EXPERIMENTS, REVISIONS

from reports import experiments


def lines_of(home):
    return command(home, sys.executable, "-m", "reports.experiments").splitlines()


def test_each_experiment_has_a_row_with_what_differs(repository):
    lines = lines_of(repository)
    assert max(map(len, lines)) <= experiments.WIDTH
    assert lines[0].split()[:4] == ["experiment", "test", "validation", "skill"]
    rows = {line.split()[0]: line.split()[1:] for line in lines[1:] if line and line[0] != " "}
    assert set(REVISIONS) <= set(rows)
    for name, changes in EXPERIMENTS.items():
        assert rows[name][3:] == [f"{key}={value}" for key, value in changes.items()]
    assert all(cell.endswith("%") for name in REVISIONS for cell in rows[name][:3])


def data(params, **metrics):
    return {"params": {"params.yaml": {"data": params}}, "metrics": {"metrics/quake.json": {"data": metrics}}}


def test_many_parameters_and_no_results_still_fit():
    usual = data({f"section{i}": {"quite_a_long_key": 0} for i in range(20)}, skill=0.5)
    other = data({f"section{i}": {"quite_a_long_key": 1} for i in range(19)}, skill=0.5)
    one = [
        {"name": "x" * 60, "revs": [{"rev": "f" * 40, "data": other}]},
        {"name": None, "revs": [{"rev": "a" * 40, "data": None}]},
    ]
    shown = [
        {"name": None, "rev": "workspace", "data": usual, "experiments": None},
        {"name": "main", "rev": "c" * 40, "data": usual, "experiments": one},
    ]
    text = experiments.table(experiments.rows(shown))
    assert max(map(len, text.splitlines())) <= experiments.WIDTH
    assert text.count("quite_a_long_key=1") == 19 and "without" in text and "section19" in text
    assert "a" * 9 in text and "no results" in text
