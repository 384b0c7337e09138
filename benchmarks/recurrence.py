"""The manual cell's backends against nn.RNN and the textbook loop: training steps and inference, in one process.

    python -m benchmarks.recurrence [--json FILE] [--picture FILE] [--rounds N] [--quick]

Forward, backward and Adam, a linear head included; 1 feature, 1 thread, float32, in turn. For each shape the median of
the rounds in processor time, which other programs on the machine disturb less than wall-clock time; over the shapes
the geometric mean of the peer's time divided by the backend's. nn.LSTM and nn.GRU are included for comparison.
"""

import argparse
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from benchmarks import _results
from recurrent.network.forecaster import new_cell, outputs
from recurrent.train.adam import Adam

SHAPES = [*product((32, 64, 128), (64, 256), (100, 200, 400))]  # H, B, T
BACKENDS = ("reference", "numpy", "c")
PEERS = ("rnn", "lstm", "gru")
ROUNDS = 7
SLOW, SLOW_ROUNDS = ("nn_lstm", "nn_gru"), 2  # for comparison only, so fewer rounds
PRODUCTS = 6 / 2  # of (B, H) by (H, H), each 2 B H H operations: forward, backward, weights


class Textbook(nn.Module):
    """The recurrence as tutorials write it: one Linear over the concatenation of x and the state, step by step."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.hidden_size, self.linear = hidden_size, nn.Linear(input_size + hidden_size, hidden_size)

    def forward(self, x_BTD: Tensor) -> tuple[Tensor, Tensor]:
        h_BH, states = torch.zeros(len(x_BTD), self.hidden_size), []
        for t in range(x_BTD.shape[1]):
            h_BH = torch.tanh(self.linear(torch.cat([x_BTD[:, t], h_BH], dim=1)))
            states.append(h_BH)
        return torch.stack(states, dim=1), h_BH


def candidates(hidden_size: int) -> dict[str, nn.Module]:
    """Return name -> cell."""
    sizes = {"input_size": 1, "hidden_size": hidden_size, "num_layers": 1}
    ours = {name: new_cell("manual", **sizes, backend=name) for name in BACKENDS}
    if missing := [name for name in BACKENDS if ours[name].backend != name]:
        raise SystemExit(f"this machine has no backend {missing[0]}")
    return {"textbook": Textbook(1, hidden_size), **{f"nn_{n}": new_cell(n, **sizes) for n in PEERS}, **ours}


def actions(cell: nn.Module, hidden_size: int, x_BTD: Tensor, y_BT1: Tensor) -> dict[str, Callable[[], object]]:
    """Return the functions to be timed: one training step, and inference."""
    head = nn.Linear(hidden_size, 1)
    optimizer = Adam([*cell.parameters(), *head.parameters()])

    def train() -> None:
        optimizer.zero_grad()
        (outputs(cell, head, x_BTD) - y_BT1).abs().sum(dim=(1, 2)).mean().backward()
        optimizer.step(1e-3)

    @torch.inference_mode()
    def inference() -> None:
        outputs(cell, head, x_BTD)

    return {"train": train, "inference": inference}


def measure(hidden_size: int, batch_size: int, seq_len: int, rounds: int) -> dict[str, dict[str, float]]:
    """Return median seconds: train or inference -> name -> s."""
    torch.manual_seed(0)
    x, y = torch.randn(batch_size, seq_len, 1), torch.randn(batch_size, seq_len, 1)
    todo = {name: actions(cell, hidden_size, x, y) for name, cell in candidates(hidden_size).items()}
    seconds = {kind: {name: list[float]() for name in todo} for kind in ("train", "inference")}
    for round_ in range(rounds + 1):
        for (name, runs), kind in product(todo.items(), seconds):
            if name in SLOW and round_ > SLOW_ROUNDS:
                continue
            begin = time.thread_time()
            runs[kind]()
            if round_:  # the first one warms up
                seconds[kind][name].append(time.thread_time() - begin)
    return {kind: {name: float(np.median(s)) for name, s in of.items()} for kind, of in seconds.items()}


def peak(rounds: int = 20, n: int = 768) -> float:
    """Return the operations per second of torch's product of square matrices on one core: the upper limit."""
    a, best = torch.randn(n, n), np.inf
    for _ in range(rounds):
        begin = time.thread_time()
        torch.mm(a, a)
        best = min(best, time.thread_time() - begin)
    return float(2 * n**3 / best)


def summary(rows: list[dict]) -> dict[str, float]:
    """Return geometric means over the shapes: times as fast as nn.RNN, and as the textbook loop."""

    def ratio(kind: str, peer: str, ours: str) -> float:
        return float(np.exp(np.mean([np.log(row[kind][peer] / row[kind][ours]) for row in rows])))

    pairs = [(kind, "nn_rnn", name) for kind in ("train", "inference") for name in ("textbook", *BACKENDS)]
    pairs += [(kind, "textbook", "c") for kind in ("train", "inference")]
    # a kernel that did nothing but the matrix products, at peak speed: no kernel on this core can be faster
    ceiling = float(np.exp(-np.mean([np.log(row["share_of_peak"]["nn_rnn"]) for row in rows])))
    ratios = {f"{kind}.{ours}_vs_{peer}": ratio(kind, peer, ours) for kind, peer, ours in pairs}
    return {**ratios, "train.ceiling_vs_nn_rnn": ceiling}


def draw(result: dict, path: Path) -> None:
    """Draw bars: how many times as fast as nn.RNN a training step is, by shape."""
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    axes, rows = figure.subplots(), result["cells"]
    colours = {"textbook": "#767676", "reference": "#E69F00", "numpy": "#0072B2", "c": "#009E73"}
    for i, (name, colour) in enumerate(colours.items()):
        ratios = [row["train"]["nn_rnn"] / row["train"][name] for row in rows]
        axes.bar(np.arange(len(rows)) + 0.2 * i - 0.3, ratios, 0.2, color=colour, label=name)
    axes.axhline(1, color="black", linewidth=0.8)
    axes.set_xticks(range(len(rows)), [f"{r['hidden']}\n{r['batch']}\n{r['seq']}" for r in rows])
    axes.set(xlabel="hidden size, batch, sequence", ylabel="times as fast as nn.RNN")
    axes.set_title(f"A training step, one thread, {result['cpu']}")
    axes.legend(frameon=False, ncols=4)
    figure.savefig(path, dpi=110, metadata={"Software": None})


def main() -> None:
    """Measure, print a table, write JSON and a picture if requested."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    _results.add_arguments(parser)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--quick", action="store_true", help="the shortest sequences only")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    best, rows = peak(), []
    for hidden, batch, seq in [shape for shape in SHAPES if shape[2] == 100 or not arguments.quick]:
        row = {"hidden": hidden, "batch": batch, "seq": seq, **measure(hidden, batch, seq, arguments.rounds)}
        row["share_of_peak"] = {
            name: 2 * PRODUCTS * batch * seq * hidden**2 / row["train"][name] / best for name in ("nn_rnn", *BACKENDS)
        }
        rows.append(row)
        print(
            f"hidden {hidden:>3}, batch {batch:>3}, seq {seq:>3}: "
            + "  ".join(f"{n} {s * 1e3:.1f}" for n, s in row["train"].items())
            + f" ms; c at {row['share_of_peak']['c']:.0%} of the peak",
            flush=True,
        )
    result = summary(rows) | {
        "gemm_gflops": best / 1e9,
        "rounds": arguments.rounds,
        "cells": rows,
        "cpu": _results.cpu(),
    }
    result["versions"] = {"torch": torch.__version__, "numpy": np.__version__}
    print("\n".join(f"{name:<32} {value:.2f}" for name, value in result.items() if isinstance(value, float)))
    _results.save(result, arguments, draw)


if __name__ == "__main__":
    main()
