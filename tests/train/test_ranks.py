"""Several processes train one network: the same bits by any number of them, and what happens when one is lost."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from machine import CAN_COMPILE, needs_compiler
from processes import finish
from small_project import arguments, clear, products, remake, run_stages, write_params
from trained_by_ranks import ROOT, SAME_BITS, TO_ROUNDING, outcomes

from recurrent.cells.kernels import c_library, ranks

torch.set_num_threads(1)
WITHOUT = ("PYTHONPATH", "DVC_ROOT")


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """What one process ends in, this one."""
    return outcomes(tmp_path_factory.mktemp("alone"))


@pytest.mark.parametrize("count", [2, 3])
def test_any_number_of_processes_ends_in_the_same_bits(alone, tmp_path, count):
    path = os.pathsep.join(map(str, (ROOT, ROOT / "tests" / "support")))
    command = [sys.executable, ROOT / "tests" / "support" / "trained_by_ranks.py", str(count), tmp_path]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)  # of one process: the others write nothing
    for name in SAME_BITS if CAN_COMPILE else ():
        assert found[name] == alone[name], name
    for name in TO_ROUNDING:
        assert sum(found[name]["losses"], []) == pytest.approx(sum(alone[name]["losses"], []), rel=1e-4), name


@needs_compiler
def test_a_share_is_what_the_kernel_sums_apart():
    assert c_library.library().sequences_of_a_share() == ranks.SHARE


# a stage of which one rank comes to an end: where it starts, or in the middle of the second epoch
LOST = """
import os, signal
from recurrent.config.stage import run
from recurrent.train.adam import Adam
import stages.train
step, steps = Adam.step, []
def lost(self, *given, **more):
    steps.append(None)
    if os.environ.get("RANK") == "1" and len(steps) == 40:
        os.kill(os.getpid(), signal.SIGKILL)
    return step(self, *given, **more)
Adam.step = lost
if os.environ.get("RANK") == "1" and "{moment}" == "start":
    raise SystemExit("no such luck")
run(stages.train.main)
"""
CHANGES = {
    "window.batch_size": 40,
    "simulate.cycles": 20,
    "simulate.sample_rate": 750.0,
    "train.refit": True,
    "train.members": 2,
    "train.labels": "share_of_cycle",
    "train.input_noise": 0.1,
}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A project with 27 batches of four shares, ready for training."""
    home = tmp_path_factory.mktemp("project")
    for folder in ("stages", "recurrent"):
        shutil.copytree(ROOT / folder, home / folder, ignore=shutil.ignore_patterns("__pycache__"))
    (home / ".dvc").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        run_stages(CHANGES, ("simulate", "ingest", "window"))
    return home


@pytest.fixture
def home(prepared, tmp_path, monkeypatch):
    shutil.copytree(prepared, tmp_path / "home")
    monkeypatch.chdir(tmp_path / "home")
    return tmp_path / "home"


def start(home, processes, *script, changes=(), **environment):
    write_params(home, CHANGES | {"train.processes": processes} | dict(changes))
    kept = {name: value for name, value in os.environ.items() if name not in WITHOUT} | environment
    command = [sys.executable, *(script or ("-m", "stages.train")), *arguments("train")]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=home, env=kept, stdout=pipe, stderr=pipe, text=True)


def left_over(home):
    """Return the processes that still run in the project."""
    links = [Path(f"/proc/{process}/cwd") for process in os.listdir("/proc") if process.isdecimal()]
    return [link for link in links if os.path.exists(link) and os.readlink(link) == str(home)]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_killed_process_ends_the_others_and_another_number_of_them_resumes(home):
    undisturbed, _ = remake("train", CHANGES)
    clear(home, "train")
    began = time.monotonic()
    code, out, err = finish(start(home, 3, "-c", LOST.format(moment="epoch")))
    assert code == 1 and "error: rank 1 was ended by SIGKILL (" in err and "Traceback" not in err
    assert time.monotonic() - began < 120 and left_over(home) in ([], [Path(f"/proc/{os.getpid()}/cwd")])
    assert out.count("epoch   1/") == 1 and "epoch   2/" not in out  # the others are silent
    assert not (home / arguments("train")[1]).exists()
    clear(home, "train")
    code, out, err = finish(start(home, 2))
    assert (code, err) == (0, "") and out.startswith("split 1 of 1, member 1 of 2\nresuming after epoch 1 ")
    assert products(home, "train") == undisturbed
    assert list((home / ".cache" / "checkpoints").iterdir()) == []


def test_a_process_that_does_not_start_ends_the_others(home):
    code, out, err = finish(start(home, 2, "-c", LOST.format(moment="start")))
    assert (code, out) == (1, "") and "no such luck" in err
    assert "error: rank 1 has ended with status 1 (not all ranks have come)" in err
    assert products(home, "train") == {}


def test_processes_started_elsewhere_join_and_must_train_the_same_network(home):
    """As torchrun starts them, with its variables; the second one has another learning rate."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    told = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2", "GLOO_SOCKET_IFNAME": "lo"}
    shutil.copytree(home, home.parent / "other")
    first = start(home, 1, RANK="0", **told)
    second = start(home.parent / "other", 1, RANK="1", changes={"train.learning_rate": 0.1}, **told)
    code, out, err = finish(second)
    assert (code, out) == (1, "")
    assert "error: rank 1 of 2: the first process has another params file, other windows, other code" in err
    code, _, err = finish(first)
    assert code == 1 and "error: another rank is lost (" in err
    assert not [path for path in (home, home.parent / "other") if (path / "data" / "quake" / "model").exists()]
