"""Recordings of any length, such as LANL's: long CSVs of signal and target, read block by block in flat memory.

One file is one recording; the files of a folder are several, in the order of their names. All other sources give what
fits into memory. This one is the source of the earthquake pipeline, whose options are the section `ingest` of
params.yaml; a system may name it, too.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from recurrent.config.schema import RecordingOptions
from recurrent.ingest.csv_ranges import RangedCsvFile
from recurrent.ingest.csv_stream import CsvFile
from recurrent.ingest.download import File
from recurrent.ingest.workers import workers
from recurrent.sources._contract import complete_cycles, row_counts
from recurrent.storage.meta import RowCounts, SeriesMeta, SourceMeta, Units, columns_of
from recurrent.storage.series_writer import SeriesWriter

SUFFIXES = (".csv", ".gz", ".zst", ".zip")


@dataclass(frozen=True)
class Options(RecordingOptions):
    """Keys of the source."""


def files(options: Options) -> tuple[File, ...]:
    """Name the files to download: none, the recording is your own."""
    return ()


def read(options: Options, raw: Path) -> CsvRecording:
    """Give the recording at `raw`, or those in this folder, whose rows are read when they are written.

    Raises
    ------
    ValueError
        For a folder without recordings.
    """
    paths = sorted(path for path in raw.iterdir() if _is_recording(path)) if raw.is_dir() else [raw]
    if not paths:
        raise ValueError(f"{raw}: no recording in this folder, expected files {', '.join(SUFFIXES)}")
    columns = {"signal": options.signal, "target": options.target, "failure_threshold": options.failure_threshold}
    return CsvRecording(tuple(RangedCsvFile(path, **columns, progress=True) for path in paths), options)


def _is_recording(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


@dataclass(frozen=True)
class CsvRecording:
    """Rows of one CSV or several on their way to a series."""

    files: tuple[RangedCsvFile, ...]
    options: Options

    def write(self, folder: Path) -> None:
        """Check every row and write them as a `Series`, recording after recording."""
        options, begins, failures = self.options, list[int](), list[int]()
        with workers() as spread, SeriesWriter(folder) as writer:
            for csv in self.files:
                csv.workers = spread
                begins.append(writer.rows)
                for signal, target in csv.blocks():
                    writer.append(signal, target)
                kept, own, _ = self._complete(csv)
                failures += [begins[-1] + row for row in own]
                writer.truncate(begins[-1] + kept)
            names, several = tuple(csv.path.name for csv in self.files), len(self.files) > 1
            writer.finish(
                SeriesMeta(
                    source=SourceMeta(
                        ", ".join(names),
                        " ".join(csv.md5 for csv in self.files),
                        columns=tuple(self.files[0].columns),
                    ),
                    signal=options.signal,
                    target=(options.target,),
                    target_columns=columns_of(options.signal, (options.target,)),
                    units=Units(options.signal_unit, options.target_unit),
                    countdown=options.failure_threshold is not None,
                    failures=tuple(failures),
                    groups=names if several else None,
                    recordings=tuple(begins) if several else None,
                    counts=self._counts(self.files),
                )
            )

    def _complete(self, csv: CsvFile) -> tuple[int, list[int], dict[str, int]]:
        """Return what `complete_cycles` does, of one file: each of them ends where it was cut."""
        try:
            return complete_cycles(csv.rows, csv.failures, self.options.last_cycle)
        except ValueError as error:
            raise ValueError(f"{csv.path}: {error}") from error

    def _counts(self, files: tuple[CsvFile, ...]) -> RowCounts:
        dropped: Counter[str] = sum((Counter(self._complete(csv)[2]) for csv in files), Counter())
        return row_counts(sum(csv.rows for csv in files), dropped=dropped)

    def summary(self) -> str:
        """Return how much was written."""
        several, found = len(self.files) > 1, list[str]()
        for csv in self.files:
            found += [csv.path.name] * several + [f"{csv.rows} rows, {len(csv.failures)} failures"]
            found += self._counts((csv,)).lines()
        return "\n".join(found)
