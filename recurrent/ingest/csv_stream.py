"""One CSV file -> blocks (signal, target): no row lost, every problem named by line.

The file is read once, in blocks of whole lines. `csv_block` parses them; what a block cannot know alone is settled
here: line numbers, the type of a column, rises of the target across borders.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
from tqdm import tqdm

from recurrent.ingest.csv_block import BOM, BlockParser, Flags, refuse_control_bytes
from recurrent.ingest.csv_header import read_header
from recurrent.ingest.line_blocks import LineBlocks, Lines, UnreadableError
from recurrent.storage.npy import Array

# The fastest of 2**17 to 2**22: it stays in the second-level cache, and the allocator gives the same memory again.
BLOCK_BYTES = 1 << 20
EMPTY_LINES = re.compile(rb"\A(?:\r?\n)*")
UTF_16_BOMS = (b"\xff\xfe", b"\xfe\xff")


class CsvError(ValueError):
    """`name:line: what, which value, what was expected`; no line if it concerns the whole file."""


class CsvFile:
    """Reads columns of one file: plain, .gz, .zst, or .zip with one member.

    Parameters
    ----------
    signal, target : names in the header, None: no target; other columns are ignored, and an index column may have
        no name
    failure_threshold : None, or the target is a time to failure (s), which never rises except by a failure, that
        is after a value of at most this many seconds
    progress : show bytes, rows/s and the time left, if stderr is a terminal
    lines : where they come from, if not from the file as it is

    Once `blocks` is exhausted, `rows`, `columns` (the whole header), `failures` (the row, from 0, that
    follows each failure) and `md5` (of the file as it lies on disk) are known.
    """

    def __init__(
        self,
        path: Path,
        *,
        signal: tuple[str, ...],
        target: str | None,
        failure_threshold: float | None,
        progress: bool = False,
        block_bytes: int = BLOCK_BYTES,
        lines: Lines | None = None,
    ) -> None:
        self.path, self.signal, self.failure_threshold = path, signal, failure_threshold
        self._target: tuple[str, ...] = () if target is None else (target,)
        self._progress, self._block_bytes, self._lines = progress, block_bytes, lines
        self._wanted = list(dict.fromkeys((*signal, *self._target)))
        self._reset()

    def _reset(self) -> None:
        self.rows, self.md5 = 0, ""
        self.failures: list[int] = []
        self._parser = BlockParser(",", [], self._wanted)
        self._is_float: Flags = ()  # a column is integers until a value is not
        self._line = 1  # the first that is not settled
        self._last_time: float = np.inf
        self._empty_line: int | None = None  # empty lines may end a file; one counts against it only when more follows

    @property
    def columns(self) -> list[str]:
        """Return the names in the header; none before it is read."""
        return self._parser.columns

    @property
    def line(self) -> int:
        """Return the number of the first line that is not read, from 1."""
        return self._line

    def _error(self, line: int | None, text: str) -> CsvError:
        return CsvError(f"{self.path}: {text}" if line is None else f"{self.path}:{line}: {text}")

    def blocks(self) -> Iterator[tuple[Array, Array]]:
        """Yield signal (n, D) and target (n, 1), or (n, 0): int64 while all values are integers, else float64."""
        self._reset()
        try:
            lines = self._lines or LineBlocks(self.path, self._block_bytes)
            quiet = None if self._progress else True  # None: quiet unless stderr is a terminal
            with (
                tqdm(total=lines.size, unit="B", unit_scale=True, desc=self.path.name, disable=quiet) as bar,
                closing(self._settled(lines)) as settled,
            ):
                for columns in settled:
                    yield self._split(columns)
                    seconds = max(bar.format_dict["elapsed"], 1e-3)
                    bar.set_postfix_str(f"{self.rows / seconds:,.0f} rows/s", refresh=False)
                    bar.update(lines.position - bar.n)
        except UnreadableError as error:
            raise self._error(self._line if self._line > 1 else None, str(error)) from error
        self.md5 = lines.md5
        if not self.rows:
            found = "a header without rows" if self.columns else "an empty file"
            raise self._error(None, f"{found}, expected a header and at least one row")

    def signals(self) -> Iterator[Array]:
        """Yield the signal alone."""
        return (signal for signal, _ in self.blocks())

    def _settled(self, lines: Lines) -> Generator[list[Array], None, None]:
        # closed here: a generator that ends its thread must not be left to the collector, which works in any thread
        with closing(iter(lines)) as blocks:
            for block in blocks:
                if not self.columns:
                    block = self._take_header(block)
                    self._line = max(self._line, 1 + lines.skipped)
                end = _end_of_content(block)
                if end:
                    if self._empty_line is not None:
                        raise self._error(self._empty_line, "an empty line, expected none between rows")
                    if not self._is_float:  # the first row tells which columns have decimals
                        first_row = block[: block.find(b"\n") + 1] or block
                        self._is_float = self._parser.parse(first_row, (False,) * len(self._wanted)).is_float
                    result = self._parser.parse(block[:end], self._is_float)
                    self._is_float = result.is_float
                    self._check_times(result.columns)
                    self.rows += len(result.columns[0])
                    self._line += len(result.columns[0])
                    if result.problem:  # only now, so that of two problems the one further up is named
                        raise self._error(self._line, result.problem)
                    yield result.columns
                if end < len(block):
                    self._empty_line = self._empty_line or self._line
                    self._line += block.count(b"\n", end)

    def _take_header(self, block: bytes) -> bytes:
        """Skip empty lines (LANL's file starts with one), read the header, give what follows it."""
        if self._line == 1:
            if block.startswith(UTF_16_BOMS):
                raise self._error(1, f"UTF-16 text, it starts with {block[:2]!r}, expected UTF-8")
            block = block.removeprefix(BOM)
        begin = len(block) - len(EMPTY_LINES.sub(b"", block, 1))
        self._line += block.count(b"\n", 0, begin)
        line, _, rows = block[begin:].partition(b"\n")
        if line := line.removesuffix(b"\r"):
            try:
                refuse_control_bytes(line)
                self._parser = BlockParser(*read_header(line, self._wanted), self._wanted)
            except ValueError as error:
                raise self._error(self._line, str(error)) from error
            self._line += 1
        return rows

    def _check_times(self, columns: list[Array]) -> None:
        """Raise CsvError where the target is no time to failure; note the failures."""
        if self.failure_threshold is None or not len(columns[0]):
            return
        target = self._target[0]
        times = columns[self._wanted.index(target)]
        bound, last, self._last_time = self.failure_threshold, self._last_time, times[-1].item()
        rises = np.flatnonzero(times[1:] > times[:-1]) + 1
        wrong = [*rises[times[rises - 1] > bound][:1], *np.flatnonzero(times < 0)[:1]]
        if times[0] > last:  # across the border between two blocks
            rises = np.concatenate(([0], rises))
            wrong += [0] if last > bound else []
        if wrong:
            i = min(wrong)
            found = f"column {target!r} holds {_plain(times[i])}"
            if times[i] >= 0:
                found += f" after {_plain(times[i - 1] if i else last)}"
            expected = f"a time of at least 0 that rises only after at most {bound}"
            raise self._error(self._line + i, f"{found}, expected {expected}")
        self.failures += (self.rows + rises).tolist()

    def _split(self, columns: list[Array]) -> tuple[Array, Array]:
        by_name = dict(zip(self._wanted, columns, strict=True))
        signal = [by_name[name] for name in self.signal]
        target = [by_name[name][:, None] for name in self._target] or [np.empty((len(signal[0]), 0))]
        # a column alone needs no copy
        return signal[0][:, None] if len(signal) == 1 else np.stack(signal, axis=1), target[0]


def _plain(value: float) -> str:
    """Show a number alike whether its block was one of integers or not."""
    return repr(float(value)).removesuffix(".0")


def _end_of_content(block: bytes) -> int:
    r"""Return where the empty lines at the end of a block begin; one that holds two \r is not empty."""
    empty = len(block.rstrip(b"\r\n"))
    last = max(empty - 1, block.rfind(b"\r\r", empty))
    return (block.find(b"\n", last) + 1 or len(block)) if last >= 0 else 0
