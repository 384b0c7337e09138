"""Score against unseen labels and baselines: windows, model -> metrics/quake.json, data/quake/predictions."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from recurrent.config import schema
from recurrent.config.stage import run
from recurrent.evaluate import attribution, free_running
from recurrent.evaluate.prediction_tables import describe, rows, sheets
from recurrent.evaluate.report import report, summary_text
from recurrent.evaluate.scoring import evaluate_split
from recurrent.network.model_file import ModelFile, model_paths
from recurrent.network.predictor import read_network
from recurrent.storage.atomic import META, replacing
from recurrent.storage.digest import write_sealed
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
    paths = model_paths(model, len(data.splits), train.members)
    read = partial(read_network, backend=train.backend, threads=train.threads)
    networks = [[*map(read, own)] for own in paths]
    predictors = [[network.predict for network in own] for own in networks]
    baselines: dict[str, Any] = {
        "ridge_penalties": evaluate.ridge_penalties,
        "moving_average": evaluate.moving_average,
        "seasons": evaluate.season,
    }
    splits = zip(data.splits, predictors, (ModelFile.read(own[0]).interval for own in paths), strict=True)
    results = [evaluate_split(*split, refit=train.refit, **baselines) for split in splits]
    content, truth = report(results), results[0].truth
    tables = {"predictions": rows(results[0])} | attribution.tables(data, networks[0])
    if evaluate.free_running:
        learnt = data.with_validation() if train.refit else data
        runs = free_running.short_runs(learnt, predictors[0], evaluate.free_running, data, **baselines)
        content["free_running"] = runs.scores()
        tables |= free_running.tables(runs, free_running.single_run(data, predictors[0]), data)
    summary = "\n".join([summary_text(content, truth), *data.doubts()])
    workbook = sheets(results[0]) if evaluate.excel else {}
    with _written(predictions, tables, workbook, describe(results) | {"summary": summary.splitlines()}):
        write_json(metrics, content)
    print(summary)


@contextmanager
def _written(
    predictions: Path, tables: Mapping[str, Any], workbook: Mapping[str, Any], meta: dict[str, Any]
) -> Iterator[None]:
    """Write the folder of the forecasts, which appears whole, after what is done in between."""
    with replacing(predictions, folder=True) as folder:
        for name, table in tables.items():
            write_csv(folder / f"{name}.csv", [table])
        if workbook:
            write_excel(folder / "predictions.xlsx", workbook)
        write_sealed(folder / META, meta, sorted(folder.iterdir()))
        yield


if __name__ == "__main__":
    run(main)
