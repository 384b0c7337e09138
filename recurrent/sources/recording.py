"""A recording of any length, such as LANL's: a long CSV of signal and target, read block by block in flat memory.

All other sources give what fits into memory. This one is the source of the earthquake pipeline, whose options are the
section `ingest` of params.yaml; a system may name it, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from recurrent.config.schema import RecordingOptions
from recurrent.ingest.csv_stream import CsvFile
from recurrent.ingest.download import File
from recurrent.sources._contract import complete_cycles, row_counts
from recurrent.storage.meta import SeriesMeta, SourceMeta, Units, columns_of
from recurrent.storage.series_writer import SeriesWriter


@dataclass(frozen=True)
class Options(RecordingOptions):
    """Keys of the source."""


def files(options: Options) -> tuple[File, ...]:
    """Name the files to download: none, the recording is your own."""
    return ()


def read(options: Options, raw: Path) -> CsvRecording:
    """Give the recording at `raw`, whose rows are read when it is written."""
    csv = CsvFile(
        raw, signal=options.signal, target=options.target, failure_threshold=options.failure_threshold, progress=True
    )
    return CsvRecording(csv, options)


@dataclass(frozen=True)
class CsvRecording:
    """Rows of a CSV on their way to a series."""

    csv: CsvFile
    options: Options

    def write(self, folder: Path) -> None:
        """Check every row and write them as a `Series`."""
        csv, options = self.csv, self.options
        with SeriesWriter(folder) as writer:
            for signal, target in csv.blocks():
                writer.append(signal, target)
            kept, failures, dropped = complete_cycles(csv.rows, csv.failures, options.last_cycle)
            writer.truncate(kept)
            writer.finish(
                SeriesMeta(
                    source=SourceMeta(csv.path.name, csv.md5, columns=tuple(csv.columns)),
                    signal=options.signal,
                    target=(options.target,),
                    target_columns=columns_of(options.signal, (options.target,)),
                    units=Units(options.signal_unit, options.target_unit),
                    countdown=options.failure_threshold is not None,
                    failures=tuple(failures),
                    counts=row_counts(csv.rows, dropped=dropped),
                )
            )

    def summary(self) -> str:
        """Return how much was written."""
        *_, dropped = complete_cycles(self.csv.rows, self.csv.failures, self.options.last_cycle)
        lines = row_counts(self.csv.rows, dropped=dropped).lines()
        return "\n".join([f"{self.csv.rows} rows, {len(self.csv.failures)} failures", *lines])
