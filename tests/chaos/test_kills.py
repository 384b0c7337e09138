"""SIGKILL of stages and of dvc at any moment: the same command again ends in the same bytes."""

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from processes import command, dvc
from seeds import SEED
from small_project import DVC, products

KILLS = int(os.environ.get("CHAOS", 0))
pytestmark = pytest.mark.skipif(not KILLS, reason="minutes of dvc; make chaos runs it")
REPRO = [sys.executable, "-m", "dvc", "repro"]


def all_products(home):
    return {path: content for stage in DVC for path, content in products(home, stage).items()}


def stages_of(home):
    """Return the stages that run in the project."""
    found = []
    for process in os.listdir("/proc"):
        try:
            words = Path(f"/proc/{process}/cmdline").read_bytes()
            if b"stages." in words and os.readlink(f"/proc/{process}/cwd").startswith(str(home)):
                found.append(int(process))
        except OSError:
            pass
    return found


def until(condition, seconds=120):
    """Wait for something that happens in any case, however busy the machine is."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end
        time.sleep(0.02)
    return found


@pytest.fixture
def home(repository, tmp_path):
    """Give a copy of the small finished project."""
    shutil.copytree(repository, tmp_path / "project", symlinks=True)
    return tmp_path / "project"


def start(home, *words):
    quiet = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen([*words], cwd=home, start_new_session=True, **quiet)


def longer(home, epochs):
    """Let training last, and make the lock as it is after an undisturbed run."""
    text = (home / "params.yaml").read_text()
    (home / "params.yaml").write_text(text.replace("max_epochs: 3", f"max_epochs: {epochs}"))


def after_an_epoch(home):
    """Wait until a checkpoint is there, then kill dvc; its stage must end by itself."""
    return until(lambda: list((home / ".cache" / "checkpoints").glob("*.pt")))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("words", [("repro",), ("exp", "run"), ("exp", "run", "--temp")], ids=" ".join)
def test_a_killed_dvc_takes_its_stage_along_and_the_rerun_resumes(home, words):
    longer(home, 60)
    doomed = start(home, sys.executable, "-m", "dvc", *words)
    after_an_epoch(home)
    assert stages_of(home)
    doomed.kill()
    until(lambda: not stages_of(home), 20)
    doomed.communicate()
    assert len(list((home / ".cache" / "checkpoints").glob("*.pt"))) == 1
    longer(home, 60)
    again = start(home, sys.executable, "-m", "dvc", *words)
    out, _ = again.communicate(timeout=300)
    assert again.returncode == 0, out
    assert "resuming after epoch" in out


def test_a_cut_lock_is_restored_by_one_command(home):
    lock, whole = home / "dvc.lock", (home / "dvc.lock").read_bytes()
    made = all_products(home)
    for size in (0, 1, len(whole) // 3, len(whole) // 2, len(whole) - 30):
        lock.write_bytes(whole[:size])
        said = command(home, sys.executable, "-m", "reports.workspace", "repair")
        assert not said or "restored from the last commit" in said
        assert not said or lock.read_bytes() == whole
        if size == len(whole) // 3:
            lock.write_bytes(whole[:size])
            command(home, sys.executable, "-m", "reports.workspace", "repair")
            assert "Running stage" not in dvc(home, "repro")
    dvc(home, "repro")
    assert lock.read_bytes() == whole and all_products(home) == made
    (home / ".dvc" / "tmp" / "rwlock").write_text('{"wri')
    assert "rwlock" in command(home, sys.executable, "-m", "reports.workspace", "repair")
    assert command(home, sys.executable, "-m", "reports.workspace", "repair") == ""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_kills_at_random_moments_end_in_the_same_bytes(home):
    """Of dvc, or of the stage that runs, with all stages to run; where dvc.lock was cut, one command."""
    chance, whole, made = np.random.default_rng(SEED), (home / "dvc.lock").read_bytes(), all_products(home)
    shutil.rmtree(home / ".dvc" / "cache" / "runs")  # or nothing would be computed again
    began = time.monotonic()
    dvc(home, "repro", "--force")
    lasts = time.monotonic() - began
    for _ in range(KILLS):
        doomed = start(home, *REPRO, "--force", "--no-run-cache")
        time.sleep(chance.uniform(0, lasts))
        running = stages_of(home)
        victim = running[0] if running and chance.random() < 0.5 else doomed.pid
        with suppress(ProcessLookupError):  # it has just ended
            os.kill(victim, signal.SIGKILL)
        doomed.communicate()
        until(lambda: not stages_of(home), 20)
        command(home, sys.executable, "-m", "reports.workspace", "repair")
        dvc(home, "repro")
        assert (home / "dvc.lock").read_bytes() == whole and all_products(home) == made
        assert not [path for path in home.glob("*/**/.*.tmp") if ".dvc" not in path.parts]
