"""The runs of benchmarks/exercise.py: a recording is made and cut into windows, networks and opponents forecast it.

What is finished lies in .cache/exercise, under a digest of settings and code.
"""

import hashlib
import json
import tempfile
from collections.abc import Callable, Sequence
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
from recurrent.evaluate import baselines, trees
from recurrent.evaluate.coverage import coverage
from recurrent.evaluate.scoring import forecast
from recurrent.network.interval import Interval
from recurrent.network.predictor import Predictor, read_predictor
from recurrent.storage.npy import Array
from recurrent.train.setup import new_forecaster
from recurrent.train.trainer import Trainer
from recurrent.window.batch import Batch
from recurrent.window.windows import Windows
from stages import ingest, simulate, window

CACHE = ROOT / ".cache" / "exercise"
Runs = list[dict[str, Any]]  # of one forecaster: its errors, and the coverage of its intervals


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


def network(settings: Settings, windows: Windows, folder: Path, *, seed: int) -> Predictor:
    """Train as the stage train does with one member; return the best epoch's network as a function."""
    forecaster = new_forecaster(settings.model, windows, seed=seed, backend=settings.train.backend)
    Trainer(forecaster, windows, settings.train, seed=seed).run(lambda _: None)
    forecaster.save(folder / "forecaster.safetensors")
    return read_predictor(folder / "forecaster.safetensors", backend=settings.train.backend, threads=1)


def by_network(predictor: Predictor, windows: Windows) -> Callable[[str], Array]:
    """Return name of a part -> forecasts (N, K)."""
    return lambda part: forecast(windows, part, [predictor])[0]


def scored(windows: Windows, forecasts: Callable[[str], Array], *, interval: bool = True) -> dict[str, Any]:
    """Return the errors on the test part as shares of the mean label, and how intervals from validation cover it.

    Parameters
    ----------
    forecasts : name of a part -> (N, K)
    """
    actual, predicted = windows.labels("test"), forecasts("test")
    off = np.abs(predicted - actual).sum(axis=1) / np.abs(actual).sum(axis=1).mean()
    found: dict[str, Any] = {"errors": off.tolist()}
    if interval and (fitted := Interval.fit(forecasts("validation"), windows.labels("validation"))):
        found |= coverage(windows, actual, fitted.around(predicted))
    return found


def compare(settings: Settings, *, seeds: Sequence[int], controls: bool) -> dict[str, Runs]:
    """Return the runs of each opponent, and of networks one for each seed."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        windows = record(settings, folder)

        def trained(seed: int, to_read: Windows = windows, **changes: Any) -> dict[str, Any]:
            own = replace(settings, model=replace(settings.model, **changes))
            predictor = network(own, to_read, folder, seed=seed)
            return scored(windows, by_network(predictor, to_read))

        def tree(to_read: Windows = windows) -> Runs:
            return [scored(windows, partial(trees.fit_trees(to_read).forecast, to_read))]

        def altered(alter: Callable[[Batch], Batch]) -> Windows:
            return Altered(windows.steps, windows.parts, alter)

        found: dict[str, Runs] = {
            "clock": [scored(windows, partial(baselines.clock, windows))],
            "trees, running means": tree(),
            "trees, last step": tree(altered(partial(last_steps, steps=1))),
            "trees, last 5 steps": tree(altered(partial(last_steps, steps=5))),
            settings.model.cell: [trained(seed) for seed in seeds],
        }
        if controls:
            found["gru"] = [trained(0, cell="gru")]
            found["last 5 steps"] = [trained(0, altered(partial(last_steps, steps=5)))]
            found["shuffled steps"] = [trained(0, altered(shuffled), readout="last")]
        return found


def of_a_large_learner(settings: Settings, tested: Sequence[Settings]) -> dict[str, Runs]:
    """Train on one long recording; return the runs on the test parts of others."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        predictor, found = network(settings, record(settings, folder / "long"), folder, seed=0), {}
        for own in tested:
            windows = record(own, folder / str(own.simulate.seed))
            found[str(own.simulate.seed)] = [scored(windows, by_network(predictor, windows), interval=False)]
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


def cached(name: str, settings: Settings, make: Callable[[], dict[str, Runs]]) -> dict[str, Runs]:
    """Return what `make` makes, from the file of an earlier run with the same settings and code if there is one."""
    code = sorted(path for path in (ROOT / "recurrent").rglob("*") if path.suffix in (".py", ".c", ".h"))
    digest = hashlib.sha256(repr(settings).encode())
    for path in [*code, *sorted((ROOT / "benchmarks").glob("exercise*.py"))]:
        digest.update(path.read_bytes())
    file = CACHE / f"{name}-{digest.hexdigest()}.json"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(make())
        file.write_text(text)
    found: dict[str, Runs] = json.loads(file.read_text())
    return found


def compared(changes: dict[str, Any], seeds: Sequence[int], controls: bool) -> dict[str, Runs]:
    """Return `compare`'s runs for changed settings, made once."""
    settings = with_changes(changes)
    name = f"{settings.simulate.seed}-{len(seeds)}-{controls}"
    return cached(name, settings, lambda: compare(settings, seeds=seeds, controls=controls))
