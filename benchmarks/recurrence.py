"""One training step of the manual cell against nn.RNN and the textbook loop, in one process, in turn.

    python -m benchmarks.recurrence [--json FILE]

Forward, backward and Adam; 1 feature, 1 thread, float32; the median of the rounds for each shape, and the
geometric mean over the shapes of nn.RNN's time over each one's.
"""

import argparse
import json
import platform
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from recurrent.cells import manual, rnn

SHAPES = [(32, 64, 100), (32, 64, 200), (64, 64, 100), (128, 64, 100), (32, 256, 100)]  # H, B, T
ROUNDS = 7


class Textbook(nn.Module):
    """The recurrence as tutorials write it: x and the state side by side through one Linear, step by step."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.hidden_size, self.linear = hidden_size, nn.Linear(input_size + hidden_size, hidden_size)

    def forward(self, x_BTD: Tensor) -> tuple[Tensor, Tensor]:
        h_BH, states = torch.zeros(len(x_BTD), self.hidden_size), []
        for t in range(x_BTD.shape[1]):
            h_BH = torch.tanh(self.linear(torch.cat([x_BTD[:, t], h_BH], dim=1)))
            states.append(h_BH)
        return torch.stack(states, dim=1), h_BH


def step(cell: nn.Module, hidden_size: int, x_BTD: Tensor, y_BT1: Tensor) -> Callable[[], None]:
    """Make a function that trains `cell` and a head by one step."""
    head = nn.Linear(hidden_size, 1)
    optimizer = torch.optim.Adam([*cell.parameters(), *head.parameters()])

    def run() -> None:
        optimizer.zero_grad()
        (head(cell(x_BTD)[0]) - y_BT1).abs().sum(dim=(1, 2)).mean().backward()
        optimizer.step()

    return run


def measure(hidden_size: int, batch_size: int, seq_len: int) -> dict[str, float]:
    """Median seconds of a step: name -> s."""
    torch.manual_seed(0)
    x, y = torch.randn(batch_size, seq_len, 1), torch.randn(batch_size, seq_len, 1)
    cells = {
        "nn_rnn": rnn.Cell(1, hidden_size),
        "manual": manual.Cell(1, hidden_size),
        "textbook": Textbook(1, hidden_size),
    }
    steps = {name: step(cell, hidden_size, x, y) for name, cell in cells.items()}
    seconds: dict[str, list[float]] = {name: [] for name in cells}
    for round_ in range(ROUNDS + 1):
        for name, run in steps.items():
            begin = time.perf_counter()
            run()
            if round_:  # the first one warms up
                seconds[name].append(time.perf_counter() - begin)
    return {name: float(np.median(values)) for name, values in seconds.items()}


def main() -> None:
    """Measure, print a table, write JSON where asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = [{"hidden": h, "batch": b, "seq": t, **measure(h, b, t)} for h, b, t in SHAPES]
    for row in rows:
        print("  ".join(f"{k} {v * 1e3:.1f} ms" if isinstance(v, float) else f"{k} {v}" for k, v in row.items()))
    ratios = {
        f"train.{name}_vs_nn_rnn": float(np.exp(np.mean([np.log(row["nn_rnn"] / row[name]) for row in rows])))
        for name in ("manual", "textbook")
    }
    print("\n".join(f"{name}: {ratio:.2f}" for name, ratio in ratios.items()))
    if arguments.json:
        about = {"cpu": platform.processor() or platform.machine(), "versions": {"torch": torch.__version__}}
        arguments.json.write_text(json.dumps(ratios | {"cells": rows} | about, indent=2) + "\n")


if __name__ == "__main__":
    main()
