"""Train a forecaster: data/quake/windows -> data/quake/model/, plots/quake/history.csv.

Killed, it goes on where it was when it is started again, and ends with the same bits.
"""

import os
import sys
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

import torch

import stages
from recurrent.cells.kernels import threads
from recurrent.config import schema
from recurrent.network.model_file import place
from recurrent.storage.tables import write_json
from recurrent.train import checkpoint
from recurrent.train.history import narrate, outcome, record
from recurrent.train.trainer import Trainer, untrained
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
    endings, states = [], []
    for split, member in runs:
        if len(runs) > 1:
            print(f"split {split + 1} of {len(splits)}, member {member + 1} of {params.train.members}")
        log = history if split == member == 0 else model.with_name(f"history-{split}-{member}.csv")
        ending, state = _train(params, splits[split], split, member, place(model, split, member), log)
        endings.append(ending)
        states.append(state)
    for state in states:  # not before: a run that is killed trains no network twice
        state.remove()
    write_json(model.with_name("training.json"), endings[0] | ({"others": endings[1:]} if endings[1:] else {}))


def _train(
    params: Params, data: Windows, split: int, member: int, model: Path, history: Path
) -> tuple[dict[str, Any], checkpoint.Checkpoint]:
    """Train one network, or go on with it; say how it ended and where its state lies."""
    seed = params.seed + 1009 * split + 100003 * member
    network = untrained(params.model, data, seed=seed, backend=params.train.backend)
    threads.use(params.train.threads)
    torch.set_num_threads(1 if network.backend == "c" else params.train.threads)  # pools disturb each other
    if split == member == 0 and network.backend != "c":
        print(f"backend {network.backend}: last bits depend on this CPU; with backend c they do not")
    trainer = Trainer(network, data, params.train, seed=seed)
    saved = checkpoint.Checkpoint(CHECKPOINTS, _fingerprint(params, data, [split, member], network.backend))
    if state := saved.load():
        trainer.restore(state)
        print(f"going on after epoch {len(trainer.history)} of an earlier run that was stopped")
    knobs = params.train
    epochs = record(history, list(trainer.history), trainer.epochs())
    for _ in narrate(epochs, max_epochs=knobs.max_epochs, target_delta=knobs.target_delta):
        saved.save(trainer.state())
    network.save(model)
    ending = outcome(trainer)
    print(f"stopped by {ending['stopped_by']} after {ending['epochs']} epochs, best: {ending['best']['epoch']}")
    return ending, saved


def _fingerprint(params: Params, data: Windows, run: list[int], backend: str) -> str:
    parameters = asdict(params) | {"windows": data.meta, "run": run}
    del parameters["train"]["max_epochs"]  # a longer run begins like a shorter one
    parameters["train"]["backend"] = backend  # the one in use, which auto does not tell
    ours = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "recurrent"}
    code = {Path(module.__file__) for module in ours.values() if module.__file__}
    code |= {source for path in code for source in path.parent.glob("*.[ch]")}
    return checkpoint.fingerprint(parameters=parameters, code=code)


if __name__ == "__main__":
    stages.run(main)
