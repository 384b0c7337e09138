"""Draw what happened: history, model, predictions -> plots/quake/{training,forecast,error,attribution}.png."""

from dataclasses import dataclass
from pathlib import Path

from recurrent.config import schema
from recurrent.config.stage import run
from recurrent.storage.atomic import META, replacing
from recurrent.storage.digest import read_sealed
from recurrent.storage.tables import read_csv


@dataclass(frozen=True)
class Params:
    """What this stage reads from params.yaml."""

    plot: schema.Plot


def main(params: Params, history: Path, summary: Path, predictions: Path, plots: Path) -> None:
    """Write the pictures that there are to draw into the folder `plots`."""
    from recurrent.plot import pictures  # matplotlib takes longer to import than all before it

    training, description = read_sealed(summary, [history]), read_sealed(predictions / META)
    listed = [Path(name) for name in description["files"]]
    tables = {path.stem: read_csv(predictions / path) for path in listed if path.suffix == ".csv"}
    for name, picture in pictures.draw(read_csv(history), training, description, tables).items():
        with replacing(plots / f"{name}.png") as temporary:
            # no version of matplotlib in the file: the same picture is the same bytes
            picture.savefig(temporary, format="png", dpi=params.plot.dpi, metadata={"Software": None})


if __name__ == "__main__":
    run(main)
