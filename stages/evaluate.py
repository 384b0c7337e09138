"""Score against unseen labels and baselines: windows, model -> metrics/quake.json, data/quake/predictions."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recurrent.config import schema
from recurrent.config.stage import run
from recurrent.evaluate import free_running
from recurrent.evaluate.prediction_tables import describe, rows, sheets
from recurrent.evaluate.report import report, summary_text
from recurrent.evaluate.scoring import evaluate_split
from recurrent.network.model_file import model_paths
from recurrent.network.predictor import read_predictor
from recurrent.storage.tables import write_csv, write_excel, write_json
from recurrent.window.windows import Windows


@dataclass(frozen=True)
class Params:
    """What this stage reads from params.yaml."""

    train: schema.Train
    evaluate: schema.Evaluate


def main(params: Params, windows: Path, model: Path, metrics: Path, predictions: Path) -> None:
    """Write scores to `metrics`, and forecasts of the test part with their meaning to `predictions`."""
    data, evaluate, train = Windows.open(windows), params.evaluate, params.train
    predictors = [
        [read_predictor(path, backend=train.backend, threads=train.threads) for path in paths]
        for paths in model_paths(model, len(data.splits))
    ]
    baselines: dict[str, Any] = {
        "ridge_penalties": evaluate.ridge_penalties,
        "moving_average": evaluate.moving_average,
        "seasons": evaluate.season,
    }
    results = [evaluate_split(split, own, **baselines) for split, own in zip(data.splits, predictors, strict=True)]
    content, truth = report(results), results[0].truth
    write_csv(predictions / "predictions.csv", [rows(results[0])])
    if evaluate.excel:
        write_excel(predictions / "predictions.xlsx", sheets(results[0]))
    if evaluate.free_running:
        runs = free_running.short_runs(data, predictors[0], evaluate.free_running, **baselines)
        content["free_running"] = runs.scores()
        for name, table in free_running.tables(runs, free_running.single_run(data, predictors[0]), data).items():
            write_csv(predictions / f"{name}.csv", [table])
    summary = "\n".join([summary_text(content, truth), *data.doubts()])
    write_json(predictions / "meta.json", describe(results) | {"summary": summary.splitlines()})
    write_json(metrics, content)
    print(summary)


if __name__ == "__main__":
    run(main)
