"""Each operation of a stage that writes fails once, or ends the process: a clear error, nothing half, a good rerun."""

import hashlib
import json
import os
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from machine import needs_compiler
from small_project import DVC, ROOT

from recurrent import compiled_c

ALL = "CHAOS" in os.environ  # make chaos
SUPPORT = ROOT / "tests" / "support"
# in the suite so many operations of some, for a stage is run twice for each; all of all with make chaos
COUNTS = {
    "once": {"window": 4, "train": 5, "evaluate": 3, "plot": 3},
    "full": {"ingest": 4, "fetch": 3},
    "kill": {"fetch": 3, "window": 5, "train": 5},
}


@pytest.fixture(scope="module")
def disk(tmp_path_factory):
    """Give the library that stands before the C library's calls."""
    built = tmp_path_factory.mktemp("disk") / "failing_disk.so"
    compiler = compiled_c.compile_command()[0]
    source = SUPPORT / "failing_disk.c"
    subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", built, source, "-ldl"], check=True)
    return built


@pytest.fixture(scope="module")
def published(project, tmp_path_factory):
    """Write a fetch.yaml whose one file is served here."""
    folder = tmp_path_factory.mktemp("published")
    content = bytes(range(256)) * 9000
    (folder / "a.csv").write_bytes(content)
    params = yaml.safe_load((ROOT / "systems" / "params.yaml").read_text(encoding="utf-8"))
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Silent, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        section = params["systems"]["sp500"]
        source = {"file": "a.csv", "checksum": hashlib.md5(content).hexdigest()}
        source["url"] = f"http://127.0.0.1:{server.server_port}/a.csv"
        params["systems"] = {"table": section | {"source": section["source"] | source}}
        (project / "fetch.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
        yield
        server.shutdown()


class Silent(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@needs_compiler
@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="reads /proc, with preloaded libraries of Linux")
@pytest.mark.parametrize("how", COUNTS)
def test_the_nth_operation_fails(project, published, disk, tmp_path, how):
    counts = dict.fromkeys((*DVC, "fetch"), 0) if ALL else COUNTS[how]
    asked = [f"{stage}={count}" for stage, count in counts.items()]
    command = [sys.executable, SUPPORT / "failing_disk.py", project, how, tmp_path, *asked]
    environment = os.environ | {"LD_PRELOAD": str(disk), "no_proxy": "127.0.0.1"}
    for name in ("DVC_ROOT", "RECURRENT_MIRROR"):
        environment.pop(name, None)
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one for one in found if one["problems"]] == []
    for stage, count in counts.items():
        numbers, total = zip(*((one["n"], one["total"]) for one in found if one["stage"] == stage), strict=True)
        assert total[0] > 20 and len(numbers) == (count or total[0])
        print(f"{how} {stage}: {len(numbers)} of {total[0]} operations")
