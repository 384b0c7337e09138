"""Repeat the whole pipeline over values of one key: mean and spread of the error on the test part.

    python -m benchmarks.repeat --over seed=0,1,2,3,4 --table docs/seeds.md
    python -m benchmarks.repeat --over seed=0,1,2 -S ingest.csv=FILE -S ingest.target=COLUMN ...

Each run happens in a folder of its own, with the stages of dvc.yaml in their order; nothing in data/,
metrics/ or plots/ is touched. Two runs at a time, each on one thread.
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
    """Run the stages with these settings; returns what evaluate wrote, and how training ended."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        params = folder / "params.yaml"
        model, own = folder / "model" / "forecaster.safetensors", settings["ingest"]["csv"] != "data/raw/simulated.csv"
        csv = ROOT / settings["ingest"]["csv"] if own else folder / "simulated.csv"
        params.write_text(yaml.safe_dump(change(settings, "ingest.csv", str(csv)), sort_keys=False))
        commands = [
            *([] if own else [("simulate", csv)]),
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
        outcome = json.loads(model.with_name("training.json").read_text())
        return json.loads((folder / "metrics.json").read_text()) | {"outcome": outcome}


def change(settings: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    """Copy `settings` with the value at the dotted `key` replaced."""
    first, _, rest = key.partition(".")
    if first not in settings:
        raise SystemExit(f"params.yaml has no key {key}")
    return settings | {first: change(settings[first], rest, value) if rest else value}


def table(key: str, values: list[Any], results: list[dict[str, Any]]) -> str:
    """Markdown: a row per value, then the mean and the spread."""
    lines = [
        f"| {key} | mean delta on test | on validation | best baseline on test | epochs | stopped by |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for value, result in zip(values, results, strict=True):
        name, baseline = min(result["baselines"].items(), key=lambda item: item[1]["mean_delta"])
        ending = result["outcome"]
        lines.append(
            f"| {value} | {result['test']['mean_delta']:.4f} | {result['validation']['mean_delta']:.4f} "
            f"| {baseline['mean_delta']:.4f} ({name}) | {ending['epochs']} | {ending['stopped_by']} |"
        )
    deltas = np.array([result["test"]["mean_delta"] for result in results])
    lines.append(f"| **mean** | **{deltas.mean():.4f}** ± {deltas.std(ddof=1):.4f}, worst {deltas.max():.4f} | | | | |")
    return "\n".join(lines)


def main() -> None:
    """Run, print the table, and put it into a file where asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--over", required=True, metavar="KEY=V1,V2,...", help="the key that varies")
    parser.add_argument("-S", dest="sets", action="append", default=[], metavar="KEY=VALUE", help="change a key")
    parser.add_argument("--table", type=Path, help="Markdown file with markers for this key, to be filled in")
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
        arguments.table.write_text(fill(arguments.table.read_text(), key, text))


if __name__ == "__main__":
    main()
