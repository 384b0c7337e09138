"""Networks of every kind, trained by the ranks that the command line asks for: python trained_by_ranks.py 3 FOLDER.

Prints history and weights of each as JSON; tests compare what different numbers of ranks end in.
"""

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from seeds import rng
from small_network import train
from small_windows import cut, write_series

from recurrent.cells.kernels import ranks
from recurrent.config import reader
from recurrent.config.schema import System
from recurrent.train.setup import new_forecaster
from recurrent.train.trainer import Trainer

BATCH = 40  # three shares of 12 windows, and one of 4
ROOT = Path(__file__).parents[2]
PARAMS = reader.read(ROOT / "systems" / "params.yaml", System, system="grades")
MODEL = {"hidden_size": 9, "readout": "all_steps", "dropout": 0.0, "residual": "none", "cell": "manual"}
TRAIN = {"max_epochs": 2, "patience": 9, "learning_rate": 0.02, "backend": "c", "input_noise": 0.1}
WORDS = {"input_noise": 0.0, "loss": "cross_entropy"}
LAST = {"readout": "last", "dropout": 0.3}
# name -> windows, changes of the model's section, changes of train's
SAME_BITS = {
    "manual": ("steps", {}, {}),
    "gru": ("steps", {"cell": "gru"}, {}),
    "lstm": ("steps", {"cell": "lstm"}, {}),
    "layers": ("steps", {"num_layers": 2, "dropout": 0.3}, {"weight_decay": 0.1}),
    "ridge": ("steps", {"readout": "mean", "residual": "ridge"}, {}),
    "lengths": ("groups", LAST, {}),
    "words": ("words", LAST | {"input": "embedding", "embedding_size": 5}, WORDS),
    "many_words": ("words", LAST | {"input": "multi_hot", "embedding_size": 5}, WORDS),
}
TO_ROUNDING = {
    "rnn": ("steps", {"cell": "rnn"}, {}),
    "numpy": ("steps", {"num_layers": 2}, {"backend": "numpy"}),
    "reference": ("steps", {"cell": "gru", "readout": "last"}, {"backend": "reference"}),
    "reference_of_words": ("words", LAST | {"input": "embedding"}, WORDS | {"backend": "reference"}),
}


def windows(folder, kind):
    """100 windows of 40 steps, more than a chunk of the gradient; or of 2 to 5 steps, one for each group."""
    if kind == "steps":
        signal = rng(1).normal(size=(500, 2)).round(3)
        series = write_series(folder, signal, 10 + signal[:, :1] + 0.5 * np.r_[0, signal[:-1, 0]][:, None])
        return cut(folder, series, seq_len=40, batch_size=BATCH, stride=2, fractions=(0.7, 0.2))
    group = np.repeat(np.arange(160), np.tile([5, 3, 4, 2], 40))
    words, meta = kind == "words", {"vocabulary": tuple("abcdefghi"), "classes": ("no", "yes")}
    signal = rng(0).integers(0, 9, len(group)) if words else rng(0).normal(size=len(group)).round(2)
    target = group % 2 if words else signal + 3
    about = {"target_columns": (None,) if words else (0,)} | (meta if words else {})
    series = write_series(folder, signal, target, group=group, **about)
    how = {"split": "groups", "one_window_per_group": True, "seq_len": 5, "fractions": (0.6, 0.2)}
    return cut(folder, series, batch_size=BATCH, **how)


def outcomes(folder, cases=SAME_BITS | TO_ROUNDING):
    """Train the networks; name -> losses, and the weights in hexadecimal digits."""
    found, made = {}, {}
    for name, (kind, model, changes) in cases.items():
        data = made[kind] = made.get(kind) or windows(folder / kind / str(os.getpid()), kind)  # each rank its own
        params = replace(PARAMS.train, **TRAIN | changes)
        network = new_forecaster(replace(PARAMS.model, **MODEL | model), data, seed=3, backend=params.backend)
        rows = train(Trainer(network, data, params, seed=3))
        weights = {key: weight.numpy().tobytes().hex() for key, weight in network.state_dict().items()}
        found[name] = {"losses": [[row.train_loss, row.validation_loss] for row in rows], "weights": weights}
    return found


if __name__ == "__main__":
    torch.set_num_threads(1)
    with ranks.joined(int(sys.argv[1]), batch_size=BATCH):
        print(json.dumps(outcomes(Path(sys.argv[2]))))
