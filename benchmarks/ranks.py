"""Measure how much faster several processes train than one: the exercise with 64 units, in batches of 256 windows.

    python -m benchmarks.ranks [--processes 2] [--cells manual gru lstm] [--rounds 2]

Prints the seconds of an epoch, validation included, of one process with one thread, of one with as many threads as
processes, and of the processes with one thread each. In each round all of them run in turn; the least of the rounds
counts, as other programs can only add to it. A recording is simulated in a temporary folder.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

from benchmarks._results import cpu

SIZES = {"model.hidden_size": 64, "window.batch_size": 256, "train.backend": "c"}
PIPELINE = (
    ("stages.simulate", "recording.csv"),
    ("stages.ingest", "series"),
    ("stages.window", "series", "windows"),
)


def params(folder: Path, changes: dict[str, Any]) -> Path:
    """Write params.yaml with other values of some keys into the folder."""
    tree = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    tree["ingest"]["csv"] = str(folder / "recording.csv")
    for key, value in changes.items():
        section, name = key.split(".")
        tree[section][name] = value
    path = folder / "params.yaml"
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    return path


def run(*words: object) -> str:
    """Run a module of Python's; return what it prints."""
    command = [sys.executable, "-m", *map(str, words)]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def main() -> None:
    """Print a line for each way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--cells", nargs="+", default=["manual", "gru", "lstm"])
    parser.add_argument("--rounds", type=int, default=2)
    asked = parser.parse_args()
    ways = {"one process, one thread": (1, 1), f"one process, {asked.processes} threads": (1, asked.processes)}
    ways[f"{asked.processes} processes, one thread each"] = (asked.processes, 1)
    print(cpu())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for stage, *paths in PIPELINE:
            run(stage, *(folder / path for path in paths), "--params", params(folder, SIZES))
        for cell in asked.cells:
            seconds: dict[str, list[float]] = {way: [] for way in ways}
            for _ in range(asked.rounds):
                for way, (processes, threads) in ways.items():
                    chosen = {"model.cell": cell, "train.processes": processes, "train.threads": threads}
                    measured = run(
                        "benchmarks.epoch_cost", folder / "windows", "--params", params(folder, SIZES | chosen)
                    )
                    seconds[way].append(json.loads(measured)["seconds"])
            one = min(seconds["one process, one thread"])
            for way, each in seconds.items():
                print(f"{cell:<7} {way:<32} {min(each):6.3f} s an epoch, {one / min(each):.2f} times as fast as one")


if __name__ == "__main__":
    main()
