"""Training on two hosts, which are network namespaces of this one: the same bits, and an end where one is lost."""

import os
import shutil
import subprocess
import sys
import time

import pytest
import small_project
from machine import needs_compiler
from processes import finish
from small_project import ROOT, arguments, clear, products, remake, run_stages, write_params

pytestmark = pytest.mark.skipif("CHAOS" not in os.environ, reason="minutes; make chaos runs it")
CHANGES = {"window.batch_size": 40, "simulate.cycles": 20, "simulate.sample_rate": 750.0, "train.max_epochs": 30}
NAMES, PORT = ("recurrent-a", "recurrent-b"), "29507"


def ip(*words):
    return subprocess.run(["ip", *words], capture_output=True, text=True)


@pytest.fixture
def hosts():
    """Two hosts with an address each, 10.213.0.1 and 10.213.0.2, and a cable between them."""
    if not shutil.which("ip") or ip("netns", "add", NAMES[0]).returncode:
        pytest.skip("ip netns is not permitted here")
    ip("netns", "add", NAMES[1])
    ip("link", "add", "cable", "netns", NAMES[0], "type", "veth", "peer", "name", "cable", "netns", NAMES[1])
    for number, name in enumerate(NAMES, start=1):
        ip("-n", name, "address", "add", f"10.213.0.{number}/24", "dev", "cable")
        for device in ("cable", "lo"):
            ip("-n", name, "link", "set", device, "up")
    yield NAMES
    for name in NAMES:
        for process in ip("netns", "pids", name).stdout.split():
            os.kill(int(process), 9)
        ip("netns", "delete", name)


@pytest.fixture
def homes(hosts, tmp_path, monkeypatch):
    """A project on each of them, ready for training."""
    for name in hosts:
        home = tmp_path / name
        for folder in ("stages", "recurrent"):
            shutil.copytree(ROOT / folder, home / folder, ignore=shutil.ignore_patterns("__pycache__"))
        (home / ".dvc").mkdir()
        monkeypatch.chdir(home)
        write_params(home, CHANGES)
        run_stages(CHANGES, ("simulate", "ingest", "window"))
    monkeypatch.chdir(tmp_path / hosts[0])
    return [tmp_path / name for name in hosts]


def start(homes):
    """Start a training of two processes, one on each host, as a person does."""
    started = []
    for number, home in enumerate(homes):
        torchrun = ["-m", "torch.distributed.run", "--nnodes", "2", "--nproc-per-node", "1", "--node-rank", str(number)]
        torchrun += ["--master-addr", "10.213.0.1", "--master-port", PORT, "-m", "stages.train", *arguments("train")]
        command = ["ip", "netns", "exec", home.name, sys.executable, *torchrun]
        kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "DVC_ROOT")}
        environment, pipe = kept | {"GLOO_SOCKET_IFNAME": "cable"}, subprocess.PIPE
        started.append(subprocess.Popen(command, cwd=home, env=environment, stdout=pipe, stderr=pipe, text=True))
    return started


def in_an_epoch(home):
    """Wait until the second epoch has begun."""
    end = time.monotonic() + 120
    while not list((home / ".cache" / "checkpoints").glob("*.pt")):
        assert time.monotonic() < end
        time.sleep(0.05)


@needs_compiler
@pytest.mark.parametrize("lost", ["killed", "cut off"])
def test_a_lost_host_ends_the_training_which_resumes_on_the_other(homes, lost):
    undisturbed, _ = remake("train", CHANGES)
    clear(homes[0], "train")
    first, second = start(homes)
    in_an_epoch(homes[0])
    began = time.monotonic()
    if lost == "killed":
        for process in ip("netns", "pids", homes[1].name).stdout.split():
            os.kill(int(process), 9)
    else:
        ip("-n", homes[1].name, "link", "set", "cable", "down")
    code, out, err = finish(first)
    assert code == 1 and "error: another rank is lost (" in err, err
    assert time.monotonic() - began < 60  # 20 s of silence, and what torchrun takes to end
    finish(second)
    assert out.count("epoch   1/") == 1
    assert not any((home / "data" / "quake" / "model").exists() for home in homes)
    clear(homes[0], "train")
    code, out, err = finish(small_project.start(homes[0], "train"))
    assert (code, err) == (0, "") and out.startswith("resuming after epoch ")
    assert products(homes[0], "train") == undisturbed


@needs_compiler
def test_two_hosts_end_in_the_bytes_of_one(homes):
    undisturbed, _ = remake("train", CHANGES)
    clear(homes[0], "train")
    for process in start(homes):
        code, _, err = finish(process)
        assert code == 0, err
    assert products(homes[0], "train") == undisturbed and products(homes[1], "train") == {}
