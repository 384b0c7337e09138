"""The exercise as one plain script, as a good student would write it: the peer in benchmarks/pipeline.py.

    python -m benchmarks.plain_script RECORDING.csv MODEL.pt --params params.yaml

pandas reads the file at once, numpy makes the windows, the recurrence is `tanh(Linear(cat(x, h)))` step by step, Adam
minimises the absolute error summed over the steps. Split, statistic, batch size, learning rate, clipping and epochs
are the pipeline's; the epoch with the lowest validation error is kept. No checks, no resuming, no baselines.
"""

import time

BEGIN = time.perf_counter()

import argparse  # noqa: E402 - the imports are part of the time
import json  # noqa: E402
from pathlib import Path  # noqa: E402

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import torch  # noqa: E402
import yaml  # noqa: E402
from torch import nn  # noqa: E402


class Network(nn.Module):
    """A recurrent layer and a head made of nn.Linear; x (B, T, 1) -> outputs (B, T, 1)."""

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.hidden_size = hidden_size
        self.hidden, self.head = nn.Linear(1 + hidden_size, hidden_size), nn.Linear(hidden_size, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h, states = torch.zeros(len(x), self.hidden_size), []
        for t in range(x.shape[1]):
            h = torch.tanh(self.hidden(torch.cat([x[:, t], h], dim=1)))
            states.append(h)
        return self.head(torch.stack(states, dim=1))


def main() -> None:
    """Read, make windows, train, test; print the seconds of each and the error as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("csv", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("--params", type=Path, required=True)
    arguments = parser.parse_args()
    params = yaml.safe_load(arguments.params.read_text())
    window, training, seq_len = params["window"], params["train"], params["seq_len"]
    torch.set_num_threads(1 if training["threads"] == "auto" else training["threads"])
    torch.manual_seed(params["seed"])
    marks = [time.perf_counter()]

    table = pd.read_csv(arguments.csv)
    sound, left = (table[name].to_numpy() for name in ("acoustic_data", "time_to_failure"))
    marks.append(time.perf_counter())

    samples = window["samples_per_step"]
    steps = len(sound) // samples
    x = np.log(sound[: steps * samples].reshape(steps, samples).std(axis=1))
    y = left[: steps * samples].reshape(steps, samples)[:, -1]
    bounds = [0, *(np.flatnonzero(np.diff(left) > 0) + 1), len(left)]
    cycles = len(bounds) - 1
    first = round(cycles * window["train_fraction"])
    second = first + round(cycles * window["validation_fraction"])
    spans = [
        (-(-bounds[a] // samples), bounds[b] // samples) for a, b in ((0, first), (first, second), (second, cycles))
    ]
    of_train = slice(*spans[0])
    x = (x - x[of_train].mean()) / x[of_train].std()
    mean, spread = y[of_train].mean(), y[of_train].std()

    def make_windows(begin: int, end: int) -> tuple[torch.Tensor, torch.Tensor]:
        begin = max(0, begin - seq_len + 1)  # what lies before a part is past: its windows may read it, train has none
        both = np.stack([x[begin:end], (y[begin:end] - mean) / spread], axis=1).astype(np.float32)
        views = np.lib.stride_tricks.sliding_window_view(both, seq_len, axis=0)[:: window["stride"]]
        tensor = torch.from_numpy(np.ascontiguousarray(views.transpose(0, 2, 1)))
        return tensor[..., :1], tensor[..., 1:]

    (train_x, train_y), (validation_x, validation_y), (test_x, test_y) = (make_windows(*span) for span in spans)
    marks.append(time.perf_counter())

    network = Network(params["model"]["hidden_size"])
    optimizer = torch.optim.Adam(network.parameters(), lr=training["learning_rate"])
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, training["learning_rate_decay"])
    size, best, best_weights = window["batch_size"], np.inf, {}

    def mean_delta(x: torch.Tensor, y: torch.Tensor) -> float:
        with torch.inference_mode():
            predicted = torch.cat([network(part)[:, -1] for part in x.split(size)]) * spread + mean
        label = y[:, -1] * spread + mean
        return float((predicted - label).abs().sum() / label.abs().sum())

    for _ in range(training["max_epochs"]):
        order = torch.randperm(len(train_x))
        for numbers in order[: len(order) // size * size].split(size):
            loss = (network(train_x[numbers]) - train_y[numbers]).abs().sum(dim=(1, 2)).mean()
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), training["gradient_clip"])
            optimizer.step()
        schedule.step()
        if (delta := mean_delta(validation_x, validation_y)) < best:
            best, best_weights = delta, {name: weight.clone() for name, weight in network.state_dict().items()}
    network.load_state_dict(best_weights)
    torch.save(best_weights, arguments.model)
    marks.append(time.perf_counter())

    delta = mean_delta(test_x, test_y)
    marks.append(time.perf_counter())
    names = ("start", "ingest", "window", "train", "evaluate")
    seconds = dict(zip(names, np.diff([BEGIN, *marks]).tolist(), strict=True))
    print(json.dumps({"seconds": seconds, "mean_delta": delta, "windows": len(test_x)}))


if __name__ == "__main__":
    main()
