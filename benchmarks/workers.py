"""Ingest on dask workers against one process: the same recording, the same bytes, the wall time of each.

    python -m benchmarks.workers [--rows 30000000] [--workers 2 4] [--rounds 3]

Needs `pip install '.[scale]'` and idle cores: the load of the machine before each round is printed. `start` is the
wall time of the stage over a recording of a few rows, so that of imports and of the cluster; `work` is what remains.
"""

import argparse
import os
import tempfile
from pathlib import Path
from statistics import median

import yaml

from benchmarks._results import cpu
from benchmarks.full_size import SECONDS_PER_CYCLE, stage
from benchmarks.seeds import ROOT, change


def seconds(workers: int, params: Path, series: Path) -> float:
    """Run the stage ingest with so many workers, 0: in one process; return its wall time."""
    os.environ.pop("DASK_WORKERS", None)
    if workers:
        os.environ["DASK_WORKERS"] = str(workers)
    return stage("ingest", params, series)[0]


def written(series: Path) -> dict[str, bytes]:
    """Return meta.json, which holds the digests of the arrays."""
    return {path.name: path.read_bytes() for path in series.glob("*.json")}


def measure(rows: int, counts: list[int], rounds: int) -> str:
    """Return a Markdown table."""
    settings = yaml.safe_load((ROOT / "params.yaml").read_text())
    spent: dict[tuple[str, int], list[float]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for size in ("few", "all"):
            cycles = settings["simulate"]["cycles"] if size == "all" else 5
            rate = (rows if size == "all" else 5000) / SECONDS_PER_CYCLE / cycles
            own = change(change(settings, "simulate.sample_rate", rate), "simulate.cycles", cycles)
            own = change(own, "ingest.csv", str(folder / f"{size}.csv"))
            (folder / f"{size}.yaml").write_text(yaml.safe_dump(own))
            stage("simulate", folder / f"{size}.yaml", folder / f"{size}.csv")
        for number in range(rounds):
            print(f"round {number + 1}: load {os.getloadavg()[0]:.1f} on {cpu()}", flush=True)
            for workers in (0, *counts):
                for size in ("few", "all"):
                    took = seconds(workers, folder / f"{size}.yaml", folder / f"{size}-{workers}")
                    spent.setdefault((size, workers), []).append(took)
                if written(folder / f"all-{workers}") != written(folder / "all-0"):
                    raise SystemExit(f"{workers} workers: other bytes than one process")
    lines = [
        f"| {rows:,} rows | start | work | work of one process / work | total |",
        "| --- | --- | --- | --- | --- |",
    ]
    start, total = ({n: median(spent[size, n]) for n in (0, *counts)} for size in ("few", "all"))
    for workers in (0, *counts):
        work = total[workers] - start[workers]
        name = f"{workers} workers" if workers else "one process"
        ratio = (total[0] - start[0]) / work
        lines.append(f"| {name} | {start[workers]:.2f} s | {work:.2f} s | {ratio:.2f} | {total[workers]:.2f} s |")
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=30_000_000)
    parser.add_argument("--workers", type=int, nargs="+", default=[2])
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    print(measure(arguments.rows, arguments.workers, arguments.rounds))


if __name__ == "__main__":
    main()
