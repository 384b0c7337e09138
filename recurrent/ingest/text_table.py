"""Named columns of a small CSV or Excel file as text, each row with its line, and as numbers once they are checked."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recurrent.ingest.csv_header import NUMBER, read_header, shown
from recurrent.ingest.download import digest
from recurrent.ingest.line_blocks import LineBlocks, UnreadableError
from recurrent.storage.npy import Array

BLOCK_BYTES = 1 << 21
EXACT_IN_FLOAT = 2**53

Row = tuple[int, list[str]]  # the line, from 1, and its fields


@dataclass(frozen=True, eq=False)
class Columns:
    """Columns of one file: `texts` by name, and the line of each row."""

    path: Path
    md5: str
    texts: dict[str, list[str]]
    lines: list[int]

    def error(self, row: int, name: str, expected: str) -> ValueError:
        """The exception for the field in row `row` (from 0) of column `name`."""
        found = shown(self.texts[name][row])
        return ValueError(f"{self.path}:{self.lines[row]}: column {name!r} holds {found}, expected {expected}")

    def numbers(self, name: str, *, holes: bool = False) -> Array:
        """Column `name` as int64 where all are whole numbers, else float64 (n,); an empty field is NaN, if allowed."""
        texts = self.texts[name]
        values = np.full(len(texts), np.nan)
        for row, text in enumerate(texts):
            if NUMBER.fullmatch(text):
                values[row] = float(text)
            if not np.isfinite(values[row]) and not (holes and not text):
                raise self.error(row, name, "a finite number" + (" or nothing" if holes else ""))
        whole = all(text.lstrip("+-").isdecimal() for text in texts) and np.abs(values).max() < EXACT_IN_FLOAT
        return values.astype(np.int64) if whole else values


def read_columns(path: Path, wanted: Sequence[str]) -> Columns:
    """Read the columns `wanted` of a .xlsx or of any other, perhaps packed, text with a header.

    Raises
    ------
    ValueError
        ``file:line: what was found, what was expected``; for a name that is no column with the nearest that is.
    """
    read = _sheet if path.suffix.lower() == ".xlsx" else _text
    header, rows, md5 = read(path, wanted)
    positions = [header.index(name) for name in wanted]
    lines, fields = list[int](), list[list[str]]()
    for line, row in rows:
        if len(row) != len(header):
            expected = f"expected {len(header)} as in the header"
            raise ValueError(f"{path}:{line}: {len(row)} fields, {shown(str(row))}, {expected}")
        lines.append(line)
        fields.append([row[position].strip() for position in positions])
    if not lines:
        raise ValueError(f"{path}: a header without rows, expected at least one")
    columns = dict(zip(wanted, map(list, zip(*fields, strict=True)), strict=True))
    return Columns(path, md5, columns, lines)


def _header(path: Path, line: int, text: str, wanted: Sequence[str]) -> tuple[str, list[str]]:
    if not text:
        raise ValueError(f"{path}: an empty file, expected a header and at least one row")
    try:
        return read_header(text.encode(), wanted)
    except ValueError as error:
        raise ValueError(f"{path}:{line}: {error}") from error


def _text(path: Path, wanted: Sequence[str]) -> tuple[list[str], Iterator[Row], str]:
    try:
        blocks = LineBlocks(path, BLOCK_BYTES)
        content = b"".join(blocks)
        text = content.decode("utf-8-sig")
    except UnreadableError as error:
        raise ValueError(f"{path}: {error}") from error
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(f"{path}:{line}: {shown(content[error.start : error.end])}, expected UTF-8 text") from error
    before = len(text) - len(text.lstrip("\r\n"))
    line = text.count("\n", 0, before) + 1
    first, _, rest = text[before:].partition("\n")
    delimiter, header = _header(path, line, first.rstrip("\r"), wanted)
    return header, _records(path, rest, delimiter, line), blocks.md5


def _records(path: Path, text: str, delimiter: str, header_line: int) -> Iterator[Row]:
    """Each row with the line it begins in; empty lines may follow the last row only."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line, empty = header_line + 1, 0
    try:
        for row in reader:
            if row and empty:
                raise ValueError(f"{path}:{empty}: an empty line, expected none between rows")
            if row:
                yield line, row
            else:
                empty = empty or line
            line = header_line + reader.line_num + 1
    except csv.Error as error:
        raise ValueError(f"{path}:{line}: {error}, expected quotes around whole fields only") from error


def _sheet(path: Path, wanted: Sequence[str]) -> tuple[list[str], Iterator[Row], str]:
    """The first sheet of a workbook, its cells as text."""
    import openpyxl  # a quarter of a second, for those few who come with a workbook

    try:
        md5 = digest(path)
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        cells = list(book.worksheets[0].iter_rows(values_only=True))
        book.close()
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path}: not a workbook of Excel: {error}") from error
    texts = ((i, ["" if cell is None else str(cell).strip() for cell in row]) for i, row in enumerate(cells, start=1))
    rows = (row for row in texts if any(row[1]))
    line, names = next(rows, (1, []))
    header = _header(path, line, "\t".join(names), wanted)[1]
    return header, rows, md5
