"""Our ingest against pandas, pyarrow, polars and duckdb: one LANL-format file to the same two .npy files.

    python -m benchmarks.ingest [--rows 10000000] [--rounds 5] [--json FILE] [--picture docs/benchmarks/ingest.png]

Each tool runs in a process of its own, in interleaved rounds; seconds are those of the work without the
imports, memory is the process's peak. Peers may use all cores. Only ours checks every row and computes the md5.
polars and duckdb are optional: `pip install polars duckdb`, the group `bench` of pyproject.toml.
"""

import argparse
import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from benchmarks import _results
from benchmarks.full_size import SECONDS_PER_CYCLE, stage
from benchmarks.seeds import ROOT, change

NAMES = ["acoustic_data", "time_to_failure"]
CHUNK_ROWS = 1 << 17  # of pandas, its fastest of 2**15 to 2**20 here
STRAY_ROWS = 200_000  # of the file with one stray quote
Blocks = Iterator[tuple[Any, Any]]


def pandas(csv: Path) -> Blocks:
    """Read with the C engine, in chunks."""
    import pandas as pd

    types = {"acoustic_data": "int16", "time_to_failure": "float64"}
    for chunk in pd.read_csv(csv, engine="c", chunksize=CHUNK_ROWS, dtype=types):
        yield tuple(chunk[name].to_numpy() for name in NAMES)


def pyarrow(csv: Path) -> Blocks:
    """Read as a stream of record batches, as in its manual."""
    import pyarrow as pa
    from pyarrow import csv as arrow

    types = dict(zip(NAMES, (pa.int16(), pa.float64()), strict=True))
    for batch in arrow.open_csv(csv, convert_options=arrow.ConvertOptions(column_types=types)):
        yield tuple(np.from_dlpack(batch[name]) for name in NAMES)


def pyarrow_whole(csv: Path) -> Blocks:
    """Read the file at once on all cores, its usual way."""
    import pyarrow as pa
    from pyarrow import csv as arrow

    types = dict(zip(NAMES, (pa.int16(), pa.float64()), strict=True))
    table = arrow.read_csv(csv, convert_options=arrow.ConvertOptions(column_types=types)).combine_chunks()
    yield tuple(np.from_dlpack(table[name].chunk(0)) for name in NAMES)


def polars(csv: Path) -> Blocks:
    """Read the file at once, its fastest way."""
    import polars as pl

    frame = pl.read_csv(csv, schema=dict(zip(NAMES, (pl.Int16, pl.Float64), strict=True)))
    yield tuple(frame[name].to_numpy() for name in NAMES)


def duckdb(csv: Path) -> Blocks:
    """Read as a stream of record batches."""
    import duckdb

    types = "{'acoustic_data': 'SMALLINT', 'time_to_failure': 'DOUBLE'}"
    result = duckdb.sql(f"SELECT * FROM read_csv('{csv}', header = true, columns = {types})")
    for batch in result.to_arrow_reader(CHUNK_ROWS):
        yield tuple(np.from_dlpack(batch[name]) for name in NAMES)


PEERS: dict[str, Callable[[Path], Blocks]] = {f.__name__: f for f in (pandas, pyarrow, pyarrow_whole, polars, duckdb)}
OPTIONAL = ("polars", "duckdb")
OURS = "ours"


def write_peers(blocks: Blocks, folder: Path) -> None:
    """Append the blocks to signal.npy and target.npy, each with its header written last."""
    folder.mkdir(parents=True, exist_ok=True)
    rows, dtypes = 0, list[str]()
    with (folder / "signal.npy").open("wb") as signal, (folder / "target.npy").open("wb") as target:
        for file in (signal, target):
            file.write(bytes(128))
        for arrays in blocks:
            for file, array in zip((signal, target), arrays, strict=True):
                file.write(np.ascontiguousarray(array).data)
            rows, dtypes = rows + len(arrays[0]), [array.dtype.str for array in arrays]
        for file, dtype in zip((signal, target), dtypes, strict=True):
            file.seek(0)
            header = {"descr": dtype, "fortran_order": False, "shape": (rows, 1)}
            np.lib.format.write_array_header_1_0(file, header)


def write_ours(csv: Path, folder: Path) -> None:
    """Do the work of the stage ingest."""
    from recurrent.sources import recording

    options = recording.Options(
        signal=(NAMES[0],),
        target=NAMES[1],
        signal_unit="counts",
        target_unit="s",
        failure_threshold=0.05,
        last_cycle="keep",
    )
    recording.read(options, csv).write(folder)


def work(tool: str, csv: Path, folder: Path) -> None:
    """Run one tool in this process and print the seconds it took."""
    for package in ("recurrent.sources.recording",) if tool == OURS else (tool.split("_")[0], "pyarrow.csv"):
        importlib.import_module(package)
    begin = time.perf_counter()
    if tool == OURS:
        write_ours(csv, folder)
    else:
        write_peers(PEERS[tool](csv), folder)
    print(time.perf_counter() - begin)


def run(tool: str, csv: Path, folder: Path) -> tuple[float, float] | None:
    """Run one tool in a process of its own; return seconds and peak memory (MB), or None if it rejects the file."""
    command = [sys.executable, "-m", "benchmarks.ingest", "--tool", tool, str(csv), str(folder)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout
    with process.stdout:
        printed = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return None if process.returncode else (float(printed), usage.ru_maxrss / 1024)  # KiB on Linux


def lost_rows(tools: list[str], folder: Path) -> dict[str, int | str]:
    """Return the rows that each tool loses silently if one field has a stray quote."""
    lines = [f"{i % 90},{(STRAY_ROWS - i) * 1e-5:.5f}" for i in range(STRAY_ROWS)]
    middle = STRAY_ROWS // 2
    lines[middle] = lines[middle].replace(",", ',"')
    csv = folder / "stray.csv"
    csv.write_text("\n".join([",".join(NAMES), *lines]) + "\n")
    lost: dict[str, int | str] = {}
    for tool in tools:
        done = run(tool, csv, folder / f"stray_{tool}")
        lost[tool] = STRAY_ROWS - len(np.load(folder / f"stray_{tool}" / "target.npy")) if done else "refused"
    return lost


def different(folder: Path, reference: Path) -> int:
    """Count values whose bits differ from the reference's."""
    pairs = [
        [np.load(parent / f"{name}.npy", mmap_mode="r") for parent in (folder, reference)]
        for name in ("signal", "target")
    ]
    if any(a.shape != b.shape or a.dtype != b.dtype for a, b in pairs):
        raise SystemExit(f"{folder.name}: shape or dtype differs from {reference.name}")
    return sum(int((a != b).sum()) for a, b in pairs)


def measure(rows: int, rounds: int) -> dict[str, Any]:
    """Run all tools `rounds` times; return the results by name."""
    missing = [tool for tool in OPTIONAL if not importlib.util.find_spec(tool)]
    if missing:
        print(f"not installed, left out: {', '.join(missing)}", file=sys.stderr)
    packages = ["numpy", "pandas", "pyarrow", *OPTIONAL]
    tools = [OURS, *(tool for tool in PEERS if tool not in missing)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = yaml.safe_load((ROOT / "params.yaml").read_text())
        rate = rows / SECONDS_PER_CYCLE / settings["simulate"]["cycles"]
        params, csv = folder / "params.yaml", folder / "recording.csv"
        params.write_text(yaml.safe_dump(change(settings, "simulate.sample_rate", rate)))
        stage("simulate", params, csv)
        seconds: dict[str, list[float]] = {tool: [] for tool in tools}
        peak = dict.fromkeys(tools, 0.0)
        for _ in range(rounds):
            for tool in tools:
                done = run(tool, csv, folder / tool)
                if done is None:
                    raise SystemExit(f"{tool} failed")
                seconds[tool].append(done[0])
                peak[tool] = max(peak[tool], done[1])
        count = len(np.load(folder / OURS / "target.npy", mmap_mode="r"))
        vs_pandas = {t: float(np.median(np.divide(seconds["pandas"], seconds[t]))) for t in tools}
        return {
            **{f"{tool}_vs_pandas": ratio for tool, ratio in vs_pandas.items()},
            "rows": count,
            "rows_per_second": {tool: count / float(np.median(seconds[tool])) for tool in tools},
            "peak_rss_mb": peak,
            "values_unlike_ours": {tool: different(folder / tool, folder / OURS) for tool in tools},
            "silently_lost_rows": lost_rows(tools, folder),
            "stray_quote_rows": STRAY_ROWS,
            "cpu": _results.cpu(),
            "versions": {name: version(name) for name in packages if name not in missing},
        }


def draw(results: dict[str, Any], path: Path) -> None:
    """Bars: rows per second and peak memory of each tool."""
    from matplotlib.figure import Figure

    tools = list(results["rows_per_second"])
    colours = ["#D55E00" if tool == OURS else "#767676" for tool in tools]
    figure = Figure(figsize=(10, 3.2), layout="constrained")
    speed, memory = figure.subplots(1, 2, sharey=True)
    speed.barh(tools, [results["rows_per_second"][tool] / 1e6 for tool in tools], color=colours)
    speed.set(xlabel="million rows per second (longer is better)", title=f"{results['rows']:,} rows, CSV to .npy")
    memory.barh(tools, [results["peak_rss_mb"][tool] for tool in tools], color=colours)
    memory.set(xlabel="peak memory, MB (shorter is better)", title=results["cpu"])
    speed.invert_yaxis()
    figure.savefig(path, dpi=110, metadata={"Software": None})


def main() -> None:
    """Measure, print a table, write JSON and the picture if requested."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000, help="approximate; default %(default)s")
    parser.add_argument("--rounds", type=int, default=5)
    _results.add_arguments(parser)
    parser.add_argument("--tool", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.tool:
        tool, csv, folder = arguments.tool
        return work(tool, Path(csv), Path(folder))
    results = measure(arguments.rows, arguments.rounds)
    print(results["cpu"])
    print("| tool | million rows/s | against pandas | peak memory | values unlike ours | lost by a stray quote |")
    print("| --- | --- | --- | --- | --- | --- |")
    for tool, speed in results["rows_per_second"].items():
        ratio, peak = results[f"{tool}_vs_pandas"], results["peak_rss_mb"][tool]
        unlike, lost = results["values_unlike_ours"][tool], results["silently_lost_rows"][tool]
        print(f"| {tool} | {speed / 1e6:.1f} | {ratio:.2f} | {peak:.0f} MB | {unlike} | {lost} |")
    _results.save(results, arguments, draw)


if __name__ == "__main__":
    main()
