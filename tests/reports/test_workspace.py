"""The way back works where the commit was computed elsewhere, and no file of a user's is removed."""

import os
import re
import shutil
import sys
from pathlib import Path

import pytest
from processes import command, dvc
from small_project import computed_elsewhere, outs


@pytest.fixture(autouse=True)
def stages_find_python(monkeypatch):
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")


def ask(home, *words, code=0):
    return command(home, sys.executable, "-m", "reports.workspace", *words, code=code)


def test_the_way_back_from_an_experiment_computes_nothing(project):
    before = (project / "data" / "quake" / "predictions" / "predictions.csv").read_bytes()
    dvc(project, "exp", "apply", "short")
    assert (project / "data" / "quake" / "predictions" / "predictions.csv").read_bytes() != before
    said = ask(project, "reset")
    assert "params.yaml" in said and "restored from DVC's cache: all outputs" in said and "epoch" not in said
    assert (project / "data" / "quake" / "predictions" / "predictions.csv").read_bytes() == before
    assert command(project, "git", "status", "--porcelain") == ""


def test_the_way_back_where_the_commit_was_computed_elsewhere(project):
    computed_elsewhere(project)
    (project / "params.yaml").write_text("changed", encoding="utf-8")
    said = ask(project, "reset")
    assert "computed elsewhere" in said and "dvc.lock, metrics/quake.json differ from it" in said
    assert all((project / path).exists() for stage in ("window", "train", "evaluate", "plot") for path in outs(stage))
    assert command(project, "git", "diff", "--name-only", "HEAD").split() == ["dvc.lock", "metrics/quake.json"]
    told = command(project, sys.executable, "-m", "reports.compare", "HEAD", "short", code=1)
    assert told.startswith("error: HEAD was computed elsewhere") and "make reset && dvc exp save -n first" in told
    dvc(project, "exp", "save", "--quiet", "--name", "first")
    assert "| seq_len |" in command(project, sys.executable, "-m", "reports.compare", "first", "short")


def test_clean_keeps_what_no_stage_makes(project):
    own = [project / "data" / "raw" / "mine.csv", project / "plots" / "quake" / "notes.txt"]
    for path in own:
        path.write_text("mine", encoding="utf-8")
    said = ask(project, "clean")
    left = [path for folder in ("data", "plots") for path in (project / folder).rglob("*") if path.is_file()]
    assert set(left) == set(own)
    assert "mine.csv" in said and re.search(r"\.dvc/cache, [\d,]+ MB", said) and "dvc gc -w" in said
    assert command(project, "git", "status", "--porcelain") == ""
    dvc(project, "checkout")
    assert "restored from DVC's cache" in ask(project, "reset")


def test_clean_where_there_is_nothing(project):
    shutil.rmtree(project / "data")
    ask(project, "clean")
    assert "kept: DVC's cache" in ask(project, "clean")
