"""Run the pipeline once for each value of a key: mean and spread of the error on the test set.

    python -m benchmarks.seeds --over seed=0,1,2,3,4 --table docs/seeds.md
    python -m benchmarks.seeds --over seed=0,1,2 -S ingest.csv=FILE -S ingest.target=COLUMN ...

Each run has a temporary folder of its own and runs the stages of dvc.yaml in their order; data/, metrics/ and plots/
remain untouched. Two runs at a time, each on one thread.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from reports.readme import fill

ROOT = Path(__file__).parents[1]
AT_ONCE = 2


def pipeline(settings: dict[str, Any]) -> dict[str, Any]:
    """Run the stages with these settings; return the metrics, and the summary of training as "training"."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        params = folder / "params.yaml"
        model = folder / "model" / "forecaster.safetensors"
        simulated = settings["ingest"]["csv"] == "data/raw/simulated.csv"
        csv = folder / "simulated.csv" if simulated else ROOT / settings["ingest"]["csv"]
        params.write_text(yaml.safe_dump(change(settings, "ingest.csv", str(csv)), sort_keys=False))
        commands = [
            *([("simulate", csv)] if simulated else []),
            ("ingest", folder / "series"),
            ("window", folder / "series", folder / "windows"),
            ("train", folder / "windows", model, folder / "history.csv"),
            ("evaluate", folder / "windows", model, folder / "metrics.json", folder / "predictions"),
        ]
        for stage, *paths in commands:
            command = [sys.executable, "-m", f"stages.{stage}", *map(str, paths), "--params", str(params)]
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
            if done.returncode:
                raise SystemExit(done.stderr or f"{stage} failed")
        training = json.loads(model.with_name("training.json").read_text())
        return json.loads((folder / "metrics.json").read_text()) | {"training": training}


def change(settings: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    """Return a copy of `settings` with the value at the dotted `key` replaced."""
    first, _, rest = key.partition(".")
    if first not in settings:
        raise SystemExit(f"params.yaml has no key {key}")
    return settings | {first: change(settings[first], rest, value) if rest else value}


def table(key: str, values: list[Any], results: list[dict[str, Any]]) -> str:
    """Return Markdown: a row per value, then mean and standard deviation."""
    lines = [
        f"| {key} | mean delta on test | on validation | best baseline on test | epochs | stopped by |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for value, result in zip(values, results, strict=True):
        name, baseline = min(result["baselines"].items(), key=lambda item: item[1]["mean_delta"])
        training = result["training"]
        lines.append(
            f"| {value} | {result['test']['mean_delta']:.4f} | {result['validation']['mean_delta']:.4f} "
            f"| {baseline['mean_delta']:.4f} ({name}) | {training['epochs']} | {training['stopped_by']} |"
        )
    deltas = np.array([result["test"]["mean_delta"] for result in results])
    lines.append(f"| **mean** | **{deltas.mean():.4f}** ± {deltas.std(ddof=1):.4f}, worst {deltas.max():.4f} | | | | |")
    return "\n".join(lines)


def main() -> None:
    """Run, print the table, and write it to a file if requested."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--over", required=True, metavar="KEY=V1,V2,...", help="the key that varies")
    parser.add_argument("-S", dest="sets", action="append", default=[], metavar="KEY=VALUE", help="change a key")
    parser.add_argument("--table", type=Path, help="Markdown file to write the table into")
    parser.add_argument("--marker", help="between which markers there; default: those named like the key")
    arguments = parser.parse_args()
    settings = yaml.safe_load((ROOT / "params.yaml").read_text())
    for key, _, value in (item.partition("=") for item in arguments.sets):
        settings = change(settings, key, yaml.safe_load(value))
    key, _, listed = arguments.over.partition("=")
    values = yaml.safe_load(f"[{listed}]")
    with ThreadPoolExecutor(AT_ONCE) as pool:
        results = list(pool.map(pipeline, [change(settings, key, value) for value in values]))
    text = table(key, values, results)
    print(text)
    if arguments.table:
        arguments.table.write_text(fill(arguments.table.read_text(), arguments.marker or key, text))


if __name__ == "__main__":
    main()
