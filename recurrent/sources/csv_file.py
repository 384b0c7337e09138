"""One CSV file -> blocks (signal, target), as fast as a C parser, no row lost, every fault named by line.

Each block of whole lines is parsed by Arrow and checked; a block that leaves any doubt is read again, line by
line, by a plain parser. That one is the reference: it decides what a number is and words the errors.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import csv as arrow_csv
from tqdm import tqdm

from recurrent.sources._header import NUMBER, read_header, shown
from recurrent.sources._lines import LineBlocks, UnreadableError

Array = np.ndarray[Any, np.dtype[Any]]

# The fastest of 2**18 to 2**22; memory stays near that of the imports alone.
BLOCK_BYTES = 1 << 21
EMPTY_LINES = (b"\n", b"\r\n", b"\r")
BOM = b"\xef\xbb\xbf"
UTF_16_BOMS = (b"\xff\xfe", b"\xfe\xff")
WHOLE = re.compile(r"[+-]?[0-9]+")
# From here on float64 skips whole numbers. Below, a decimal further down the column can change no integer.
EXACT_IN_FLOAT = 2**53


class CsvError(ValueError):
    """`name:line: what, which value, what was expected`; no line if it is about the whole file."""


class CsvFile:
    """Reads columns of one file: plain, .gz, .zst, or .zip with one member.

    Parameters
    ----------
    signal, target : names in the header; other columns are ignored, and an index column may have no name
    failure_below : None, or the target is a time to failure (s), which never rises except by a failure, that
        is after a value of at most this many seconds
    progress : show bytes, rows/s and the time left, if stderr is a terminal

    Once `blocks` is exhausted, `rows`, `columns` (the whole header), `failures` (the row, from 0, that
    follows each failure) and `md5` (of the file as it lies on disk) are known.
    """

    def __init__(
        self,
        path: Path,
        *,
        signal: tuple[str, ...],
        target: str,
        failure_below: float | None,
        progress: bool = False,
        block_bytes: int = BLOCK_BYTES,
    ) -> None:
        self.path, self.signal, self.target, self.failure_below = path, signal, target, failure_below
        self._progress, self._block_bytes = progress, block_bytes
        self._wanted = list(dict.fromkeys((*signal, target)))
        self._reset()

    def _reset(self) -> None:
        self.rows, self.md5 = 0, ""
        self.columns: list[str] = []
        self.failures: list[int] = []
        self._delimiter, self._positions = ",", list[int]()
        self._real = [False] * len(self._wanted)  # a column is whole numbers until one is not
        self._line = 1  # the first that has not been handed out
        self._last_time: float = np.inf

    def _error(self, line: int | None, text: str) -> CsvError:
        return CsvError(f"{self.path}: {text}" if line is None else f"{self.path}:{line}: {text}")

    def blocks(self) -> Iterator[tuple[Array, Array]]:
        """Yield signal (n, D) and target (n, 1): int64 while all values are whole numbers, else float64."""
        self._reset()
        try:
            lines = LineBlocks(self.path, self._block_bytes)
            quiet = None if self._progress else True  # None: quiet unless stderr is a terminal
            with tqdm(total=lines.size, unit="B", unit_scale=True, desc=self.path.name, disable=quiet) as bar:
                for columns in self._checked(lines):
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

    def _checked(self, lines: LineBlocks) -> Iterator[list[Array]]:
        empty_line = None  # empty lines may end a file, so one is held against it only when more follows
        for block in lines:
            block = block if self.columns else self._take_header(block)
            end = _end_of_content(block)
            if end:
                if empty_line is not None:
                    raise self._error(empty_line, "an empty line, expected none between rows")
                columns = self._parse(block[:end])
                self.rows += len(columns[0])
                self._line += len(columns[0])
                yield columns
            if end < len(block):
                empty_line = empty_line or self._line
                self._line += block.count(b"\n", end)

    def _take_header(self, block: bytes) -> bytes:
        """Skip empty lines (LANL's file starts with one), read the header, give what follows it."""
        if self._line == 1:
            if block.startswith(UTF_16_BOMS):
                raise self._error(1, f"UTF-16 text, it starts with {block[:2]!r}, expected UTF-8")
            block = block.removeprefix(BOM)
        while block and not self.columns:
            line, _, block = block.partition(b"\n")
            if line := line.removesuffix(b"\r"):
                self._refuse_control_bytes(line, self._line)
                try:
                    self._delimiter, self.columns = read_header(line, self._wanted)
                except ValueError as error:
                    raise self._error(self._line, str(error)) from error
                self._positions = [self.columns.index(name) for name in self._wanted]
            self._line += 1
        return block

    def _parse(self, block: bytes) -> list[Array]:
        if not self.rows:  # the first row tells which columns have decimals: the first block is read once
            self._parse_plainly(block[: block.find(b"\n") + 1] or block)
        error, columns = None, self._parse_fast(block)
        if columns is None:
            columns, error = self._parse_plainly(block)
        self._check_times(columns[self._wanted.index(self.target)])
        if error:  # only now, so that of two faults the one further up is named, wherever blocks are cut
            raise error
        return columns

    def _parse_fast(self, block: bytes) -> list[Array] | None:
        """The wanted columns by Arrow, or None when in doubt."""
        # Arrow drops a byte order mark and reads 0x1F as 31; quotes and NUL are left to the plain parser.
        doubts = (b'"', b"\0") if all(self._real) else (b'"', b"\0", b"x", b"X")
        if block.startswith(BOM) or any(byte in block for byte in doubts):
            return None
        names = [str(i) for i in range(len(self.columns))]  # the header's own may be empty, or occur twice
        wanted = [names[i] for i in self._positions]
        types = [pa.float64() if real else pa.int64() for real in self._real]
        try:
            table = arrow_csv.read_csv(
                pa.py_buffer(block),
                # one Arrow block, so that a column comes in one piece and is not copied
                arrow_csv.ReadOptions(use_threads=False, block_size=len(block) + 1, column_names=names),
                # quote_char: otherwise one stray quote swallows rows without an error
                arrow_csv.ParseOptions(delimiter=self._delimiter, quote_char=False, ignore_empty_lines=False),
                arrow_csv.ConvertOptions(
                    null_values=[], include_columns=wanted, column_types=dict(zip(wanted, types, strict=True))
                ),
            )
        except pa.ArrowInvalid:
            return None
        lines = np.count_nonzero(np.frombuffer(block, np.uint8) == ord("\n")) + (not block.endswith(b"\n"))
        if table.num_rows != lines:  # \r alone makes rows of its own
            return None
        # not to_numpy: it imports pandas, which takes a quarter of a second
        columns: list[Array] = [np.from_dlpack(column.chunk(0)) for column in table.columns]
        for column, real in zip(columns, self._real, strict=True):
            if not (np.isfinite(column).all() if real else _exact(column)):
                return None
        return columns

    def _parse_plainly(self, block: bytes) -> tuple[list[Array], CsvError | None]:
        """The reference: the wanted columns up to the first fault, and the fault."""
        rows, error = list[list[str]](), None
        for number, line in enumerate(block.removesuffix(b"\n").split(b"\n"), start=self._line):
            try:
                rows.append(self._values(line.removesuffix(b"\r"), number))
            except CsvError as fault:
                error = fault
                break
        texts = list(zip(*rows, strict=True)) or [()] * len(self._wanted)
        columns: list[Array] = [np.array([float(text) for text in column]) for column in texts]
        for i, column in enumerate(texts):
            self._real[i] |= not (all(WHOLE.fullmatch(text) for text in column) and _exact(columns[i]))
        return [c if real else c.astype(np.int64) for c, real in zip(columns, self._real, strict=True)], error

    def _values(self, line: bytes, number: int) -> list[str]:
        """The wanted fields of one line, each sure to be a number."""
        if not line:
            raise self._error(number, "an empty line, expected none between rows")
        self._refuse_control_bytes(line, number)
        text = line.decode(errors="backslashreplace")  # other columns may hold what they like
        fields = text.split(self._delimiter)
        if '"' in text:
            try:
                fields = next(csv.reader([text], delimiter=self._delimiter, strict=True))
            except csv.Error as error:
                raise self._error(number, f"{shown(text)}, expected quotes around a whole field: {error}") from error
        if len(fields) != len(self.columns):
            expected = f"expected {len(self.columns)} as in the header"
            raise self._error(number, f"{len(fields)} fields, {shown(text)}, {expected}")
        values = [fields[i].strip(" \t") for i in self._positions]
        for name, value in zip(self._wanted, values, strict=True):
            if not NUMBER.fullmatch(value) or not np.isfinite(float(value)):
                raise self._error(number, f"column {name!r} holds {shown(value)}, expected a finite number")
        return values

    def _refuse_control_bytes(self, line: bytes, number: int) -> None:
        for byte in (b"\0", b"\r"):
            if byte in line:
                found = f"{byte!r} inside {shown(line)}"
                raise self._error(number, f"{found}, expected text in lines that end in \\n or \\r\\n")

    def _check_times(self, times: Array) -> None:
        if self.failure_below is None or not len(times):
            return
        before = np.concatenate(([self._last_time], times[:-1]))
        rises = times > before
        wrong = (times < 0) | (rises & (before > self.failure_below))
        if wrong.any():
            i = int(wrong.argmax())
            found = f"column {self.target!r} holds {times[i].item()}"
            if times[i] >= 0:
                found += f" after {before[i].item()}"
            expected = f"a time of at least 0 that rises only after at most {self.failure_below}"
            raise self._error(self._line + i, f"{found}, expected {expected}")
        self.failures += (self.rows + np.flatnonzero(rises)).tolist()
        self._last_time = times[-1].item()

    def _split(self, columns: list[Array]) -> tuple[Array, Array]:
        by_name = dict(zip(self._wanted, columns, strict=True))
        return np.stack([by_name[name] for name in self.signal], axis=1), by_name[self.target][:, None]


def _end_of_content(block: bytes) -> int:
    """Where the empty lines at the end of a block begin."""
    end = len(block)
    while end and block[(start := block.rfind(b"\n", 0, end - 1) + 1) : end] in EMPTY_LINES:
        end = start
    return end


def _exact(column: Array) -> bool:
    return bool(column.max(initial=0) < EXACT_IN_FLOAT and column.min(initial=0) > -EXACT_IN_FLOAT)
