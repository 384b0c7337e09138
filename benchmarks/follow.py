"""A live forecast on one core: how many times as fast as the sensor, microseconds a step, peak memory.

    python -m benchmarks.follow [--rows 10000000] [--rounds 3] [--json FILE]

`stages.predict --follow` on a recording in LANL's format and on the same samples as 16-bit integers, in a process that
has one core. Seconds are those of the processor, less those of a start on a recording of two steps. The network is the
manual cell with 32 units; its weights do not matter. The batch answer to compare with is that of `--carry`.
"""

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from benchmarks import _results
from benchmarks.full_size import SECONDS_PER_CYCLE, stage
from benchmarks.seeds import ROOT, change
from recurrent.ingest.csv_stream import CsvFile
from recurrent.network.forecaster import build
from recurrent.network.interval import Interval
from recurrent.network.model_file import ForecasterConfig, ModelFile
from recurrent.network.scaler import Scaler
from recurrent.predict.carried import Carried
from recurrent.predict.model import Model
from recurrent.predict.output import lines
from recurrent.predict.steps import Steps
from recurrent.storage.meta import Inputs, Units
from recurrent.storage.tables import read_csv

SENSOR = 4e6  # samples per second
SIZES = (150_000, 250)  # samples per step
REPEATED = 20  # times that the recording is in the file of 16-bit integers, which is read so much faster
STEPS = 3000  # one by one
COLUMN, SECONDS = "acoustic_data", "time_to_failure"
CONFIG = ForecasterConfig(
    cell="manual", input_size=1, hidden_size=32, num_layers=1, output_size=1, input="values", vocabulary=0,
    embedding_size=0, dropout=0.0, readout="all_steps", classes=0,
)  # fmt: skip


def write_model(path: Path, samples: int) -> None:
    """Write a network that nobody trained, with an interval."""
    network = build(CONFIG, (Scaler((1.5,), (0.5,)), Scaler((5.0,), (3.0,))), seed=0)
    usual = {"one_window_per_group": False, "relative_to_first": False, "predict_change": False}
    inputs = Inputs(
        (COLUMN,), ("log_std",), samples, seq_len=100, horizon=0, **usual, target=(SECONDS,), target_columns=(None,),
        units=Units("counts", "s"),
    )  # fmt: skip
    network.save(path, inputs)
    random = np.random.default_rng(0)
    interval = Interval.fit(random.uniform(0, 10, (1000, 1)), random.uniform(0, 10, (1000, 1)))
    saved = ModelFile.read(path)
    ModelFile(saved.config, saved.signal_scaler, saved.target_scaler, saved.weights, None, inputs, interval).write(path)


def write_recordings(folder: Path, rows: int) -> dict[str, Path]:
    """Simulate a CSV; return it and its samples as 16-bit integers, many times one after the other."""
    settings = yaml.safe_load((ROOT / "params.yaml").read_text())
    rate = rows / SECONDS_PER_CYCLE / settings["simulate"]["cycles"]
    params, found = folder / "params.yaml", {"CSV": folder / "recording.csv", "int16": folder / "recording.raw"}
    params.write_text(yaml.safe_dump(change(settings, "simulate.sample_rate", rate)))
    stage("simulate", params, found["CSV"])
    with found["int16"].open("wb") as file:
        for _ in range(REPEATED):
            for values in CsvFile(found["CSV"], signal=(COLUMN,), target=None, failure_threshold=None).signals():
                file.write(values.astype("<i2").tobytes())
    return found


def follow(model: Path, recording: Path, output: Path, last: int) -> tuple[float, float]:
    """Follow to row `last`, on one core; return the processor's seconds and the peak memory (MB)."""
    for left in (output, output.with_name(output.name + ".place.json")):
        left.unlink(missing_ok=True)
    kind = ["--samples", "int16"] if recording.suffix == ".raw" else []
    command = [sys.executable, "-m", "stages.predict", str(model), str(recording), *kind, "--follow", "-o", str(output)]
    core = max(os.sched_getaffinity(0))
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
    os.sched_setaffinity(process.pid, {core})
    while process.poll() is None and row_of(output) < last:
        time.sleep(0.05)
    # not ru_maxrss, in which this process counts, too
    peak = re.search(r"VmHWM:\s*(\d+) kB", Path(f"/proc/{process.pid}/status").read_text())
    process.send_signal(signal.SIGINT)
    _, _, usage = os.wait4(process.pid, 0)
    process.returncode = 0
    if peak is None or row_of(output) != last:
        raise SystemExit("stages.predict failed")
    return usage.ru_utime + usage.ru_stime, int(peak[1]) / 1024


def row_of(output: Path) -> int:
    """Return the row of the last forecast that is written; 0 where there is none."""
    if not output.exists():
        return 0
    with output.open("rb") as file:
        file.seek(max(0, output.stat().st_size - 200))
        whole = file.read().rpartition(b"\n")[0].rpartition(b"\n")[2]
    first = whole.partition(b",")[0]
    return int(first) if first.isdigit() else 0


def apart(model: Path, recording: Path, followed: Path) -> float:
    """Return the largest difference from what `--carry` forecasts of the recording at once."""
    batch = followed.with_suffix(".batch")
    command = [sys.executable, "-m", "stages.predict", str(model), str(recording), "--carry", "-o", str(batch)]
    subprocess.run(command, cwd=ROOT, check=True)
    found, wanted = read_csv(followed), read_csv(batch)
    return max(float(np.abs(found[name] - wanted[name]).max()) for name in wanted)


def one_by_one(path: Path, samples: int) -> float:
    """Return the microseconds from the last row of a step to its line, the median of many."""
    model = Model.open(path)
    carried, random = Carried(model, Steps(model.inputs), backend="auto"), np.random.default_rng(0)
    blocks = random.normal(0, 5, (STEPS, samples, 1)).astype(np.int16)
    seconds = []
    for block in blocks:
        begin = time.perf_counter()
        b"".join(lines(carried.forecasts([block]), model.inputs, model.interval))
        seconds.append(time.perf_counter() - begin)
    return float(np.median(seconds) * 1e6)


def measure(rows: int, rounds: int) -> dict[str, Any]:
    """Return what was measured, by kind of file and samples per step."""
    found: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        recordings, model, output = write_recordings(folder, rows), folder / "m.safetensors", folder / "out.csv"
        count = recordings["int16"].stat().st_size // 2 // REPEATED
        for samples in SIZES:
            write_model(model, samples)
            for kind, recording in recordings.items():
                own = count * (REPEATED if kind == "int16" else 1)
                short = folder / f"short{recording.suffix}"
                with recording.open("rb") as file:
                    short.write_bytes(b"".join(file.readline() for _ in range(2 * samples + 1))
                                      if kind == "CSV" else file.read(4 * samples))  # fmt: skip
                starts = [follow(model, short, output, 2 * samples)[0] for _ in range(rounds)]
                runs = [follow(model, recording, output, own // samples * samples) for _ in range(rounds)]
                speed = (own - 2 * samples) / (np.median([s for s, _ in runs]) - np.median(starts))
                row = {"kind": kind, "samples_per_step": samples, "rows": own, "samples_per_second": float(speed)}
                row |= {"times_4_mhz": float(speed / SENSOR), "peak_rss_mb": max(peak for _, peak in runs)}
                row |= {"start_seconds": float(np.median(starts))}
                if kind == "CSV":
                    row["largest_difference_from_batch"] = apart(model, recording, output)
                found.append(row)
                print(row, flush=True)
        return {"runs": found, "one_step_us": one_by_one(model, SIZES[-1]), "samples_of_one_step": SIZES[-1]}


def main() -> None:
    """Measure, print, write JSON if requested."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000, help="approximate; default %(default)s")
    parser.add_argument("--rounds", type=int, default=3)
    _results.add_arguments(parser)
    arguments = parser.parse_args()
    result = measure(arguments.rows, arguments.rounds)
    result |= {"cpu": _results.cpu(), "versions": {"numpy": np.__version__}}
    print(f"a step of {result['samples_of_one_step']} samples alone: {result['one_step_us']:.0f} us")
    _results.save(result, arguments, lambda *_: None)


if __name__ == "__main__":
    main()
