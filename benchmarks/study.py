"""Error, time and memory over seq_len and cell -> docs/study.md.

    python -m benchmarks.study [--seq-lens 25,50] [--cells manual,gru] [--seeds 0] [-S KEY=VALUE ...] [--page FILE]

The experiments are DVC's own (study-manual-100-0 and so on): list them with `dvc exp show`, compare them with
`dvc plots diff`. They run in DVC's queue, with `--minutes` as an array of Slurm (benchmarks/array.py). After an
interruption, finished ones are not repeated. Time and memory are measured afterwards, one at a time. Only the text
between the page's markers is replaced.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from dvc.api import DVCFileSystem

from benchmarks import array, experiments, gradient_flow, study_figures
from recurrent.config import reader as params
from recurrent.config.schema import Settings
from recurrent.network.forecaster import Forecaster
from recurrent.storage.tables import read_csv
from recurrent.train.setup import new_forecaster
from recurrent.window.windows import Windows
from reports.readme import ROOT, fill

SEQ_LENS, CELLS, SEEDS = (25, 50, 100, 200, 400), ("manual", "gru", "lstm"), (0, 1, 2)  # rnn is manual's mathematics
TO_THE_END = {"train.target_delta": 0.0}  # otherwise all stop at the same error and differ in epochs only
# single samples, as many windows as before and at the same places
RAW = {"window.samples_per_step": 1, "window.statistic": ["none"], "window.stride": 188}
RAW_SEQ_LEN, RAW_CELLS = 100, ("manual", "gru")


@dataclass(frozen=True)
class Result:
    """Results of one finished experiment."""

    cell: str
    seq_len: int
    seed: int
    raw: bool
    rev: str
    validation: float  # mean delta
    test: float
    baseline: float  # the best baseline's mean delta on test
    epochs: int
    history: Mapping[str, Any]  # column -> (epochs,)


@dataclass(frozen=True)
class Measured:
    """Measurements on the first seed of a configuration."""

    cell: str
    seq_len: int
    seconds: float  # of an epoch
    megabytes: float
    flow: Sequence[float]  # of the gradient over the lag, of the trained network
    flow_untrained: Sequence[float]


def plan(
    cells: Sequence[str], seq_lens: Sequence[int], seeds: Sequence[int], changes: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """Return the overrides of each experiment: name -> key -> value; short sequences first."""
    named = {}
    for seq_len in seq_lens:
        for cell in cells:
            for seed in seeds:
                sets = {"model.cell": cell, "seq_len": seq_len, "seed": seed}
                named[f"study-{cell}-{seq_len}-{seed}"] = {**TO_THE_END, **changes, **sets}
    for cell in (cell for cell in RAW_CELLS if cell in cells):
        for seed in seeds:
            sets = {"model.cell": cell, "seq_len": RAW_SEQ_LEN, "seed": seed}
            named[f"study-raw-{cell}-{RAW_SEQ_LEN}-{seed}"] = {**TO_THE_END, **changes, **RAW, **sets}
    return named


def read(finished: experiments.Experiment, sets: Mapping[str, Any]) -> Result:
    """Read the results of a finished experiment from DVC."""
    files, metrics = DVCFileSystem(rev=finished.rev), finished.metrics
    with tempfile.TemporaryDirectory() as folder:
        files.get_file("plots/quake/history.csv", f"{folder}/history.csv")
        history = read_csv(Path(folder, "history.csv"))
    return Result(
        cell=sets["model.cell"],
        seq_len=sets["seq_len"],
        seed=sets["seed"],
        raw=sets.get("window.samples_per_step") == 1,
        rev=finished.rev,
        validation=metrics["validation"]["mean_delta"],
        test=metrics["test"]["mean_delta"],
        baseline=min(scores["mean_delta"] for scores in metrics["baselines"].values()),
        epochs=len(history["epoch"]),
        history=history,
    )


def measure(result: Result, cache: Path) -> Measured:
    """Measure cost and gradient flow of a result's network, unless the folder `cache` holds them already."""
    file = cache / f"{result.rev}.json"
    if not file.exists():
        with tempfile.TemporaryDirectory() as name:
            folder, files = Path(name), DVCFileSystem(rev=result.rev)
            files.get("data/quake/windows", str(folder / "windows"), recursive=True)
            for path in ("data/quake/model/forecaster.safetensors", "params.yaml"):
                files.get_file(path, str(folder / Path(path).name))
            command = ["-m", "benchmarks.epoch_cost", str(folder / "windows"), "--params", str(folder / "params.yaml")]
            done = subprocess.run([sys.executable, *command], check=True, stdout=subprocess.PIPE, text=True)
            settings, windows = params.read(folder / "params.yaml", Settings), Windows.open(folder / "windows")
            first = new_forecaster(settings.model, windows, seed=settings.seed)
            flows = [
                gradient_flow.flow(network, windows).tolist()
                for network in (Forecaster.load(folder / "forecaster.safetensors"), first)
            ]
        cache.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(json.loads(done.stdout) | {"flow": flows[0], "flow_untrained": flows[1]}))
    return Measured(result.cell, result.seq_len, **json.loads(file.read_text()))


def spread(values: Sequence[float]) -> str:
    """Mean and standard deviation over the seeds, in per cent."""
    deviation = f" ± {np.std(values, ddof=1):.1%}" if len(values) > 1 else ""
    return f"{np.mean(values):.1%}{deviation}"


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def groups(results: Sequence[Result]) -> dict[tuple[str, int], list[Result]]:
    """Put the seeds of one configuration together, cell by cell: (cell, seq_len) -> results."""
    keys = sorted({(result.cell, result.seq_len) for result in results}, key=lambda key: (CELLS.index(key[0]), key[1]))
    return {key: [r for r in results if (r.cell, r.seq_len) == key] for key in keys}


def errors(results: Sequence[Result]) -> str:
    """Return Markdown: error and epochs by configuration."""
    rows = [
        [cell, seq_len, spread([r.validation for r in runs]), spread([r.test for r in runs])]
        + [f"{min(r.baseline for r in runs):.1%}", " ".join(str(r.epochs) for r in runs)]
        for (cell, seq_len), runs in groups(results).items()
    ]
    return table(
        ["cell", "seq_len", "mean delta, validation", "mean delta, test", "best baseline, test", "epochs"], rows
    )


def clipped(runs: Sequence[Result], limit: float) -> str:
    """Return the share of the epochs, over all seeds, whose mean gradient norm exceeds the limit."""
    return f"{np.mean(np.concatenate([r.history['gradient_norm'] for r in runs]) > limit):.0%}"


def costs(measured: Sequence[Measured], results: Sequence[Result], limit: float) -> str:
    """Return Markdown: time, memory, reach of the gradient and clipping by configuration."""
    runs = groups(results)
    rows = [
        [m.cell, m.seq_len, f"{m.seconds:.2f} s", f"{m.megabytes:.0f} MB"]
        + [gradient_flow.reach(np.array(flow)) for flow in (m.flow_untrained, m.flow)]
        + [clipped(runs[m.cell, m.seq_len], limit)]
        for m in measured
    ]
    head = ["cell", "seq_len", "an epoch", "peak memory", "reach before training", "reach after", "epochs clipped"]
    return table(head, rows)


def main() -> None:
    """Run the missing experiments, read all results, fill in the page and draw its pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seq-lens", default=",".join(map(str, SEQ_LENS)))
    parser.add_argument("--cells", default=",".join(CELLS))
    parser.add_argument("--seeds", default=",".join(map(str, SEEDS)))
    parser.add_argument("-S", dest="sets", action="append", default=[], metavar="KEY=VALUE", help="applies to all")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "study.md")
    parser.add_argument("--pictures", type=Path, default=ROOT / "docs" / "pictures")
    parser.add_argument("--pause", type=float, default=30.0, help="seconds between two checks of the queue")
    array.add_arguments(parser, required=False)
    given = parser.parse_args()
    seq_lens, seeds = (yaml.safe_load(f"[{text}]") for text in (given.seq_lens, given.seeds))
    changes = {key: yaml.safe_load(value) for key, _, value in (item.partition("=") for item in given.sets)}
    wanted = plan(given.cells.split(","), seq_lens, seeds, changes)
    try:
        say = partial(print, flush=True)
        if given.minutes:
            finished = array.run(wanted, array.executor(given), say)
        else:
            finished = experiments.run(wanted, at_once=2, pause=given.pause, say=say)
    except experiments.StudyError as error:
        parser.exit(1, f"error: {error}\n")
    except KeyboardInterrupt:
        parser.exit(130, "stopped; the queue goes on (`dvc queue stop --kill` ends it), and `make study` resumes\n")
    results = [read(finished[name], sets) for name, sets in wanted.items()]
    usual, raw = [r for r in results if not r.raw], [r for r in results if r.raw]
    cache = Path(".cache", "study")
    measured = [measure(runs[0], cache) for runs in groups(usual).values()]
    limit = experiments.value(finished[next(iter(wanted))].params, "train.gradient_clip")
    page = given.page.read_text(encoding="utf-8")
    for name, text in {"error": errors(usual), "cost": costs(measured, usual, limit), "raw": errors(raw)}.items():
        page = fill(page, name, text)
    given.page.write_text(page, encoding="utf-8")
    for name, figure in study_figures.draw(usual, measured, limit).items():
        figure.savefig(given.pictures / f"study-{name}.png", dpi=110, metadata={"Software": None})


if __name__ == "__main__":
    main()
