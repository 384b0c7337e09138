"""An array of experiments: each in a clone, back in the checkout; a task that was killed is run again, and no other."""

import shutil
import sys
from argparse import Namespace

import pytest
from processes import command, dvc
from small_project import ROOT

from benchmarks import array
from benchmarks.experiments import StudyError

# at the end of checkpoint.py: after the second epoch of seed 2, the whole task dies once, as with its machine
DEATH = """
import psutil, signal, yaml
_save = Checkpoint.save
def _dying(self, state):
    _save(self, state)
    fuse = Path({fuse!r})
    if yaml.safe_load(Path("params.yaml").read_text())["seed"] == 2 and len(state["history"]) == 2 and fuse.exists():
        fuse.unlink()
        above = psutil.Process().parents()
        last = next(i for i, process in enumerate(above) if "submitit.core._submit" in process.cmdline())
        for process in (*reversed(above[: last + 1]), psutil.Process()):
            process.kill()
Checkpoint.save = _dying
"""


@pytest.fixture
def project(repository, tmp_path, monkeypatch):
    """A copy of the small project to work in, whose tasks find this checkout's benchmarks."""
    shutil.copytree(repository, tmp_path / "project", symlinks=True)
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return tmp_path / "project"


@pytest.mark.scale
def test_a_killed_task_is_run_again_and_no_other(project, tmp_path):
    pytest.importorskip("submitit", reason="`make test-scale` installs it")
    fuse = tmp_path / "fuse"
    fuse.touch()
    with (project / "recurrent" / "train" / "checkpoint.py").open("a") as file:
        file.write(DEATH.format(fuse=str(fuse)))
    command(project, "git", "commit", "--quiet", "--all", "--message", "a machine that dies")
    plan, lines = array.grid("grid", ["seed=1,2"]), []
    given = Namespace(minutes=60, cluster="local", job=[])
    with pytest.raises(StudyError, match=r"failed: grid-2 \(\S+\.err\)\. The same command again runs these only"):
        array.run(plan, array.executor(given), lines.append)
    assert not fuse.exists() and lines[0].startswith("2 of 2 experiments are submitted")
    assert sorted(lines[1:]) == ["grid-1: finished", "grid-2: failed"]
    lines.clear()
    done = array.run(plan, array.executor(given), lines.append)
    assert lines[0].startswith("1 of 2 experiments are submitted") and lines[1:] == ["grid-2: finished"]
    assert {name: one.params["seed"] for name, one in done.items()} == {"grid-1": 1, "grid-2": 2}
    assert all(one.metrics["test"]["mean_delta"] > 0 for one in done.values())
    logs = [path.read_text() for path in (project / array.FOLDER / "logs").rglob("*_log.out")]
    assert sum("resuming after epoch 2 of an interrupted run" in log for log in logs) == 1
    assert [path.name for path in (project / array.FOLDER).iterdir()] == ["logs"]
    assert command(project, "git", "status", "--porcelain") == ""
    dvc(project, "exp", "apply", "grid-2")
    assert "didn't change" in dvc(project, "repro") and "seed: 2" in (project / "params.yaml").read_text()


def test_what_is_not_committed_stops_the_array(project):
    pytest.importorskip("submitit", reason="`make test-scale` installs it")
    (project / "params.yaml").write_text("seed: 5\n")
    with pytest.raises(StudyError, match=r"last commit, from which these differ: params\.yaml"):
        array.run({}, None, print)


def test_a_grid_is_read_as_dvc_reads_it():
    plan = array.grid("g", ["seq_len=range(50,200,50)", "model.cell=manual,gru", "window.statistic=[mean,max]"])
    assert list(plan)[:2] == ["g-50-manual-mean-max", "g-50-gru-mean-max"] and len(plan) == 6
    assert plan["g-150-gru-mean-max"] == {"seq_len": 150, "model.cell": "gru", "window.statistic": ["mean", "max"]}
    with pytest.raises(StudyError, match="two experiments would be called g-a-b"):
        array.grid("g", ["ingest.signal=[a,b],[a-b]"])


def test_without_submitit_the_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(StudyError, match=r'submitit is missing: pip install "\.\[scale\]"'):
        array.executor(Namespace(minutes=1, cluster=None, job=[]))
