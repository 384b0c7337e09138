"""What a person sees who runs a stage by hand: help, one line for an error, and nothing left behind."""

import gzip
import importlib
import inspect
import re
import shutil
import signal
import sys
import time
from pathlib import Path

import processes
import pytest
from machine import said
from processes import finish

from recurrent.config.stage import PATHS, run

ROOT = Path(__file__).parents[1]
INTERRUPTED = "interrupted; `dvc repro` begins this stage again\n"
CSV = "\n  csv: data/raw/simulated.csv"
STAGES = sorted({path.stem for path in (ROOT / "stages").glob("[!_]*.py")} - {"export", "predict"})


def start(stage, *words, cwd=ROOT, **more):
    return processes.start(stage, words, cwd=cwd, without=("TRACEBACK",), **more)


def write_params(folder, old, new):
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    assert text.count(old) == 1
    (folder / "params.yaml").write_text(text.replace(old, new), encoding="utf-8")
    return folder / "params.yaml"


@pytest.mark.parametrize("stage", STAGES)
def test_help_tells_what_a_stage_is_for(stage, monkeypatch, capsys):
    module = importlib.import_module(f"stages.{stage}")
    monkeypatch.setattr(sys, "argv", [f"stages/{stage}.py", "--help"])
    with pytest.raises(SystemExit) as ended:
        run(module.main)
    said = capsys.readouterr().out
    assert not ended.value.code
    assert f"python -m stages.{stage}" in said
    assert module.__doc__.split()[0] in said
    _, *names = inspect.signature(module.main).parameters
    assert all(re.search(rf"^  {name}\s+{PATHS[name].split()[0]} ", said, re.MULTILINE) for name in names)


@pytest.mark.parametrize("stage", STAGES)
def test_a_wrong_key_anywhere_stops_every_stage_before_it_writes(stage, tmp_path):
    params = write_params(tmp_path, "\n  dpi: ", "\n  dpy: ")
    _, *names = inspect.signature(importlib.import_module(f"stages.{stage}").main).parameters
    code, out, err = finish(start(stage, *(tmp_path / name for name in names), "--params", params))
    assert (code, out) == (1, "")
    assert err.startswith("error: params.yaml:")
    assert "plot.dpy: unknown key; the nearest known key is plot.dpi\n" in err
    assert list(tmp_path.iterdir()) == [params]


def test_an_input_that_is_absent_is_one_line(tmp_path):
    assert finish(start("window", "absent", tmp_path / "windows")) == (
        1,
        "",
        "error: absent/meta.json is missing; run dvc repro, which makes it again\n",
    )


def test_a_bad_recording_is_refused_by_line_and_leaves_nothing(tmp_path):
    csv = tmp_path / "recording.csv"
    csv.write_text("acoustic_data,time_to_failure\n12,1.5\n6,1.4\n8,soon\n")
    params = write_params(tmp_path, CSV, f"\n  csv: {csv}")
    code, out, err = finish(start("ingest", tmp_path / "series", "--params", params))
    assert (code, out) == (1, "")
    assert err == said("ingest") + f"error: {csv}:4: column 'time_to_failure' holds 'soon', expected a finite number\n"
    assert {*tmp_path.iterdir()} == {csv, params}


def wait(process, arrived):
    """Wait until `arrived` gives something, which it must while the process runs."""
    while not arrived():
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)


@pytest.fixture
def foreground():
    """Let the stages hear Ctrl-C even when a shell has started the tests in the background, where it is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("foreground")
@pytest.mark.parametrize(("number", "code", "said"), [(signal.SIGINT, 130, INTERRUPTED), (signal.SIGTERM, 143, "")])
def test_a_stage_that_is_stopped_says_so_and_cleans_up(tmp_path, number, code, said):
    params = write_params(tmp_path, "\n  cycles: ", "\n  cycles: 10")  # many times as many: it will not come to its end
    process = start("simulate", tmp_path / "raw" / "simulated.csv", "--params", params)
    wait(process, lambda: list(tmp_path.glob("raw/.*.tmp")))
    process.send_signal(number)
    assert finish(process) == (code, "", said)
    assert list((tmp_path / "raw").iterdir()) == []


@pytest.mark.usefixtures("foreground")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_ingest_that_is_stopped_in_mid_file_leaves_nothing(tmp_path, number):
    # quotes are left to the plain parser, so this takes a minute; long lines, so that a block does not
    rows = gzip.compress((b'"12",1.5,' + b"a" * 90 + b"\n") * 10_000)
    csv = tmp_path / "recording.csv.gz"
    csv.write_bytes(gzip.compress(b"acoustic_data,time_to_failure,remark\n") + rows * 2000)
    params = write_params(tmp_path, CSV, f"\n  csv: {csv}")
    process = start("ingest", tmp_path / "out" / "series", "--params", params)
    wait(process, lambda: any(f.stat().st_size for f in tmp_path.glob("out/.*/target.npy")))
    process.send_signal(number)
    code, _, err = finish(process)
    code_and_word = (130, INTERRUPTED) if number == signal.SIGINT else (143, "")
    assert (code, err.removeprefix(said("ingest"))) == code_and_word
    assert list((tmp_path / "out").iterdir()) == []


def test_the_code_of_another_checkout_is_refused(tmp_path):
    (tmp_path / ".dvc").mkdir()
    shutil.copy(ROOT / "params.yaml", tmp_path)
    code, out, err = finish(start("simulate", "simulated.csv", cwd=tmp_path, PYTHONPATH=str(ROOT)))
    assert (code, out) == (1, "")
    assert f"lies outside the workspace {tmp_path}" in err
    assert not (tmp_path / "simulated.csv").exists()
