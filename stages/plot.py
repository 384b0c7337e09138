"""Draw what happened: history, model, predictions -> plots/quake/{training,forecast,error}.png."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import stages
from recurrent import figures, settings
from recurrent.tables import read_csv


@dataclass(frozen=True)
class Params:
    """What this stage reads from params.yaml."""

    plot: settings.Plot


def main(params: Params, history: Path, outcome: Path, predictions: Path, plots: Path) -> None:
    """Write three pictures into the folder `plots`."""
    ending, about = json.loads(outcome.read_text()), json.loads((predictions / "meta.json").read_text())
    rows = read_csv(predictions / "predictions.csv")
    others = [name for name in rows if name not in ("time", "actual", "predicted")]
    best = min(others, key=lambda name: float(np.abs(rows[name] - rows["actual"]).mean()))
    labels = {"target": about["target"], "unit": about["unit"]}
    pictures = {
        "training": figures.training(
            read_csv(history), target_delta=ending["target_delta"], best_epoch=ending["best"]["epoch"]
        ),
        "forecast": figures.forecast(rows, **labels, time_unit=about["time_unit"], baseline=best),
        "error": figures.error(rows, **labels, baselines=others),
    }
    for name, picture in pictures.items():
        # no version of matplotlib in the file: the same picture is the same bytes
        picture.savefig(plots / f"{name}.png", dpi=params.plot.dpi, metadata={"Software": None})


if __name__ == "__main__":
    stages.run(main)
