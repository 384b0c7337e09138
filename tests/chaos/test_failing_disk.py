"""Each operation of a stage that writes fails once, or ends the process: a clear error, nothing half, a good rerun."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from machine import needs_compiler
from small_project import DVC, ROOT

from recurrent import compiled_c

ALL = "CHAOS" in os.environ  # make chaos
SUPPORT = ROOT / "tests" / "support"
# in the suite each nth of some: a stage is run twice for each
CASES = [
    *(("once", stage, every) for stage, every in {"window": 13, "train": 31, "evaluate": 37, "plot": 47}.items()),
    ("full", "ingest", 17),
    *(("kill", stage, every) for stage, every in {"window": 17, "train": 67}.items()),
]
EVERY = [(how, stage, 1) for how in ("once", "full", "kill") for stage in DVC]


@pytest.fixture(scope="module")
def disk(tmp_path_factory):
    """Give the library that stands before the C library's calls."""
    built = tmp_path_factory.mktemp("disk") / "failing_disk.so"
    compiler = compiled_c.compile_command()[0]
    source = SUPPORT / "failing_disk.c"
    subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", built, source, "-ldl"], check=True)
    return built


@needs_compiler
@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="reads /proc, with preloaded libraries of Linux")
@pytest.mark.parametrize(("how", "stage", "every"), EVERY if ALL else CASES)
def test_the_nth_operation_fails(project, disk, tmp_path, how, stage, every):
    command = [sys.executable, SUPPORT / "failing_disk.py", project, stage, how, str(every), tmp_path]
    environment = os.environ | {"LD_PRELOAD": str(disk)}
    environment.pop("DVC_ROOT", None)
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    *runs, last = map(json.loads, done.stdout.splitlines())
    assert last["total"] > 20 and len(runs) == len(range(1, last["total"] + 1, every))
    assert [run for run in runs if run["problems"]] == []
