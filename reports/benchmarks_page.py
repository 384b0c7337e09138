"""Fill in docs/benchmarks.md from the measurements in docs/benchmarks/KIND OF CORE/*.json: a table for each kind.

python -m reports.benchmarks_page
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from reports.readme import ROOT, fill

PICTURES = {
    "recurrence": "Times as fast as nn.RNN, by shape",
    "ingest": "Rows per second and peak memory of each tool",
    "pipeline": "Seconds by stage",
}


def tables(folder: Path, name: str) -> str:
    """Return the tables and pictures of one benchmark, kind of core by kind of core."""
    parts = []
    for path in sorted(folder.glob(f"*/{name}.json")):
        measured = json.loads(path.read_text())
        parts += [f"### {measured['cpu']}", TABLES[name](measured)]
        parts += [f"![{PICTURES[name]}]({folder.name}/{path.parent.name}/{name}.png)"] if name in PICTURES else []
    return "\n\n".join(parts)


def recurrence(measured: dict[str, Any]) -> str:
    """Return a table of ratios over the grid, and of the share of the peak matrix product that is reached."""
    lines = ["| against | training | inference |", "| --- | --- | --- |"]
    names = {"textbook": "textbook loop", "reference": "our reference", "numpy": "numpy", "c": "C"}
    for name, shown in names.items():
        both = (measured[f"{kind}.{name}_vs_nn_rnn"] for kind in ("train", "inference"))
        lines.append(f"| {shown} against nn.RNN | {' | '.join(f'{ratio:.2f}' for ratio in both)} |")
    both = (measured[f"{kind}.c_vs_textbook"] for kind in ("train", "inference"))
    lines.append(f"| C against the textbook loop | {' | '.join(f'{ratio:.2f}' for ratio in both)} |")
    for peer in ("GRU", "LSTM"):
        both = (measured[f"{kind}.c_vs_nn_{peer.lower()}"] for kind in ("train", "inference"))
        lines.append(f"| C ({peer}) against nn.{peer} | {' | '.join(f'{ratio:.2f}' for ratio in both)} |")
    for peer, cell in {"RNN": "c", "GRU": "c_gru", "LSTM": "c_lstm"}.items():
        ceiling = measured[f"train.c_vs_nn_{peer.lower()}"] / measured[f"train.{cell}_share_of_ceiling"]
        lines.append(f"| the matrix products alone against nn.{peer} | {ceiling:.2f} | |")
    columns = {"nn_rnn": "nn.RNN", "numpy": "numpy", "c": "C", "c_gru": "C, GRU", "c_lstm": "C, LSTM"}
    lines += [
        "",
        f"| share of the core's matrix product, training | {' | '.join(columns.values())} |",
        "| --- " * 6 + "|",
    ]
    for hidden in sorted({cell["hidden"] for cell in measured["cells"]}):
        cells = [cell["share_of_peak"] for cell in measured["cells"] if cell["hidden"] == hidden]
        shares = (np.mean([cell[name] for cell in cells]) for name in columns)
        lines.append(f"| hidden {hidden} | {' | '.join(f'{share:.0%}' for share in shares)} |")
    steps = measured["one_step_us"]
    order = list(next(iter(steps.values())))
    lines += ["", f"| one sequence, microseconds a step | {' | '.join(order)} |", "| --- " * (len(order) + 1) + "|"]
    for hidden, times in steps.items():
        lines.append(f"| hidden {hidden} | {' | '.join(f'{times[name]:.0f}' for name in order)} |")
    threads = (
        f"Two threads train {measured['train.two_threads_vs_one']:.2f} times as fast as one (hidden 64, batch 256)."
    )
    lines += [
        "",
        threads,
        "",
        f"{machine(measured)}; its matrix product reaches {measured['gemm_gflops']:.0f} GFLOP/s in float32.",
    ]
    return "\n".join(lines)


def ingest(measured: dict[str, Any]) -> str:
    """Return a table of speed, memory and rows silently lost by a stray quote."""
    lines = [
        f"| {measured['rows']:,} rows | million rows/s | against pandas | peak memory | rows lost by a stray quote |",
        "| --- | --- | --- | --- | --- |",
    ]
    for tool, speed in measured["rows_per_second"].items():
        ratio, peak = measured[f"{tool}_vs_pandas"], measured["peak_rss_mb"][tool]
        lost = measured["silently_lost_rows"][tool]
        lines.append(f"| {tool} | {speed / 1e6:.1f} | {ratio:.2f} | {peak:.0f} MB | {lost or 'none'} |")
    return "\n".join([*lines, "", f"{machine(measured)}."])


def pipeline(measured: dict[str, Any]) -> str:
    """Return a table of seconds by stage."""
    names = list(measured["seconds"]["ours"])
    lines = [f"| seconds | {' | '.join(names)} | total | mean delta |", "| --- " * (len(names) + 3) + "|"]
    for who, shown in (("ours", "this pipeline"), ("textbook", "plain script")):
        cells = [*measured["seconds"][who].values(), measured["total_seconds"][who]]
        delta = np.mean(measured["mean_delta"][who])
        lines.append(f"| {shown} | {' | '.join(f'{cell:.1f}' for cell in cells)} | {delta:.1%} |")
    train = measured["seconds"]["textbook"]["train"] / measured["seconds"]["ours"]["train"]
    words = f"The plain script takes {measured['textbook_vs_ours']:.2f} times as long, its training {train:.1f} times"
    return "\n".join([*lines, "", f"{words}. {machine(measured)}."])


def follow(measured: dict[str, Any]) -> str:
    """Return a table of speed on one core, as a multiple of the sensor's, and of peak memory."""
    lines = [
        "| recording | samples a step | million samples/s | times 4 MHz | peak memory |",
        "| --- | --- | --- | --- | --- |",
    ]
    for run in measured["runs"]:
        cells = [f"{run['kind']}, {run['rows'] / 1e6:.0f} million rows", f"{run['samples_per_step']:,}"]
        cells += [f"{run['samples_per_second'] / 1e6:.0f}", f"{run['times_4_mhz']:.1f}", f"{run['peak_rss_mb']:.0f} MB"]
        lines.append(f"| {' | '.join(cells)} |")
    off = max(run.get("largest_difference_from_batch", 0.0) for run in measured["runs"])
    alone = (
        f"A step of {measured['samples_of_one_step']} samples that comes alone is forecast in "
        f"{measured['one_step_us']:.0f} microseconds. Largest difference from the batch answer: {off:g}."
    )
    return "\n".join([*lines, "", alone, "", f"{machine(measured)}."])


def machine(measured: dict[str, Any]) -> str:
    """Return the processor and the versions as a sentence without its full stop."""
    return f"Measured on {measured['cpu']}, with " + ", ".join(f"{k} {v}" for k, v in measured["versions"].items())


TABLES = {"recurrence": recurrence, "ingest": ingest, "pipeline": pipeline, "follow": follow}


def main() -> None:
    """Rewrite the page."""
    page = ROOT / "docs" / "benchmarks.md"
    text = page.read_text()
    for name in TABLES:
        text = fill(text, name, tables(ROOT / "docs" / "benchmarks", name))
    page.write_text(text)


if __name__ == "__main__":
    main()
