"""The notebook for students: kept without outputs, and every cell runs, in order, on a finished pipeline."""

import json
import shutil
import sys

import matplotlib
import pytest
from in_git import ROOT

CELLS = json.loads((ROOT / "docs" / "tour.ipynb").read_text(encoding="utf-8"))["cells"]
CODE = ["".join(cell["source"]) for cell in CELLS if cell["cell_type"] == "code"]


def test_it_is_kept_without_outputs():
    assert all(
        cell["outputs"] == [] and cell["execution_count"] is None for cell in CELLS if cell["cell_type"] == "code"
    )


@pytest.fixture
def drawn(monkeypatch):
    """The figures that are shown, in place of windows on a screen."""
    import matplotlib.pyplot as plt

    matplotlib.use("Agg")
    shown = []
    monkeypatch.setattr(plt, "show", lambda: shown.append(plt.gcf()))
    yield shown
    plt.close("all")


@pytest.mark.parametrize("folder", [".", "docs"])
def test_every_cell_runs_from_the_top_folder_and_from_its_own(repository, tmp_path, monkeypatch, capsys, drawn, folder):
    home = tmp_path / "project"
    shutil.copytree(repository, home, symlinks=True, ignore=shutil.ignore_patterns(".git", "cache"))
    (home / "docs").mkdir()
    monkeypatch.chdir(home / folder)
    monkeypatch.setattr(sys, "path", [*sys.path])
    names = {}
    for number, code in enumerate(CODE):
        exec(compile(code, f"tour.ipynb, cell {number}", "exec"), names)
    said = capsys.readouterr().out
    assert "train (" in said and "epoch 10" in said and "class Cell" in said
    assert len(drawn) == 3 and all(axes.lines for figure in drawn for axes in figure.axes)
    assert len(names["trainer"].history) == 10
    assert f"{names['mean_delta']:.1%}" in drawn[-1].axes[0].get_title()
