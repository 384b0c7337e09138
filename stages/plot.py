"""Draw what happened: history, model, predictions -> plots/quake/{training,forecast,error}.png."""

import json
from dataclasses import dataclass
from pathlib import Path

from recurrent.config import schema
from recurrent.config.stage import run
from recurrent.storage.tables import read_csv


@dataclass(frozen=True)
class Params:
    """What this stage reads from params.yaml."""

    plot: schema.Plot


def main(params: Params, history: Path, summary: Path, predictions: Path, plots: Path) -> None:
    """Write the pictures that there are to draw into the folder `plots`."""
    from recurrent.plot import pictures  # matplotlib takes longer to import than all before it

    training, description = (json.loads(path.read_text()) for path in (summary, predictions / "meta.json"))
    tables = {path.stem: read_csv(path) for path in sorted(predictions.glob("*.csv"))}
    plots.mkdir(parents=True, exist_ok=True)
    for name, picture in pictures.draw(read_csv(history), training, description, tables).items():
        # no version of matplotlib in the file: the same picture is the same bytes
        picture.savefig(plots / f"{name}.png", dpi=params.plot.dpi, metadata={"Software": None})


if __name__ == "__main__":
    run(main)
