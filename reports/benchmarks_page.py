"""Fill docs/benchmarks.md from what the benchmarks measured (docs/benchmarks/*.json), and name the processor.

python -m reports.benchmarks_page
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from reports.readme import ROOT, fill

FOLDER = ROOT / "docs" / "benchmarks"


def recurrence(found: dict[str, Any]) -> str:
    """Ratios over the grid, and the share of the core's matrix product that is reached."""
    lines = ["| against | training | inference |", "| --- | --- | --- |"]
    names = {"textbook": "textbook loop", "reference": "our reference", "numpy": "numpy", "c": "C"}
    for name, shown in names.items():
        both = (found[f"{kind}.{name}_vs_nn_rnn"] for kind in ("train", "inference"))
        lines.append(f"| {shown} against nn.RNN | {' | '.join(f'{ratio:.2f}' for ratio in both)} |")
    both = (found[f"{kind}.c_vs_textbook"] for kind in ("train", "inference"))
    lines.append(f"| C against the textbook loop | {' | '.join(f'{ratio:.2f}' for ratio in both)} |")
    lines.append(f"| the matrix products alone, at the core's peak | {found['train.ceiling_vs_nn_rnn']:.2f} | |")
    lines += ["", "| share of the core's matrix product, training | nn.RNN | numpy | C |", "| --- | --- | --- | --- |"]
    for hidden in sorted({cell["hidden"] for cell in found["cells"]}):
        cells = [cell["share_of_peak"] for cell in found["cells"] if cell["hidden"] == hidden]
        shares = (np.mean([cell[name] for cell in cells]) for name in ("nn_rnn", "numpy", "c"))
        lines.append(f"| hidden {hidden} | {' | '.join(f'{share:.0%}' for share in shares)} |")
    lines += ["", f"{about(found)}; its matrix product reaches {found['gemm_gflops']:.0f} GFLOP/s in float32."]
    return "\n".join(lines)


def ingest(found: dict[str, Any]) -> str:
    """Speed, memory, and what a stray quote costs without a word."""
    lines = [
        f"| {found['rows']:,} rows | million rows/s | against pandas | peak memory | rows lost by a stray quote |",
        "| --- | --- | --- | --- | --- |",
    ]
    for tool, speed in found["rows_per_second"].items():
        ratio, peak = found[f"{tool}_vs_pandas"], found["peak_rss_mb"][tool]
        lost = found["silently_lost_rows"][tool]
        lines.append(f"| {tool} | {speed / 1e6:.1f} | {ratio:.2f} | {peak:.0f} MB | {lost or 'none'} |")
    return "\n".join([*lines, "", f"{about(found)}."])


def pipeline(found: dict[str, Any]) -> str:
    """Seconds by stage."""
    names = list(found["seconds"]["ours"])
    lines = [f"| seconds | {' | '.join(names)} | total | mean delta |", "| --- " * (len(names) + 3) + "|"]
    for who, shown in (("ours", "this pipeline"), ("textbook", "plain script")):
        cells = [*found["seconds"][who].values(), found["total_seconds"][who]]
        delta = np.mean(found["mean_delta"][who])
        lines.append(f"| {shown} | {' | '.join(f'{cell:.1f}' for cell in cells)} | {delta:.1%} |")
    ratio = found["textbook_vs_ours"]
    return "\n".join([*lines, "", f"The plain script takes {ratio:.2f} times as long. {about(found)}."])


def about(found: dict[str, Any]) -> str:
    """Name the processor and the versions."""
    return f"Measured on {found['cpu']}, with " + ", ".join(f"{k} {v}" for k, v in found["versions"].items())


def main() -> None:
    """Rewrite the page."""
    page = ROOT / "docs" / "benchmarks.md"
    text = page.read_text()
    for name, table in (("recurrence", recurrence), ("ingest", ingest), ("pipeline", pipeline)):
        path: Path = FOLDER / f"{name}.json"
        text = fill(text, name, table(json.loads(path.read_text())))
    page.write_text(text)


if __name__ == "__main__":
    main()
