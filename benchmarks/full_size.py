"""Measure time, rows/s, peak memory and disk use of the stages, up to one epoch of train, on a long recording.

    python -m benchmarks.full_size --rows 150000000 [--table README.md]

The recording is that of params.yaml with a higher sample rate; it is deleted afterwards. LANL's train.csv has
629,145,480 rows.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

from benchmarks.seeds import ROOT, change
from reports.readme import fill

SECONDS_PER_CYCLE = 12.0  # approximate; the number of rows is within a few per cent of the requested one


def stage(name: str, params: Path, *paths: Path) -> tuple[float, float]:
    """Run one stage; return its wall time (s) and its peak resident memory (MB)."""
    command = [sys.executable, "-m", f"stages.{name}", *map(str, paths), "--params", str(params)]
    begin = time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{name} failed")
    return time.perf_counter() - begin, usage.ru_maxrss / 1024  # ru_maxrss counts KiB on Linux


def size(path: Path) -> float:
    """Return the size of a file, or of all files of a folder, in GB."""
    return sum(file.stat().st_size for file in ([path] if path.is_file() else path.iterdir())) / 1e9


def measure(rows: int) -> str:
    """Return a Markdown table of the stages."""
    settings = yaml.safe_load((ROOT / "params.yaml").read_text())
    rate = rows / SECONDS_PER_CYCLE / settings["simulate"]["cycles"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        params = folder / "params.yaml"
        csv, series, windows, model = (folder / part for part in ("recording.csv", "series", "windows", "model"))
        for key, value in {"simulate.sample_rate": rate, "ingest.csv": str(csv), "train.max_epochs": 1}.items():
            settings = change(settings, key, value)
        params.write_text(yaml.safe_dump(settings))
        runs = {
            "simulate": (*stage("simulate", params, csv), size(csv)),
            "ingest": (*stage("ingest", params, series), size(series)),
            "window": (*stage("window", params, series, windows), size(windows)),
            "train, one epoch": (
                *stage("train", params, windows, model / "forecaster.safetensors", folder / "history.csv"),
                size(model),
            ),
        }
        target = series / "target.npy"
        count = (target.stat().st_size - 128) // 8
    lines = [
        f"| stage, {count:,} rows | wall time | million rows/s | peak memory | written |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, (seconds, peak, written) in runs.items():
        speed = count / seconds / 1e6
        lines.append(f"| {name} | {seconds:.0f} s | {speed:.1f} | {peak:.0f} MB | {written:.2f} GB |")
    return "\n".join(lines)


def main() -> None:
    """Measure, print, and write the table to a page if requested."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--table", type=Path, help="Markdown file with markers 'big'")
    arguments = parser.parse_args()
    text = measure(arguments.rows)
    print(text)
    if arguments.table:
        arguments.table.write_text(fill(arguments.table.read_text(), "big", text))


if __name__ == "__main__":
    main()
