"""The pipeline from end to end against one plain script that does the same work (benchmarks/plain_script.py).

    python -m benchmarks.pipeline [--epochs 45] [--rounds 3] [--json FILE] [--picture docs/benchmarks/pipeline.png]

From a simulated recording to the error on the test set, with a fixed number of epochs, in turn. Our stages are timed
from outside, each a process with its own start-up; the script is one process, and its `start` is its imports.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from benchmarks import _results
from benchmarks.full_size import stage
from benchmarks.seeds import ROOT, change

STAGES = ("start", "ingest", "window", "train", "evaluate")
FIXED = {"train.target_delta": 0.0, "train.patience": 1_000_000}  # only max_epochs ends training


def ours(params: Path, folder: Path) -> dict[str, Any]:
    """Run our stages; they also check every row, save each epoch and score the baselines."""
    series, windows, model = folder / "series", folder / "windows", folder / "model" / "forecaster.safetensors"
    paths = {
        "ingest": (series,),
        "window": (series, windows),
        "train": (windows, model, folder / "history.csv"),
        "evaluate": (windows, model, folder / "metrics.json", folder / "predictions"),
    }
    seconds = {name: stage(name, params, *paths[name])[0] for name in paths}
    metrics = json.loads((folder / "metrics.json").read_text())
    scores = {"mean_delta": metrics["test"]["mean_delta"], "windows": metrics["counts"]["test_windows"]}
    return {"seconds": {"start": 0.0} | seconds, "total": sum(seconds.values())} | scores


def plain_script(csv: Path, params: Path, folder: Path) -> dict[str, Any]:
    """Run the script; the time Python takes to start and to exit counts as `start`."""
    paths = [str(csv), str(folder / "model.pt"), "--params", str(params)]
    command = [sys.executable, "-m", "benchmarks.plain_script", *paths]
    begin = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True)
    total = time.perf_counter() - begin
    result = json.loads(done.stdout)
    result["seconds"]["start"] += total - sum(result["seconds"].values())
    return result | {"total": total}


def measure(epochs: int, rounds: int, seed: int) -> dict[str, Any]:
    """Run both `rounds` times, with another seed of the network in each round."""
    settings = yaml.safe_load((ROOT / "params.yaml").read_text())
    for key, value in (FIXED | {"train.max_epochs": epochs}).items():
        settings = change(settings, key, value)
    runs: dict[str, list[dict[str, Any]]] = {"ours": [], "textbook": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        params, csv = folder / "params.yaml", folder / "recording.csv"
        settings = change(settings, "ingest.csv", str(csv))
        for number in range(rounds):
            params.write_text(yaml.safe_dump(change(settings, "seed", seed + number)))
            if not number:
                stage("simulate", params, csv)
            runs["ours"].append(ours(params, folder))
            runs["textbook"].append(plain_script(csv, params, folder))
    if len({run["windows"] for both in runs.values() for run in both}) > 1:
        raise SystemExit("the two were tested on different windows")
    totals = {who: [run["total"] for run in both] for who, both in runs.items()}
    return {
        "textbook_vs_ours": float(np.median(np.divide(totals["textbook"], totals["ours"]))),
        "total_seconds": {who: float(np.median(values)) for who, values in totals.items()},
        "seconds": {
            who: {name: float(np.median([run["seconds"][name] for run in both])) for name in STAGES}
            for who, both in runs.items()
        },
        "mean_delta": {who: [run["mean_delta"] for run in both] for who, both in runs.items()},
        "epochs": epochs,
        "test_windows": runs["ours"][0]["windows"],
        "cpu": _results.cpu(),
        "versions": {name: version(name) for name in ("torch", "numpy", "pandas")},
    }


def draw(results: dict[str, Any], path: Path) -> None:
    """Draw two bars of stacked stages."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 2.4), layout="constrained")
    axes = figure.subplots()
    end = np.zeros(2)
    colours = ("#767676", "#0072B2", "#009E73", "#D55E00", "#000000")
    for name, colour in zip(STAGES, colours, strict=True):
        widths = [results["seconds"][who][name] for who in ("ours", "textbook")]
        axes.barh(["this pipeline", "plain script"], widths, left=end, color=colour, label=name)
        end += widths
    axes.set(xlabel=f"seconds for {results['epochs']} epochs (shorter is better)", title=results["cpu"])
    axes.invert_yaxis()
    axes.legend(frameon=False, ncols=len(STAGES), loc="upper center", bbox_to_anchor=(0.5, -0.3))
    figure.savefig(path, dpi=110, metadata={"Software": None})


def main() -> None:
    """Measure, print a table, write JSON and the picture if requested."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=45)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0, help="of the first round")
    _results.add_arguments(parser)
    arguments = parser.parse_args()
    results = measure(arguments.epochs, arguments.rounds, arguments.seed)
    print(results["cpu"])
    print("| seconds | " + " | ".join(STAGES) + " | total | mean delta on test |")
    print("| --- " * (len(STAGES) + 3) + "|")
    for who, seconds in results["seconds"].items():
        deltas = results["mean_delta"][who]
        cells = [f"{value:.2f}" for value in (*seconds.values(), results["total_seconds"][who])]
        print(f"| {who} | {' | '.join(cells)} | {np.mean(deltas):.1%} ({min(deltas):.1%} to {max(deltas):.1%}) |")
    print(f"the plain script takes {results['textbook_vs_ours']:.2f} times as long")
    _results.save(results, arguments, draw)


if __name__ == "__main__":
    main()
