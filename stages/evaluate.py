"""Score against unseen labels and baselines: windows, model -> metrics/quake.json, data/quake/predictions."""

from dataclasses import dataclass
from pathlib import Path

import stages
from recurrent.config import schema
from recurrent.evaluate import free_running
from recurrent.evaluate.prediction_tables import describe, rows, sheets
from recurrent.evaluate.scoring import judge, report, verdict
from recurrent.network import predictor as prediction
from recurrent.network.model_file import places
from recurrent.storage.tables import write_csv, write_excel, write_json
from recurrent.window.windows import Windows


@dataclass(frozen=True)
class Params:
    """What this stage reads from params.yaml."""

    train: schema.Train
    evaluate: schema.Evaluate


def main(params: Params, windows: Path, model: Path, metrics: Path, predictions: Path) -> None:
    """Write scores to `metrics`, and forecasts of the test part with their meaning to `predictions`."""
    data, knobs, train = Windows.open(windows), params.evaluate, params.train
    networks = [
        [prediction.load(path, backend=train.backend, threads=train.threads) for path in own]
        for own in places(model, len(data.splits))
    ]
    judged = [
        judge(split, own, ridge_penalties=knobs.ridge_penalties, moving_average=knobs.moving_average)
        for split, own in zip(data.splits, networks, strict=True)
    ]
    result, about = report(judged), describe(judged)
    write_csv(predictions / "predictions.csv", [rows(judged[0])])
    if knobs.excel:
        write_excel(predictions / "predictions.xlsx", sheets(judged[0]))
    if knobs.free_running:
        runs = free_running.short(data, networks[0], knobs.free_running)
        result["free_running"] = runs.scores()
        for name, table in free_running.tables(runs, free_running.whole(data, networks[0]), data).items():
            write_csv(predictions / f"{name}.csv", [table])
    write_json(predictions / "meta.json", about | {"verdict": verdict(result).splitlines()})
    write_json(metrics, result)
    print(verdict(result))


if __name__ == "__main__":
    stages.run(main)
