"""Read a recording: CSV -> data/quake/series (signal.npy, target.npy, meta.json)."""

from dataclasses import dataclass
from pathlib import Path

import stages
from recurrent.config import schema
from recurrent.ingest.csv_stream import CsvFile
from recurrent.storage.series import SeriesWriter


@dataclass(frozen=True)
class Params:
    """What this stage reads from params.yaml."""

    ingest: schema.Ingest


def main(params: Params, series: Path) -> None:
    """Check every row of the recording and write `series`."""
    knobs, csv = params.ingest, Path(params.ingest.csv)
    source = CsvFile(
        csv,
        signal=knobs.signal,
        target=knobs.target,
        failure_below=knobs.failure_below,
        progress=True,
    )
    with SeriesWriter(series) as writer:
        for signal, target in source.blocks():
            writer.append(signal, target)
        writer.finish(
            {
                "source": {"name": csv.name, "md5": source.md5, "columns": list(source.columns)},
                "signal": list(knobs.signal),
                "target": [knobs.target],
                "observed": [knobs.signal.index(knobs.target) if knobs.target in knobs.signal else None],
                "units": {"signal": knobs.signal_unit, "target": knobs.target_unit},
                "countdown": knobs.failure_below is not None,
                "failures": source.failures,
            }
        )
    print(f"{csv}: {source.rows} rows, {len(source.failures)} failures")


if __name__ == "__main__":
    stages.run(main)
