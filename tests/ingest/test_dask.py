"""Ingest on dask workers: the same bytes and errors as by one process, also where a worker dies or hangs."""

import multiprocessing
import os
import signal
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import processes
import pytest
from small_project import ROOT, write_params

import stages.ingest
from recurrent.config.reader import read
from recurrent.config.schema import Settings
from recurrent.config.stage import pick
from recurrent.ingest import csv_ranges, workers
from recurrent.ingest.csv_ranges import RangedCsvFile
from recurrent.sources import recording

distributed = pytest.importorskip("distributed", reason="make test-scale installs dask.distributed")
pytestmark = pytest.mark.scale
ROWS = 400_000
usual = csv_ranges._read


@pytest.fixture(scope="module")
def cluster():
    options = {"threads_per_worker": 1, "host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}
    with distributed.LocalCluster(n_workers=2, **options) as cluster:
        yield cluster


@pytest.fixture
def csv(tmp_path, monkeypatch):
    """Six megabytes, of which workers read one at a time."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(RangedCsvFile, "range_blocks", 1)
    sound, left = np.arange(ROWS) % 40_001 - 100, 13.0 - np.arange(ROWS) % 70_000 / 5400
    text = "".join(f"{a},{b:.9f}\n" for a, b in zip(sound.tolist(), left.tolist(), strict=True))
    Path("f.csv").write_text("acoustic_data,time_to_failure\n" + text)
    write_params(tmp_path, {"ingest.csv": "f.csv"})
    return tmp_path / "f.csv"


def ingest(name, monkeypatch, **environment):
    """Run the stage here; give all that it writes."""
    with monkeypatch.context() as patch:
        for key, value in environment.items():
            patch.setenv(key, str(value))
        stages.ingest.main(pick(read(Path("params.yaml"), Settings), stages.ingest.Params), Path(name))
    return {path.name: path.read_bytes() for path in Path(name).iterdir()}


def stopped_by(number, task):
    """Read as usual, but let the worker that first reads the fourth megabyte receive a signal."""
    if task[1].first == 3 << 20 and multiprocessing.parent_process():
        try:
            task[0].path.with_suffix(".stopped").touch(exist_ok=False)
            os.kill(os.getpid(), number)
        except FileExistsError:
            pass
    return usual(task)


def awake(item):
    """Both workers import what they need, on a busy machine, too, before a deadline counts."""
    time.sleep(0.2)
    return item


def killed(task):
    return stopped_by(signal.SIGKILL, task)


def halted(task):
    return stopped_by(signal.SIGSTOP, task)


def test_a_running_cluster_gives_the_same_bytes_and_errors(csv, cluster, monkeypatch, capsys):
    at = {workers.ADDRESS: cluster.scheduler_address}
    one = ingest("one", monkeypatch)
    assert ingest("two", monkeypatch, **at) == one and capsys.readouterr().err == ""
    lines = csv.read_text().splitlines()
    for line in (250_000, 390_000):  # of two problems, the first, whoever finds the other first
        lines[line] = "1,13.5"
        csv.write_text("\n".join(lines))
    for environment in ({}, at):
        with pytest.raises(ValueError, match=r"^f\.csv:250001: column 'time_to_failure' holds 13.5 after "):
            ingest("bad", monkeypatch, **environment)
        assert not Path("bad").exists()


def test_a_killed_worker_loses_nothing(csv, monkeypatch, capsys):
    one = ingest("one", monkeypatch)
    monkeypatch.setattr(csv_ranges, "_read", killed)
    assert ingest("two", monkeypatch, **{workers.COUNT: 2}) == one
    assert csv.with_suffix(".stopped").exists() and "given up" not in capsys.readouterr().err


def test_a_worker_that_hangs_holds_nothing_up(csv, monkeypatch, capsys):
    one = ingest("one", monkeypatch)
    monkeypatch.setattr(csv_ranges, "_read", halted)
    opened = recording.workers

    @contextmanager
    def warm():
        with opened() as spread:
            assert [*spread.map(awake, range(8))] == [*range(8)]
            monkeypatch.setattr(workers, "DEADLINE", 5.0)
            yield spread

    monkeypatch.setattr(recording, "workers", warm)
    assert ingest("two", monkeypatch, **{workers.COUNT: 2}) == one
    assert csv.with_suffix(".stopped").exists()
    assert "given up, this process goes on alone: TimeoutError" in capsys.readouterr().err


def test_what_a_worker_does_not_see_is_read_here_and_said(csv, cluster, monkeypatch, capsys):
    one = ingest("one", monkeypatch)
    monkeypatch.setattr(
        csv_ranges.LineRange, "__reduce__", lambda part: (csv_ranges.LineRange, (Path("/none"), 0, 0, 0, 1, 0, 0))
    )
    assert ingest("two", monkeypatch, **{workers.ADDRESS: cluster.scheduler_address}) == one
    assert "dask: f.csv: [Errno 2] No such file or directory: '/none'" in capsys.readouterr().err


def command(csv, name, **environment):
    """Run the stage as DVC does; give its exit status and what it says of errors."""
    write_params(csv.parent, {"ingest.csv": str(csv)})
    words = [csv.parent / name, "--params", csv.parent / "params.yaml"]
    code, _, err = processes.finish(processes.start("ingest", words, cwd=ROOT, **environment))
    return code, err


def test_the_command_line_of_dvc_takes_workers_from_the_environment(csv):
    assert command(csv, "one") == command(csv, "two", **{workers.COUNT: "2"}) == (0, "")
    for path in Path("one").iterdir():
        assert path.read_bytes() == (Path("two") / path.name).read_bytes()


def test_a_scheduler_that_is_not_there_is_named(csv):
    code, err = command(csv, "two", **{workers.ADDRESS: "tcp://127.0.0.1:9"})
    assert code == 1 and err.splitlines()[-1].startswith("error: ") and "tcp://127.0.0.1:9" in err
    assert not Path("two").exists()
