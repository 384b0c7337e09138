"""Train a forecaster: data/quake/windows -> data/quake/model/, plots/quake/history.csv.

Interrupted, it resumes after the last complete epoch when it is started again, and ends with the same bits. It runs on
`train.processes` processes, or as one of those that torchrun started; the first of them writes.
"""

import os
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import torch

from recurrent.cells.kernels import ranks, threads
from recurrent.config import schema
from recurrent.config.stage import run
from recurrent.network.model_file import model_path
from recurrent.storage.digest import write_sealed
from recurrent.train import checkpoint
from recurrent.train.calibrate import calibrate
from recurrent.train.history import History, training_summary
from recurrent.train.labels import LABELS
from recurrent.train.setup import new_forecaster
from recurrent.train.trainer import Epoch, Refit, Trainer
from recurrent.window.windows import Windows

# DVC clears outputs before a stage runs, so what must outlive a kill lies elsewhere; DVC_ROOT is
# the main checkout even when an experiment runs in a temporary copy.
CHECKPOINTS = Path(os.environ.get("DVC_ROOT", ".")) / ".cache" / "checkpoints"


@dataclass(frozen=True)
class Params:
    """What this stage reads from params.yaml."""

    seed: int
    model: schema.Model
    train: schema.Train


def main(params: Params, windows: Path, model: Path, history: Path) -> None:
    """Write the best epoch's forecaster to `model` (safetensors) and a row per epoch to `history`.

    Where there are several splits or members, the first is there, and the others beside `model`.
    """
    splits = Windows.open(windows).splits
    runs = list(product(range(len(splits)), range(params.train.members)))
    summaries: list[dict[str, Any]] = []
    checkpoints: list[checkpoint.Checkpoint] = []
    with ranks.joined(params.train.processes, batch_size=splits[0].parts["train"].batch_size):
        for split, member in runs:
            if len(runs) > 1:
                print(f"split {split + 1} of {len(splits)}, member {member + 1} of {params.train.members}")
            log = history if split == member == 0 else model.with_name(f"history-{split}-{member}.csv")
            summary, saved = _train(params, splits[split], split, member, model_path(model, split, member), log)
            summaries.append(summary)
            checkpoints += saved
    for split, data in enumerate(splits if not params.train.refit else []):
        networks = [model_path(model, split, member) for member in range(params.train.members)]
        calibrate(data, networks, backend=params.train.backend, threads=params.train.threads)
    for done in checkpoints:  # not before: an interrupted run trains no network twice
        done.remove()
    summary = summaries[0] | ({"others": summaries[1:]} if summaries[1:] else {})
    write_sealed(model.with_name("training.json"), summary, [history])


def _train(
    params: Params, data: Windows, split: int, member: int, model: Path, history: Path
) -> tuple[dict[str, Any], list[checkpoint.Checkpoint]]:
    """Train one network, twice with train.refit; return how it ended, and its checkpoints."""
    chosen, saved = _fit(params, data, [split, member], history, Trainer)
    summary, checkpoints = training_summary(chosen), [saved]
    print(f"stopped by {chosen.stopped_by} after {chosen.history[-1].epoch} epochs, best: {chosen.best_epoch}")
    if params.train.refit:
        both, log = data.with_validation(), model.with_name(f"history-refit-{split}-{member}.csv")
        print(f"anew for {chosen.best_epoch} epochs, on the windows of train and validation")
        chosen, saved = _fit(params, both, [split, member, 1], log, partial(Refit, epochs=chosen.best_epoch))
        summary["refit"] = {"epochs": chosen.best_epoch, "windows": both.parts["train"].windows}
        checkpoints.append(saved)
    if ranks.first():
        chosen.forecaster.save(model, data.meta.inputs)
    return summary, checkpoints


def _fit(
    params: Params, data: Windows, run: list[int], history: Path, kind: Callable[..., Trainer]
) -> tuple[Trainer, checkpoint.Checkpoint]:
    """Train a new network, or resume its training; `run` is split and member."""
    data = LABELS[params.train.labels](data)
    seed = params.seed + 1009 * run[0] + 100003 * run[1]
    network = new_forecaster(params.model, data, seed=seed, backend=params.train.backend)
    threads.use(params.train.threads)
    torch.set_num_threads(threads.of_torch(network.backend))
    if not any(run) and network.backend != "c":
        print(f"backend {network.backend}: last bits depend on this CPU; with backend c they do not")
    trainer = kind(network, data, params.train, seed=seed)
    fingerprint = _fingerprint(params, data, run, network.backend)
    if fingerprint != ranks.of_first(fingerprint):
        raise ValueError("the first process has another params file, other windows, other code or another torch")
    saved = checkpoint.Checkpoint(CHECKPOINTS, fingerprint)
    if state := ranks.of_first(saved.load() if ranks.first() else None):
        trainer.restore(state)
        print(f"resuming after epoch {trainer.history[-1].epoch} of an interrupted run")
    train = trainer.params
    file = history if ranks.first() else Path(os.devnull)
    with History(file, trainer.history, max_epochs=train.max_epochs, target_delta=train.target_delta) as log:

        def after_epoch(row: Epoch) -> None:
            log.add(row)
            if ranks.first():
                saved.save(trainer.state())
            ranks.of_first(None)  # waits, however long the disk takes

        try:
            trainer.run(after_epoch)
        except KeyboardInterrupt:
            epochs = [row["epoch"] for row in (saved.load() or {"history": []})["history"]]
            raise KeyboardInterrupt(f"`dvc repro` resumes after epoch {max(epochs, default=0)}") from None
    return trainer, saved


def _fingerprint(params: Params, data: Windows, run: list[int], backend: str) -> str:
    parameters = asdict(params) | {"windows": data.steps.digest, "run": run}
    del parameters["train"]["max_epochs"]  # a longer run begins like a shorter one
    parameters["train"] |= {"backend": backend, "processes": ranks.count()}  # in use
    for key in ("threads", "processes") if backend == "c" else ():  # where they change no bit
        del parameters["train"][key]
    ours = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "recurrent"}
    code = {Path(module.__file__) for module in ours.values() if module.__file__}
    code |= {source for path in code for source in path.parent.glob("*.[ch]")}
    return checkpoint.fingerprint(parameters=parameters, code=code)


if __name__ == "__main__":
    run(main)
