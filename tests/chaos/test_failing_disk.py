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
# in the suite so many operations of some, ten kills among them: a stage is run twice for each
CASES = [
    *(("once", stage, count) for stage, count in {"window": 4, "train": 5, "evaluate": 3, "plot": 3}.items()),
    ("full", "ingest", 4),
    *(("kill", stage, count) for stage, count in {"window": 5, "train": 5}.items()),
]
EVERY = [(how, stage, 0) for how in ("once", "full", "kill") for stage in DVC]


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
@pytest.mark.parametrize(("how", "stage", "count"), EVERY if ALL else CASES)
def test_the_nth_operation_fails(project, disk, tmp_path, how, stage, count):
    command = [sys.executable, SUPPORT / "failing_disk.py", project, stage, how, str(count), tmp_path]
    environment = os.environ | {"LD_PRELOAD": str(disk)}
    environment.pop("DVC_ROOT", None)
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    *runs, last = map(json.loads, done.stdout.splitlines())
    assert last["total"] > 20 and len(runs) == last["tried"] == (count or last["total"])
    assert [run for run in runs if run["problems"]] == []
    print(f"{how} {stage}: {len(runs)} of {last['total']} operations")
