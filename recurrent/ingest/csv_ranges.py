"""A plain CSV file -> the blocks and the errors of `CsvFile`, its lines parsed by workers, range by range.

A range does not know what lies before it, and assumes that its columns are still of the types seen so far, that the
target has not risen, and that no empty line was held back. Where that turns out wrong, or anything in the range is, it
is read again in this process, which knows what came before: so the sequential reader decides, and words each problem.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass

import numpy as np

from recurrent.ingest.csv_block import Flags
from recurrent.ingest.csv_stream import CsvFile
from recurrent.ingest.line_blocks import LineBlocks, LineRange, Lines, UnreadableError
from recurrent.ingest.workers import Workers
from recurrent.storage.npy import INTEGERS, Array

RANGE_BLOCKS = 16  # with 64, twice the time goes into pages of memory; with 4, into messages


@dataclass(frozen=True)
class Piece:
    """A range that was read.

    Parameters
    ----------
    file : as it stands at the end, counted from the beginning of the range
    assumed : the types of columns that the range was read with
    columns : of all its rows
    """

    file: CsvFile
    assumed: Flags
    columns: list[Array]


class RangedCsvFile(CsvFile):
    """A `CsvFile` that leaves its lines to `workers`, where there are any and the file is not packed."""

    workers: Workers | None = None
    range_blocks = RANGE_BLOCKS

    def _settled(self, lines: Lines) -> Generator[list[Array], None, None]:
        if self.workers is None or not isinstance(lines, LineBlocks) or lines.packed:
            yield from super()._settled(lines)
            return
        done = threading.Event()
        with ThreadPoolExecutor(max_workers=1) as thread:
            checksum = thread.submit(_pass, lines, done)
            try:
                first, *ranges = lines.ranges(self.range_blocks)
                yield from super()._settled(first)  # the header, and the types of most columns
                for part, piece in zip(ranges, self.workers.map(_read, self._tasks(ranges)), strict=True):
                    if isinstance(piece, Piece) and self._follows(piece):
                        self._take(piece)
                        if piece.columns:
                            yield piece.columns
                    else:
                        yield from super()._settled(part)
                        if isinstance(piece, str):
                            self.workers.report(f"{self.path}: {piece}")
                checksum.result()
            finally:
                done.set()

    def _tasks(self, ranges: list[LineRange]) -> Iterator[tuple[CsvFile, LineRange]]:
        for part in ranges:
            task = copy.copy(self)
            task._reset()
            task.workers, task._parser, task._is_float = None, self._parser, self._is_float
            yield task, part

    def _follows(self, piece: Piece) -> bool:
        """Return whether what the range assumed of the lines before it is so."""
        if not self.columns or piece.file._parser != self._parser:
            return False
        if not piece.columns:
            return True
        if self.failure_threshold is not None:
            times = piece.columns[self._wanted.index(self._target[0])]
            if times[0] > self._last_time:
                return False
        return piece.assumed == self._is_float and self._empty_line is None

    def _take(self, piece: Piece) -> None:
        """Count what the range holds."""
        own = piece.file
        if own._empty_line is not None and self._empty_line is None:
            self._empty_line = self._line + own._empty_line - 1
        self.failures += [self.rows + row for row in own.failures]
        self._line += own._line - 1
        self.rows += own.rows
        if piece.columns:
            self._is_float, self._last_time = own._is_float, own._last_time


def _pass(lines: LineBlocks, done: threading.Event) -> None:
    """Go through the file for its checksum, until `done`."""
    with closing(iter(lines)) as blocks:
        for _ in blocks:
            if done.is_set():
                return


def _read(task: tuple[CsvFile, LineRange]) -> Piece | str | None:
    """Read a range; a text says why the worker cannot, None that something is wrong, or seems so from here."""
    file, lines = task
    assumed = file._is_float
    try:
        blocks = [[_narrow(column) for column in columns] for columns in CsvFile._settled(file, lines)]
    except (UnreadableError, OSError) as error:
        return str(error)
    except ValueError:
        return None
    return Piece(file, assumed, [np.concatenate(column) for column in zip(*blocks, strict=True)])


def _narrow(column: Array) -> Array:
    """Return integers in the narrowest type that holds them: less to send."""
    if column.dtype.kind != "i" or not len(column):
        return column
    ends = column.min(), column.max()
    holds = (dtype for dtype in INTEGERS if np.iinfo(dtype).min <= ends[0] and ends[1] <= np.iinfo(dtype).max)
    return column.astype(next(holds), copy=False)
