"""Train a forecaster: data/quake/windows -> data/quake/model/, plots/quake/history.csv.

Interrupted, it resumes after the last complete epoch when it is started again, and ends with the same bits.
"""

import os
import sys
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

import torch

from recurrent.cells.kernels import threads
from recurrent.config import schema
from recurrent.config.stage import run
from recurrent.network.model_file import model_path
from recurrent.storage.digest import write_sealed
from recurrent.train import checkpoint
from recurrent.train.history import History, training_summary
from recurrent.train.setup import new_forecaster
from recurrent.train.trainer import Epoch, Trainer
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
    summaries, checkpoints = [], []
    for split, member in runs:
        if len(runs) > 1:
            print(f"split {split + 1} of {len(splits)}, member {member + 1} of {params.train.members}")
        log = history if split == member == 0 else model.with_name(f"history-{split}-{member}.csv")
        summary, saved = _train(params, splits[split], split, member, model_path(model, split, member), log)
        summaries.append(summary)
        checkpoints.append(saved)
    for saved in checkpoints:  # not before: an interrupted run trains no network twice
        saved.remove()
    summary = summaries[0] | ({"others": summaries[1:]} if summaries[1:] else {})
    write_sealed(model.with_name("training.json"), summary, [history])


def _train(
    params: Params, data: Windows, split: int, member: int, model: Path, history: Path
) -> tuple[dict[str, Any], checkpoint.Checkpoint]:
    """Train one network, or resume its training; return how it ended, and its checkpoint."""
    seed = params.seed + 1009 * split + 100003 * member
    network = new_forecaster(params.model, data, seed=seed, backend=params.train.backend)
    threads.use(params.train.threads)
    torch.set_num_threads(1 if network.backend == "c" else params.train.threads)  # pools disturb each other
    if split == member == 0 and network.backend != "c":
        print(f"backend {network.backend}: last bits depend on this CPU; with backend c they do not")
    trainer = Trainer(network, data, params.train, seed=seed)
    saved = checkpoint.Checkpoint(CHECKPOINTS, _fingerprint(params, data, [split, member], network.backend))
    if state := saved.load():
        trainer.restore(state)
        print(f"resuming after epoch {len(trainer.history)} of an interrupted run")
    train = params.train
    with History(history, trainer.history, max_epochs=train.max_epochs, target_delta=train.target_delta) as log:

        def after_epoch(row: Epoch) -> None:
            log.add(row)
            saved.save(trainer.state())

        trainer.run(after_epoch)
    network.save(model)
    print(f"stopped by {trainer.stopped_by} after {len(trainer.history)} epochs, best: {trainer.best_epoch}")
    return training_summary(trainer), saved


def _fingerprint(params: Params, data: Windows, run: list[int], backend: str) -> str:
    parameters = asdict(params) | {"windows": data.steps.digest, "run": run}
    del parameters["train"]["max_epochs"]  # a longer run begins like a shorter one
    parameters["train"]["backend"] = backend  # the one in use, which auto does not tell
    ours = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "recurrent"}
    code = {Path(module.__file__) for module in ours.values() if module.__file__}
    code |= {source for path in code for source in path.parent.glob("*.[ch]")}
    return checkpoint.fingerprint(parameters=parameters, code=code)


if __name__ == "__main__":
    run(main)
