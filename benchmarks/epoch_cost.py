"""Measure time and peak memory of a training epoch of one configuration, in a process of its own.

    python -m benchmarks.epoch_cost data/quake/windows --params params.yaml

Seconds are those of the fastest of some epochs, as other programs can only add to them; memory is the peak resident
size (MB, Linux).
No output of the pipeline contains them: two runs never take the same time, and their dvc.lock must be equal.
"""

import argparse
import json
import re
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from recurrent.cells.kernels import ranks, threads
from recurrent.config import reader as params
from recurrent.config.schema import Settings
from recurrent.train.setup import new_forecaster
from recurrent.train.trainer import Trainer
from recurrent.window.windows import Windows

EPOCHS = 8  # measured after a first one that warms up


def measure(windows: Path, settings: Settings, epochs: int = EPOCHS) -> dict[str, float]:
    """Train for some epochs; return {"seconds": of one epoch, "megabytes": peak of this process}."""
    data = Windows.open(windows)
    with ranks.joined(settings.train.processes, batch_size=data.parts["train"].batch_size):
        return _measure(data, settings, epochs)


def _measure(data: Windows, settings: Settings, epochs: int) -> dict[str, float]:
    network = new_forecaster(settings.model, data, seed=settings.seed, backend=settings.train.backend)
    threads.use(settings.train.threads)
    torch.set_num_threads(threads.of_torch(network.backend))
    train_params = replace(settings.train, max_epochs=epochs + 1, target_delta=0.0, patience=epochs + 1)
    times = [time.perf_counter()]
    Trainer(network, data, train_params, seed=settings.seed).run(lambda _: times.append(time.perf_counter()))
    # not ru_maxrss: a child inherits its parent's
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return {"seconds": float(np.diff(times)[1:].min()), "megabytes": int(peak[1]) / 1024 if peak else float("nan")}


def main() -> None:
    """Print the measurement as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("windows", type=Path)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    arguments = parser.parse_args()
    print(json.dumps(measure(arguments.windows, params.read(arguments.params, Settings))))


if __name__ == "__main__":
    main()
