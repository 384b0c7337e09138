"""Time and bytes of the stages and of DVC over the length of the recording, their slopes, and what 1 TB would take.

    python -m benchmarks.scaling [--rows 5000000,10000000,20000000,40000000] [--rounds 1] [--page docs/scaling.md]

Every step is a process of its own, of which the processor's time counts, user and system, the least of the rounds:
other work on the machine changes it little. A line through the lengths gives the slope, and the slope what a recording
of 100 times LANL's would take: an extrapolation. Only the text between the page's markers is replaced. Needs about 4 GB
of disk for a moment, and `split` of GNU coreutils.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import yaml

from benchmarks.full_size import SECONDS_PER_CYCLE, size
from benchmarks.seeds import change
from reports.readme import ROOT, fill

ROWS = (5_000_000, 10_000_000, 20_000_000, 40_000_000)
LANL = 629_145_480  # rows of LANL's train.csv
SHARDS = 16  # of each file
# list prices in dollars, which change: a core of a rented machine, S3's standard class (aws.amazon.com/s3/pricing)
PER_CORE_HOUR, PER_GB_MONTH = 0.05, 0.023
STEPS = {
    "simulate": "`simulate`",
    "ingest": "`ingest`",
    "window": "`window`",
    "hash": "DVC: hash (`dvc add --no-commit`)",
    "commit": "DVC: into the cache (`dvc commit`)",
    "push": "DVC: `dvc push` to a folder",
    "hash shards": f"the same bytes, each file as {SHARDS} shards: hash",
    "commit shards": "shards: into the cache",
    "push shards": "shards: `dvc push`",
    "change": "one shard changed: all three",
}
KEPT = {"csv": "CSV", "series": "series", "windows": "windows", "remote": "remote, without the shards"}


def run(folder: Path, *words: str | Path, **more: str) -> float:
    """Run a module of Python in a folder; return the processor's seconds, user and system."""
    process = subprocess.Popen(
        [sys.executable, "-m", *words], cwd=folder, env=os.environ | more, stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{words[0]} failed")
    return usage.ru_utime + usage.ru_stime


def dvc(folder: Path, *words: str) -> float:
    """Run DVC in a folder, without any state of an earlier run; return the processor's seconds."""
    return run(folder, "dvc", *words, "--quiet", DVC_SITE_CACHE_DIR=str(folder / "site"), DVC_NO_ANALYTICS="1")


@dataclass(frozen=True)
class Measured:
    """One length of recording."""

    rows: int
    seconds: dict[str, float]  # step -> the processor's time
    gb: dict[str, float]  # kind of file -> size


def measure(rows: int) -> Measured:
    """Run all steps once, on a recording of about so many rows."""
    settings = yaml.safe_load((ROOT / "params.yaml").read_text())
    rate = rows / SECONDS_PER_CYCLE / settings["simulate"]["cycles"]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        params, csv, series, windows = (folder / part for part in ("params.yaml", "csv", "series", "windows"))
        for key, value in {"simulate.sample_rate": rate, "ingest.csv": str(csv)}.items():
            settings = change(settings, key, value)
        params.write_text(yaml.safe_dump(settings))
        commands = {"simulate": [csv], "ingest": [series], "window": [series, windows]}
        seconds = {verb: run(ROOT, f"stages.{verb}", *paths, "--params", params) for verb, paths in commands.items()}
        kept = {"csv": size(csv), "series": size(series), "windows": size(windows)}
        shards, store = folder / "shards", folder / "store"
        shards.mkdir()
        for file in (csv, *series.glob("*.npy"), *windows.glob("*.npy")):
            name = "-".join(file.relative_to(folder).parts)
            subprocess.run(["split", f"--number={SHARDS}", file, shards / f"{name}-"], check=True)
        dvc(folder, "init", "--no-scm")
        dvc(folder, "config", "cache.type", "reflink,hardlink,symlink,copy")
        dvc(folder, "remote", "add", "--default", "store", str(store))
        for names, kind in ((["csv", "series", "windows"], ""), (["shards"], " shards")):
            seconds["hash" + kind] = dvc(folder, "add", "--no-commit", *names)
            seconds["commit" + kind] = dvc(folder, "commit", "--force", *names)
            seconds["push" + kind] = dvc(folder, "push", *names)
            kept.setdefault("remote", sum(file.stat().st_size for file in store.rglob("*") if file.is_file()) / 1e9)
        shard = shards / "csv-aa"
        changed = shard.read_bytes() + b"\n"
        shard.unlink()  # a link to DVC's cache
        shard.write_bytes(changed)
        seconds["change"] = dvc(folder, "add", "shards") + dvc(folder, "push", "shards")
        count = ((series / "target.npy").stat().st_size - 128) // 8
    return Measured(count, seconds, kept)


def hours(seconds: float) -> str:
    """Return a time as hours, or as minutes where it is short."""
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds / 60:.0f} min"


def tables(measured: Sequence[Measured]) -> str:
    """Return Markdown: seconds and bytes over the length, and what a line through them says of 100 times LANL."""
    gb = np.array([one.gb["csv"] for one in measured])
    whole = 100 * LANL * gb[-1] / measured[-1].rows  # GB of CSV
    sizes = [f"{one.rows / 1e6:.0f} M rows, {size:.2f} GB" for one, size in zip(measured, gb, strict=True)]
    head = ["step", *sizes, "slope, s per GB of CSV", "off the line, at most", f"{whole:.0f} GB, one core"]
    lines = [f"| {' | '.join(head)} |", "|" + " --- |" * len(head)]
    at_whole = {}
    for step, words in STEPS.items():
        taken = np.array([one.seconds[step] for one in measured])
        slope, fixed = np.polyfit(gb, taken, 1)
        at_whole[step] = slope * whole
        off = np.abs(fixed + slope * gb - taken).max()
        row = [words, *(f"{s:.1f} s" for s in taken), f"{slope:.2f}", f"{off:.1f} s", hours(at_whole[step])]
        lines.append(f"| {' | '.join(row)} |")
    lines += [
        "",
        f"| kept | GB per GB of CSV | at {whole:.0f} GB | dollars a month in S3 |",
        "| --- | --- | --- | --- |",
    ]
    for kind, words in KEPT.items():
        share = np.polyfit(gb, [one.gb[kind] for one in measured], 1)[0]
        lines.append(f"| {words} | {share:.3f} | {share * whole:.0f} GB | {share * whole * PER_GB_MONTH:.0f} |")
    ours, its = (sum(at_whole[step] for step in steps) for steps in (("ingest", "window"), ("hash", "commit", "push")))
    said = (
        f"At {whole:.0f} GB, `ingest` and `window` would take one core {hours(ours)} "
        f"({ours / 3600 * PER_CORE_HOUR:.2f} dollars), DVC's first three steps {hours(its)} "
        f"({its / 3600 * PER_CORE_HOUR:.2f} dollars), {its / ours:.1f} times that."
    )
    return "\n".join([*lines, "", said])


def main() -> None:
    """Measure, print, and write the tables to the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default=",".join(map(str, ROWS)))
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "scaling.md")
    given = parser.parse_args()
    measured = []
    for rows in yaml.safe_load(f"[{given.rows}]"):
        rounds = [measure(rows) for _ in range(given.rounds)]
        best = {step: min(one.seconds[step] for one in rounds) for step in STEPS}
        measured.append(replace(rounds[0], seconds=best))
        print(f"{rows:,} rows: {', '.join(f'{step} {taken:.1f} s' for step, taken in best.items())}", flush=True)
    text = tables(measured)
    print(text)
    given.page.write_text(fill(given.page.read_text(encoding="utf-8"), "table", text), encoding="utf-8")


if __name__ == "__main__":
    main()
