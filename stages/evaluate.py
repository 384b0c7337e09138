"""Score against unseen labels and baselines: windows, model -> metrics/quake.json, data/quake/predictions."""

from dataclasses import dataclass
from pathlib import Path

import torch

import stages
from recurrent import baselines, settings
from recurrent.evaluation import predict, report, time_axis, verdict
from recurrent.forecaster import Forecaster
from recurrent.tables import write_csv, write_json
from recurrent.windowing import PARTS, Windows


@dataclass(frozen=True)
class Params:
    """What this stage reads from params.yaml."""

    train: settings.Train
    evaluate: settings.Evaluate


def main(params: Params, windows: Path, model: Path, metrics: Path, predictions: Path) -> None:
    """Write scores to `metrics`, and forecasts of the test part with their meaning to `predictions`."""
    torch.set_num_threads(params.train.threads)
    data, network = Windows.open(windows), Forecaster.load(model, backend=params.train.backend)
    runs = {part: predict(data, part, network.predict) for part in PARTS}
    others = baselines.forecasts(data, "test", ridge_penalties=params.evaluate.ridge_penalties)
    result = report({part: scores for part, (_, scores) in runs.items()}, others, data)
    time, unit = time_axis(data, "test")
    rows = {"time": time, "actual": data.labels("test")[:, 0], "predicted": runs["test"][0], **others}
    about = {"target": data.meta["target"], "unit": data.meta["units"]["target"], "time_unit": unit}
    write_csv(predictions / "predictions.csv", [rows])
    write_json(predictions / "meta.json", about | {"verdict": verdict(result).splitlines()})
    write_json(metrics, result)
    print(verdict(result))


if __name__ == "__main__":
    stages.run(main)
