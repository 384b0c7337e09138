"""The manual cell on a GPU: cuDNN's layer against the textbook loop, nn.RNN and the loop as a CUDA graph.

    python -m benchmarks.gpu [--json FILE] [--rounds N] [--epochs 45]

Training steps (forward, backward, torch's Adam) of the shapes of benchmarks/recurrence.py, in turn, by the clock after
the device is done; then whole trainings at the size of the default exercise, with the kernel in C on the CPU beside
them. Without CUDA it says so and measures nothing.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks import _results
from benchmarks.recurrence import SHAPES, Textbook, geometric_mean
from recurrent.network.forecaster import new_cell, outputs

WINDOWS, BATCH, STEPS, HIDDEN = 2804, 64, 100, 32  # of the default exercise
WARM_UP = 3  # steps before a graph is captured, as PyTorch's documentation asks
Step = Callable[[Tensor, Tensor], Tensor]  # x, y (B, T, 1) -> loss


def step_of(cell: nn.Module, hidden_size: int, device: str) -> Step:
    """Return a training step of a cell and a head: it changes their weights and gives the loss, on the device."""
    cell, head = cell.to(device), nn.Linear(hidden_size, 1).to(device)
    weights = [*cell.parameters(), *head.parameters()]
    optimizer = torch.optim.Adam(weights, lr=1e-3, capturable=device == "cuda")

    def step(x_BT1: Tensor, y_BT1: Tensor) -> Tensor:
        optimizer.zero_grad()
        loss = (outputs(cell, head, x_BT1) - y_BT1).abs().sum(dim=(1, 2)).mean()
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


def captured(step: Step, x_BT1: Tensor, y_BT1: Tensor) -> Step:
    """Return the step as a CUDA graph: launched at once, without Python between its kernels."""
    own_x, own_y, side = x_BT1.clone(), y_BT1.clone(), torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(WARM_UP):
            step(own_x, own_y)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        loss = step(own_x, own_y)

    def replay(x_BT1: Tensor, y_BT1: Tensor) -> Tensor:
        own_x.copy_(x_BT1)
        own_y.copy_(y_BT1)
        graph.replay()
        return loss

    return replay


def candidates(hidden_size: int, device: str, x_BT1: Tensor, y_BT1: Tensor) -> Iterator[tuple[str, Step]]:
    """Yield name, training step; the graph on a GPU only."""
    manual = new_cell("manual", input_size=1, hidden_size=hidden_size, num_layers=1, backend="auto")
    yield "manual", step_of(manual, hidden_size, device)
    yield "nn_rnn", step_of(nn.RNN(1, hidden_size, batch_first=True), hidden_size, device)
    yield "textbook", step_of(Textbook(1, hidden_size), hidden_size, device)
    if device == "cuda":
        yield "graph", captured(step_of(Textbook(1, hidden_size), hidden_size, device), x_BT1, y_BT1)


def seconds(action: Callable[[], object], device: str) -> float:
    """Return how long an action takes until the device is done."""
    begin = time.perf_counter()
    action()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - begin


def measure(device: str, shape: tuple[int, int, int], rounds: int) -> dict[str, float]:
    """Return the median seconds of a training step: name -> s."""
    hidden, batch, seq = shape
    x, y = torch.randn(batch, seq, 1, device=device), torch.randn(batch, seq, 1, device=device)
    todo = dict(candidates(hidden, device, x, y))
    found: dict[str, list[float]] = {name: [] for name in todo}
    for _, (name, step) in product(range(rounds + 1), todo.items()):
        found[name].append(seconds(lambda step=step: step(x, y), device))  # type: ignore[misc]
    return {name: float(np.median(times[1:])) for name, times in found.items()}  # the first one warms up


def trainings(device: str, epochs: int) -> dict[str, float]:
    """Return the seconds of whole trainings of the default exercise's size: name -> s; the data lie on the device."""
    x = torch.randn(WINDOWS, STEPS, 1, device=device)
    y = x.cumsum(dim=1) / STEPS**0.5

    def train(step: Step) -> None:
        for _ in range(epochs):
            for rows in torch.randperm(WINDOWS, device=device).split(BATCH)[: WINDOWS // BATCH]:
                step(x[rows], y[rows])

    todo = candidates(HIDDEN, device, x[:BATCH], y[:BATCH])
    return {name: seconds(lambda step=step: train(step), device) for name, step in todo}  # type: ignore[misc]


def main() -> None:
    """Measure and print; write JSON if requested."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--epochs", type=int, default=45)
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        print(f"skipped: torch {torch.__version__} finds no CUDA device, so there is nothing to measure")
        return
    torch.set_num_threads(1)
    gpu, steps = torch.cuda.get_device_name(), {shape: measure("cuda", shape, arguments.rounds) for shape in SHAPES}
    print(f"{gpu}, torch {torch.__version__}, CUDA {torch.version.cuda}; milliseconds of a training step")
    for (hidden, batch, seq), times in steps.items():
        row = "  ".join(f"{name} {s * 1e3:.2f}" for name, s in times.items())
        print(f"hidden {hidden:>3}, batch {batch:>3}, seq {seq:>3}: {row}")
    ratios = {
        f"manual_vs_{peer}": geometric_mean(times[peer] / times["manual"] for times in steps.values())
        for peer in ("nn_rnn", "textbook", "graph")
    }
    whole = trainings("cuda", arguments.epochs) | {"manual_cpu": trainings("cpu", arguments.epochs)["manual"]}
    print("\n".join(f"{name:<20} {ratio:.2f}" for name, ratio in ratios.items()))
    print(f"seconds of {arguments.epochs} epochs: " + "  ".join(f"{name} {s:.1f}" for name, s in whole.items()))
    rows = [{"hidden": h, "batch": b, "seq": t, "train": times} for (h, b, t), times in steps.items()]
    result = {"gpu": gpu, "cells": rows, **ratios, "training_seconds": whole, "epochs": arguments.epochs}
    _results.save(result, argparse.Namespace(json=arguments.json, picture=None), lambda *_: None)


if __name__ == "__main__":
    main()
