"""Whole lines of a CSV file -> columns of numbers, or the first fault in words.

A block of plain numbers is parsed by `_numbers`, compiled; without a compiler, or in doubt, by Arrow, and checked; one
that leaves any doubt is read again, line by line, by a plain parser. That one is the reference: it decides what a
number is and words the faults.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import csv as arrow_csv

from recurrent.ingest import number_parser
from recurrent.ingest.csv_header import NUMBER, shown

Array = np.ndarray[Any, np.dtype[Any]]
Flags = tuple[bool, ...]

BOM = b"\xef\xbb\xbf"
WHOLE = re.compile(r"[+-]?[0-9]+")
# From here on float64 skips whole numbers. Below, a decimal further down the column can change no integer.
EXACT_IN_FLOAT = 2**53


class BadLineError(ValueError):
    """What a line holds, and what was expected."""


@dataclass(frozen=True)
class Parsed:
    """The wanted columns, up to the first fault.

    Parameters
    ----------
    columns : (n,) each; int64 while its values are whole numbers, else float64
    real : for each column, whether a value that is not whole has been seen, here or before
    fault : None, or what is wrong with the line after the last row
    """

    columns: list[Array]
    real: Flags
    fault: str | None = None


@dataclass(frozen=True)
class BlockParser:
    """What the header tells of the lines: delimiter, all `columns`, and the names `wanted` of them."""

    delimiter: str
    columns: list[str]
    wanted: list[str]

    def parse(self, block: bytes, real: Flags) -> Parsed:
        """Parse whole lines, the last of which may lack its end; `real`: the columns known not to be whole."""
        columns = self._fast(block, real)
        return self.plain(block, real) if columns is None else Parsed(columns, real)

    def _fast(self, block: bytes, real: Flags) -> list[Array] | None:
        """The wanted columns, or None when in doubt."""
        columns = self._compiled(block, real)
        return self._arrow(block, real) if columns is None else columns

    def _compiled(self, block: bytes, real: Flags) -> list[Array] | None:
        kind = {name: "r" if r else "i" for name, r in zip(self.wanted, real, strict=True)}
        columns = number_parser.parse(block, self.delimiter, "".join(kind.get(name, " ") for name in self.columns))
        if columns is None:
            return None
        by_name = dict(zip((name for name in self.columns if name in kind), columns, strict=True))
        return [by_name[name] for name in self.wanted]

    def _arrow(self, block: bytes, real: Flags) -> list[Array] | None:
        # Arrow drops a byte order mark and reads 0x1F as 31; quotes and NUL are left to the plain parser.
        doubts = (b'"', b"\0") if all(real) else (b'"', b"\0", b"x", b"X")
        if block.startswith(BOM) or any(byte in block for byte in doubts):
            return None
        names = [str(i) for i in range(len(self.columns))]  # the header's own may be empty, or occur twice
        wanted = [names[self.columns.index(name)] for name in self.wanted]
        types = [pa.float64() if r else pa.int64() for r in real]
        try:
            table = arrow_csv.read_csv(
                pa.py_buffer(block),
                # one Arrow block, so that a column comes in one piece and is not copied
                arrow_csv.ReadOptions(use_threads=False, block_size=len(block) + 1, column_names=names),
                # quote_char: otherwise one stray quote swallows rows without an error
                arrow_csv.ParseOptions(delimiter=self.delimiter, quote_char=False, ignore_empty_lines=False),
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
        for column, r in zip(columns, real, strict=True):
            if not (np.isfinite(column).all() if r else _exact(column)):
                return None
        return columns

    def plain(self, block: bytes, real: Flags) -> Parsed:
        """Parse the same by the plain parser, the reference."""
        rows, fault = list[list[str]](), None
        for line in block.removesuffix(b"\n").split(b"\n"):
            try:
                rows.append(self._values(line.removesuffix(b"\r")))
            except BadLineError as error:
                fault = str(error)
                break
        texts = list(zip(*rows, strict=True)) or [()] * len(self.wanted)
        columns: list[Array] = [np.array([float(text) for text in column]) for column in texts]
        whole = [all(map(WHOLE.fullmatch, text)) and _exact(c) for text, c in zip(texts, columns, strict=True)]
        real = tuple(r or not w for r, w in zip(real, whole, strict=True))
        return Parsed([c if r else c.astype(np.int64) for c, r in zip(columns, real, strict=True)], real, fault)

    def _values(self, line: bytes) -> list[str]:
        """The wanted fields of one line, each sure to be a number."""
        if not line:
            raise BadLineError("an empty line, expected none between rows")
        refuse_control_bytes(line)
        text = line.decode(errors="backslashreplace")  # other columns may hold what they like
        fields = text.split(self.delimiter)
        if '"' in text:
            try:
                fields = next(csv.reader([text], delimiter=self.delimiter, strict=True))
            except csv.Error as error:
                raise BadLineError(f"{shown(text)}, expected quotes around a whole field: {error}") from error
        if len(fields) != len(self.columns):
            expected = f"expected {len(self.columns)} as in the header"
            raise BadLineError(f"{len(fields)} fields, {shown(text)}, {expected}")
        values = [fields[self.columns.index(name)].strip(" \t") for name in self.wanted]
        for name, value in zip(self.wanted, values, strict=True):
            if not NUMBER.fullmatch(value) or not np.isfinite(float(value)):
                raise BadLineError(f"column {name!r} holds {shown(value)}, expected a finite number")
        return values


def refuse_control_bytes(line: bytes) -> None:
    """Raise BadLineError where a line holds what no line of text does."""
    for byte in (b"\0", b"\r"):
        if byte in line:
            found = f"{byte!r} inside {shown(line)}"
            raise BadLineError(f"{found}, expected text in lines that end in \\n or \\r\\n")


def _exact(column: Array) -> bool:
    return bool(column.max(initial=0) < EXACT_IN_FLOAT and column.min(initial=0) > -EXACT_IN_FLOAT)
