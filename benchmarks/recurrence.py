"""The hand-made cells against torch's: training steps and inference, in one process.

    python -m benchmarks.recurrence [--json FILE] [--picture FILE] [--rounds N] [--quick]

Forward, backward and Adam, a linear head included; 1 feature, 1 thread, float32, in turn. For each shape the median of
the rounds, in seconds of the processor, which neighbours on the machine disturb less than those of the clock; over the
shapes the geometric mean of the peer's time over the backend's. The ceiling is the core's own product of matrices: as
fast as the products of forward, backward and weights could be. Then one sequence step by step, a live forecast, and two
threads against one.
"""

import argparse
import time
from collections.abc import Callable, Iterable
from itertools import product
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from benchmarks import _results
from recurrent.cells.kernels import threads
from recurrent.network.forecaster import new_cell, outputs
from recurrent.train.adam import Adam

SHAPES = [*product((32, 64, 128), (64, 256), (100, 200, 400))]  # H, B, T
BACKENDS = ("reference", "numpy", "c")  # of the manual cell
GATES = {"gru": 3, "lstm": 4}  # cells with products of as many times the manual cell's width
PEERS = {"nn_rnn": nn.RNN, "nn_gru": nn.GRU, "nn_lstm": nn.LSTM}
ROUNDS, ROUNDS_OF_GATES = 7, 3  # those are slow
PRODUCTS = 6 / 2  # of (B, H) by (H, H), each 2 B H H operations: forward, backward, weights
STEPS = 300  # of one sequence, one by one


class Textbook(nn.Module):
    """The recurrence as tutorials write it: one Linear over the concatenation of x and the state, step by step."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.hidden_size, self.linear = hidden_size, nn.Linear(input_size + hidden_size, hidden_size)

    def forward(self, x_BTD: Tensor) -> tuple[Tensor, Tensor]:
        h_BH, states = x_BTD.new_zeros(len(x_BTD), self.hidden_size), []
        for t in range(x_BTD.shape[1]):
            h_BH = torch.tanh(self.linear(torch.cat([x_BTD[:, t], h_BH], dim=1)))
            states.append(h_BH)
        return torch.stack(states, dim=1), h_BH


def candidates(hidden_size: int) -> dict[str, nn.Module]:
    """Return name -> cell."""
    sizes = {"input_size": 1, "hidden_size": hidden_size, "num_layers": 1}
    ours = {name: new_cell("manual", **sizes, backend=name) for name in BACKENDS}
    ours |= {f"c_{name}": new_cell(name, **sizes, backend="c") for name in GATES}
    if missing := [name for name in ours if ours[name].backend != name.partition("_")[0]]:
        raise SystemExit(f"this machine has no backend {missing[0]}")
    peers = {name: peer(1, hidden_size, batch_first=True) for name, peer in PEERS.items()}
    return {"textbook": Textbook(1, hidden_size), **peers, **ours}


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
            if name.endswith(tuple(GATES)) and round_ > ROUNDS_OF_GATES:
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


def one_by_one(hidden_size: int, rounds: int) -> dict[str, float]:
    """Microseconds that a step of one sequence takes when it comes alone."""
    cells = {n: cell for n, cell in candidates(hidden_size).items() if n.startswith(("nn_", "c"))}
    x_11D, best = torch.randn(1, 1, 1), dict.fromkeys(cells, np.inf)
    for _, (name, cell) in product(range(rounds), cells.items()):
        with torch.inference_mode():
            _, state = cell(x_11D)
            begin = time.perf_counter()
            for _ in range(STEPS):
                _, state = cell(x_11D, state)
            best[name] = min(best[name], (time.perf_counter() - begin) / STEPS * 1e6)
    return best


def two_threads(rounds: int, shape: tuple[int, int, int] = (64, 256, 200)) -> float:
    """How many times faster, by the clock, two threads are than one."""
    hidden_size, batch_size, seq_len = shape
    x, y = torch.randn(batch_size, seq_len, 1), torch.randn(batch_size, seq_len, 1)
    train = actions(candidates(hidden_size)["c"], hidden_size, x, y)["train"]
    best = {1: np.inf, 2: np.inf}
    for _, count in product(range(3 * rounds), best):
        threads.use(count)
        begin = time.perf_counter()
        train()
        best[count] = min(best[count], time.perf_counter() - begin)
    threads.use(1)
    return float(best[1] / best[2])


def geometric_mean(values: Iterable[float]) -> float:
    """Give the mean of ratios."""
    return float(np.exp(np.mean(np.log([*values]))))


def summary(rows: list[dict]) -> dict[str, float]:
    """Geometric means over the shapes: how many times faster than torch's cell and the textbook loop; shares."""
    pairs = [("nn_rnn", name) for name in ("textbook", *BACKENDS)] + [("textbook", "c")]
    names = {(peer, ours): f"{ours}_vs_{peer}" for peer, ours in pairs}
    names |= {(f"nn_{name}", f"c_{name}"): f"c_vs_nn_{name}" for name in GATES}
    found = {
        f"{kind}.{name}": geometric_mean(row[kind][peer] / row[kind][ours] for row in rows)
        for kind in ("train", "inference")
        for (peer, ours), name in names.items()
    }
    # as fast as the products alone could be, with nothing between them: what no kernel on this core can exceed
    shares = {name: geometric_mean(row["share_of_peak"][name] for row in rows) for name in rows[0]["share_of_peak"]}
    found |= {f"train.{name}_share_of_ceiling": shares[name] for name in shares if name.startswith("c")}
    return found | {"train.ceiling_vs_nn_rnn": 1 / shares["nn_rnn"]}


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
    print(f"{_results.cpu()}; ceiling: {best / 1e9:.0f} GFLOP/s a core", flush=True)
    for hidden, batch, seq in [shape for shape in SHAPES if shape[2] == 100 or not arguments.quick]:
        row = {"hidden": hidden, "batch": batch, "seq": seq, **measure(hidden, batch, seq, arguments.rounds)}
        row["share_of_peak"] = {
            name: 2 * PRODUCTS * GATES.get(name[2:], 1) * batch * seq * hidden**2 / row["train"][name] / best
            for name in ("nn_rnn", *BACKENDS, *(f"c_{name}" for name in GATES))
        }
        rows.append(row)
        print(
            f"hidden {hidden:>3}, batch {batch:>3}, seq {seq:>3}: "
            + "  ".join(f"{n} {s * 1e3:.1f}" for n, s in row["train"].items())
            + " ms; of the ceiling: "
            + "  ".join(f"{n} {share:.0%}" for n, share in row["share_of_peak"].items() if n.startswith("c")),
            flush=True,
        )
    result = summary(rows) | {
        "gemm_gflops": best / 1e9,
        "rounds": arguments.rounds,
        "cells": rows,
        "cpu": _results.cpu(),
    }
    result["one_step_us"] = {hidden: one_by_one(hidden, arguments.rounds) for hidden in sorted({s[0] for s in SHAPES})}
    for hidden, times in result["one_step_us"].items():
        print(
            f"hidden {hidden:>3}, one sequence: " + "  ".join(f"{n} {us:.0f}" for n, us in times.items()) + " us a step"
        )
    result["train.two_threads_vs_one"] = two_threads(arguments.rounds)
    result["versions"] = {"torch": torch.__version__, "numpy": np.__version__}
    print("\n".join(f"{name:<32} {value:.2f}" for name, value in result.items() if isinstance(value, float)))
    _results.save(result, arguments, draw)


if __name__ == "__main__":
    main()
