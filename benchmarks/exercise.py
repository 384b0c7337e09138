"""Does the exercise need its sequence? Recordings, seeds and opponents side by side -> docs/seeds.md.

    python -m benchmarks.exercise seeds      # the settings of params.yaml on recordings 0 to 4, five networks each
    python -m benchmarks.exercise frontier   # other spreads of gain and rate, on recordings that nothing else uses
    python -m benchmarks.exercise floor      # a much larger learner, with 800 other cycles

Each recording is simulated and cut into windows once; two at a time, each on one thread. What is finished lies in
.cache/exercise, under a digest of settings and code, so an interrupted run goes on where it stopped.
"""

import argparse
import hashlib
import json
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from benchmarks.seeds import ROOT, change
from recurrent.config import reader
from recurrent.config.schema import Settings
from recurrent.config.stage import pick
from recurrent.evaluate import baselines, metrics, trees
from recurrent.evaluate.scoring import forecast
from recurrent.network.predictor import read_predictor
from recurrent.storage.npy import Array
from recurrent.train.setup import new_forecaster
from recurrent.train.trainer import Trainer
from recurrent.window.batch import Batch
from recurrent.window.windows import Windows
from reports.readme import fill
from stages import ingest, simulate, window

PAGE, CACHE = ROOT / "docs" / "seeds.md", ROOT / ".cache" / "exercise"
RECORDINGS, SEEDS, AT_ONCE = range(5), range(5), 2
CONTROLS = (0, 1)  # recordings on which other cells and other inputs are tried, too
CHOOSING, OTHER = 100, 200  # recordings for the choice of settings, and for the large learner
GAINS, WANDERS, CYCLES = (0.0, 0.1, 0.15, 0.2), (0.0, 0.05), (400,)
LARGE = {"model.cell": "gru", "model.hidden_size": 64, "train.learning_rate": 0.002, "train.max_epochs": 30}
LARGE_CYCLES = {"simulate.cycles": 1000, "window.train_fraction": 0.8, "window.validation_fraction": 0.1}


@dataclass(frozen=True, eq=False)
class Altered(Windows):
    """The same windows, and the same labels at their ends, with other inputs."""

    alter: Callable[[Batch], Batch]

    def gather(self, name: str, indices: Array, *, all_steps: bool = True, n_valid: int | None = None) -> Batch:
        """Copy windows as `Windows` does, and alter them."""
        return self.alter(super().gather(name, indices, all_steps=all_steps, n_valid=n_valid))


def shuffled(batch: Batch) -> Batch:
    """Put all steps but the last into random order, another one in each window."""
    count, steps = batch.signal.shape[:2]
    order = np.random.default_rng(count).random((count, steps - 1)).argsort(axis=1)
    before = np.take_along_axis(batch.signal[:, :-1], order[..., None], axis=1)
    return replace(batch, signal=np.concatenate([before, batch.signal[:, -1:]], axis=1))


def last_steps(batch: Batch, steps: int) -> Batch:
    """Keep the last steps only."""
    known = None if batch.known is None else batch.known[:, -steps:]
    return replace(batch, signal=batch.signal[:, -steps:], labels=batch.labels[:, -steps:], known=known)


def record(settings: Settings, folder: Path) -> Windows:
    """Run the stages from simulate to window."""
    csv, series, windows = folder / "simulated.csv", folder / "series", folder / "windows"
    simulate.main(pick(settings, simulate.Params), csv)
    moved = replace(settings, ingest=replace(settings.ingest, csv=str(csv)))
    ingest.main(pick(moved, ingest.Params), series)
    window.main(pick(settings, window.Params), series, windows)
    csv.unlink()
    return Windows.open(windows)


def network(settings: Settings, windows: Windows, folder: Path, *, seed: int) -> Callable[..., Any]:
    """Train as the stage train does with one member; return the best epoch's network as a function."""
    forecaster = new_forecaster(settings.model, windows, seed=seed, backend=settings.train.backend)
    Trainer(forecaster, windows, settings.train, seed=seed).run(lambda _: None)
    forecaster.save(folder / "forecaster.safetensors")
    return read_predictor(folder / "forecaster.safetensors", backend=settings.train.backend, threads=1)


def errors(windows: Windows, predicted: Array) -> list[float]:
    """Return the absolute error of each window of the test part, as a share of the mean label."""
    actual = windows.labels("test")
    return (np.abs(predicted - actual).sum(axis=1) / np.abs(actual).sum(axis=1).mean()).tolist()  # type: ignore[no-any-return]


def compare(settings: Settings, *, seeds: Sequence[int], controls: bool) -> dict[str, Any]:
    """Return by opponent the errors of the test part's windows; of networks, a list of them by seed."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        windows = record(settings, folder)

        def scored(seed: int, to_read: Windows = windows, **changes: Any) -> list[float]:
            own = replace(settings, model=replace(settings.model, **changes))
            trained = network(own, to_read, folder, seed=seed)
            return errors(windows, forecast(to_read, "test", [trained])[0])

        def tree(to_read: Windows = windows) -> list[float]:
            return errors(windows, trees.fit_trees(to_read).forecast(to_read, "test"))

        def altered(alter: Callable[[Batch], Batch]) -> Windows:
            return Altered(windows.steps, windows.parts, alter)

        found: dict[str, Any] = {
            "clock": errors(windows, baselines.clock(windows, "test")),
            "trees, running means": tree(),
            "trees, last step": tree(altered(partial(last_steps, steps=1))),
            "trees, last 5 steps": tree(altered(partial(last_steps, steps=5))),
            settings.model.cell: [scored(seed) for seed in seeds],
        }
        if controls:
            found["gru"] = [scored(0, cell="gru")]
            found["last 5 steps"] = [scored(0, altered(partial(last_steps, steps=5)))]
            found["shuffled steps"] = [scored(0, altered(shuffled), readout="last")]
        return found


def of_a_large_learner(settings: Settings, tested: Sequence[Settings]) -> dict[str, Any]:
    """Train on one long recording; return the errors on the test parts of others."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        trained = network(settings, record(settings, folder / "long"), folder, seed=0)
        found = {}
        for own in tested:
            windows = record(own, folder / str(own.simulate.seed))
            found[str(own.simulate.seed)] = errors(windows, forecast(windows, "test", [trained])[0])
        return found


def with_changes(changes: dict[str, Any]) -> Settings:
    """Return the settings of params.yaml with other values for some dotted keys."""
    values = yaml.safe_load((ROOT / "params.yaml").read_text())
    for key, value in changes.items():
        values = change(values, key, value)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "params.yaml")
        path.write_text(yaml.safe_dump(values))
        return reader.read(path, Settings)


def cached(name: str, settings: Settings, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return what `make` makes, from the file of an earlier run with the same settings and code if there is one."""
    code = sorted(path for path in (ROOT / "recurrent").rglob("*") if path.suffix in (".py", ".c", ".h"))
    digest = hashlib.sha256(repr(settings).encode())
    for path in [*code, Path(__file__)]:
        digest.update(path.read_bytes())
    file = CACHE / f"{name}-{digest.hexdigest()}.json"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(make())
        file.write_text(text)
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def compared(changes: dict[str, Any], seeds: Sequence[int], controls: bool) -> dict[str, Any]:
    """Return `compare`'s errors for changed settings, made once."""
    settings = with_changes(changes)
    name = f"{settings.simulate.seed}-{len(seeds)}-{controls}"
    return cached(name, settings, lambda: compare(settings, seeds=seeds, controls=controls))


def of_seeds() -> dict[str, str]:
    """Compare on all recordings: a table of mean deltas, and what they say together."""
    with ProcessPoolExecutor(AT_ONCE) as pool:
        asked = [pool.submit(compared, {"simulate.seed": n}, SEEDS, n in CONTROLS) for n in RECORDINGS]
        found = [future.result() for future in asked]
    settings = with_changes({})
    cell, block = settings.model.cell, -(-settings.seq_len // settings.window.stride)
    names = [name for name in found[0] if name != cell]
    rows, gains = [], []
    for number, errors_of in zip(RECORDINGS, found, strict=True):
        own = [float(np.mean(run)) for run in errors_of[cell]]
        means = {n: float(np.mean(errors_of[n])) for n in names if n in errors_of}
        best = min((n for n in means if n.startswith("trees")), key=lambda n: means[n])
        gains.append(np.array(errors_of[best]) - np.mean(errors_of[cell], axis=0))
        low, high = metrics.block_bootstrap(gains[-1], block)
        scores = [f"{means[n]:.3f}" if n in means else "" for n in names]
        spread = f"**{np.mean(own):.3f}** ({min(own):.3f} to {max(own):.3f})"
        rows.append([number, spread, *scores, f"{low:.3f} to {high:.3f}"])
    every = [float(np.mean(run)) for errors_of in found for run in errors_of[cell]]
    low, high = metrics.block_bootstrap(np.concatenate(gains), block)
    rows.append(["**all**", f"**{np.mean(every):.3f}** ± {np.std(every, ddof=1):.3f}, worst {max(every):.3f}"]
                + [f"{np.mean([np.mean(f[n]) for f in found if n in f]):.3f}" for n in names]
                + [f"{low:.3f} to {high:.3f}"])  # fmt: skip
    head = ["simulate.seed", f"{cell}, five seeds", *names, "gain over the best trees, 95 %"]
    return {"exercise": table(head, rows)}


def of_frontier() -> dict[str, str]:
    """Compare one network with the trees over the spreads of gain and rate, and the number of cycles."""
    points = [
        {"simulate.gain_spread": gain, "simulate.wander": wander, "simulate.cycles": cycles, "simulate.seed": CHOOSING}
        for cycles in CYCLES
        for gain in GAINS
        for wander in WANDERS
    ]
    with ProcessPoolExecutor(AT_ONCE) as pool:
        found = [*pool.map(partial(compared, seeds=(0,), controls=False), points)]
    names = [*found[0]]
    rows = [
        [*point.values()][:3] + [f"{np.mean(errors_of[name]):.3f}" for name in names]
        for point, errors_of in zip(points, found, strict=True)
    ]
    return {"frontier": table(["gain_spread", "wander", "cycles", *names], rows)}


def of_floor() -> dict[str, str]:
    """Score the large learner on the test parts of all recordings."""
    settings = with_changes(LARGE | LARGE_CYCLES | {"simulate.seed": OTHER})
    tested = [with_changes({"simulate.seed": number}) for number in RECORDINGS]
    found = cached("floor", settings, lambda: of_a_large_learner(settings, tested))
    deltas = [float(np.mean(own)) for own in found.values()]
    size, cycles = settings.model.hidden_size, round(settings.simulate.cycles * settings.window.train_fraction)
    each = ", ".join(f"{delta:.3f}" for delta in deltas)
    text = f"GRU of {size} units, trained on {cycles} other cycles: mean delta **{np.mean(deltas):.3f}** ({each})."
    return {"floor": text}


def table(head: Sequence[Any], rows: Sequence[Sequence[Any]]) -> str:
    """Return Markdown."""
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in [head, ["---"] * len(head), *rows])


def main() -> None:
    """Make one of the page's parts, or several."""
    parts = {"seeds": of_seeds, "frontier": of_frontier, "floor": of_floor}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="+", choices=parts)
    for part in parser.parse_args().part:
        for name, text in parts[part]().items():
            print(text)
            PAGE.write_text(fill(PAGE.read_text(), name, text))


if __name__ == "__main__":
    main()
