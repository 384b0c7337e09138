"""Named columns of a small CSV or Excel file as text, each row with its line, and as numbers once they are checked."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recurrent.ingest.csv_header import EXACT, INTEGER, NUMBER, is_exact, read_header, shown
from recurrent.ingest.download import digest
from recurrent.ingest.line_blocks import LineBlocks, UnreadableError, unchanged
from recurrent.storage.npy import EXACT_IN_FLOAT

BLOCK_BYTES = 1 << 21
HOLES = ("", "NA")  # what stands for a value that is not there

Row = tuple[int, list[str]]  # the line, from 1, and its fields


@dataclass(frozen=True, eq=False)
class TextTable:
    """Columns of one file: `texts`, whose index is the place of each row, ``file:line``."""

    path: Path
    md5: str
    texts: pd.DataFrame

    def require(self, valid: pd.Series, name: str, expected: str) -> None:
        """Raise ValueError for the first of some rows in which column `name` is not `valid`."""
        if not valid.all():
            place = valid.idxmin()
            found = shown(self.texts.at[place, name])
            raise ValueError(f"{place}: column {name!r} holds {found}, expected {expected}")

    def numbers(self, name: str, *, holes: bool = False) -> pd.Series:
        """Return column `name` as int64 where all are integers, else float64; one of HOLES is NaN, if allowed."""
        texts = self.texts[name]
        values = texts.where(texts.str.fullmatch(NUMBER.pattern), "nan").astype(np.float64)
        is_hole = texts.isin(HOLES) if holes else pd.Series(False, index=texts.index)
        self.require(np.isfinite(values) | is_hole, name, "a finite number" + (" or nothing, or NA" if holes else ""))
        self.require(is_hole | texts.map(is_exact), name, EXACT)
        integer = texts.str.fullmatch(INTEGER.pattern).all() and values.abs().max() < EXACT_IN_FLOAT
        return values.astype(np.int64) if integer else values

    def times(self, name: str, form: str, expected: str, lines: Any = slice(None)) -> pd.Series:
        """Return column `name`, at some `lines` or at all, as times in UTC; so are those without a zone."""
        texts = self.texts.loc[lines, name]
        # pandas takes "now" and "today" for times
        times = pd.to_datetime(texts.where(texts.str.contains("[0-9]")), format=form, utc=True, errors="coerce")
        self.require(times.notna(), name, expected)
        return times


def read_table(path: Path, wanted: Sequence[str], *, perhaps: Sequence[str] = ()) -> TextTable:
    """Read columns of a .xlsx or of any other, perhaps packed, text: those `wanted`, those of `perhaps` that there are.

    Raises
    ------
    ValueError
        ``file:line: what was found, what was expected``; for a name that is no column with the nearest that is.
    """
    read = _sheet if path.suffix.lower() == ".xlsx" else _text
    header, rows, md5 = read(path, wanted)
    found = [name for name in perhaps if name in header]
    for name in found:
        if header.count(name) > 1:
            raise ValueError(f"{path}: {header.count(name)} columns {name!r}, expected one")
    wanted = [*wanted, *found]
    positions = [header.index(name) for name in wanted]
    fields = dict[str, list[str]]()
    for line, row in rows:
        if len(row) != len(header):
            expected = f"expected {len(header)} as in the header"
            raise ValueError(f"{path}:{line}: {len(row)} fields, {shown(str(row))}, {expected}")
        fields[f"{path}:{line}"] = [row[position].strip() for position in positions]
    if not fields:
        raise ValueError(f"{path}: a header without rows, expected at least one")
    return TextTable(path, md5, pd.DataFrame.from_dict(fields, orient="index", columns=wanted, dtype="str"))


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
    """Yield each row with the line it begins in, which pandas does not tell; empty lines may follow the last row only.

    pandas would also take `"a"b` for `ab`, and a short row for one with holes.
    """
    text = text.rstrip("\r\n")  # empty lines there may be many
    # csv takes a quote inside a field without quotes for a letter
    fields = rf'(?:(?:"(?:[^"]|"")*+"\r?|[^"{re.escape(delimiter)}\n]*+)(?:{re.escape(delimiter)}|\n|\Z))*+'
    plain = re.match(fields, text).end() if '"' in text else len(text)  # type: ignore[union-attr]
    stray = header_line + 1 + text.count("\n", 0, plain) if plain < len(text) else None
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line, empty = header_line + 1, 0
    try:
        for row in reader:
            if stray and header_line + reader.line_num >= stray:
                raise ValueError(f"{path}:{stray}: a stray quote, expected quotes around whole fields only")
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
    """Read the first sheet of a workbook, its cells as text."""
    try:
        with unchanged(path):
            md5 = digest(path)
            cells = pd.read_excel(path, header=None, dtype=str, na_filter=False, engine="openpyxl")
    except UnreadableError as error:
        raise ValueError(f"{path}: {error}") from error
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path}: not a workbook of Excel: {error}") from error
    cells = cells.fillna("#ERROR")  # an error such as #DIV/0!, in which pandas sees a hole
    texts = ((i, [text.strip() for text in row]) for i, row in enumerate(cells.to_numpy().tolist(), start=1))
    rows = (row for row in texts if any(row[1]))
    line, names = next(rows, (1, []))
    header = _header(path, line, "\t".join(names), wanted)[1]
    return header, rows, md5
