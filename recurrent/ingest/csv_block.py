"""Whole lines of a CSV file -> columns of numbers, or the first problem in words.

A block of plain numbers is parsed by `number_parser`, compiled; without a compiler, or in doubt, by Arrow, and checked;
one that leaves any doubt is read again, line by line, by a plain parser. That one is the reference: it decides what a
number is and words the problems.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyarrow import csv as arrow_csv

from recurrent.ingest import number_parser
from recurrent.ingest.csv_header import EXACT, INTEGER, NUMBER, is_exact, shown
from recurrent.storage.npy import EXACT_IN_FLOAT, Array

Flags = tuple[bool, ...]

BOM = b"\xef\xbb\xbf"


class BadLineError(ValueError):
    """What a line holds, and what was expected."""


@dataclass(frozen=True)
class Parsed:
    """The wanted columns, up to the first problem.

    Parameters
    ----------
    columns : (n,) each; int64 while its values are integers, else float64
    is_float : for each column, whether a value that is no integer has been seen, here or before
    problem : None, or what is wrong with the line after the last row
    """

    columns: list[Array]
    is_float: Flags
    problem: str | None = None


@dataclass(frozen=True)
class BlockParser:
    """What the header tells of the lines: delimiter, all `columns`, and the names `wanted` of them."""

    delimiter: str
    columns: list[str]
    wanted: list[str]

    def parse(self, block: bytes, is_float: Flags) -> Parsed:
        """Parse whole lines, the last of which may lack its end; `is_float`: the columns known to be no integers."""
        columns = self._fast(block, is_float)
        return self.plain(block, is_float) if columns is None else Parsed(columns, is_float)

    def _fast(self, block: bytes, is_float: Flags) -> list[Array] | None:
        """Return the wanted columns, or None when in doubt."""
        columns = self._compiled(block, is_float)
        return self._arrow(block, is_float) if columns is None else columns

    def _compiled(self, block: bytes, is_float: Flags) -> list[Array] | None:
        kind = {name: "f" if f else "i" for name, f in zip(self.wanted, is_float, strict=True)}
        columns = number_parser.parse(block, self.delimiter, "".join(kind.get(name, " ") for name in self.columns))
        if columns is None:
            return None
        if not all(map(_exact, columns)):  # an integer too large may be among the floats
            return None
        by_name = dict(zip((name for name in self.columns if name in kind), columns, strict=True))
        return [by_name[name] for name in self.wanted]

    def _arrow(self, block: bytes, is_float: Flags) -> list[Array] | None:
        # Arrow drops a byte order mark and reads 0x1F as 31; quotes and NUL are left to the plain parser.
        doubts = (b'"', b"\0") if all(is_float) else (b'"', b"\0", b"x", b"X")
        if block.startswith(BOM) or any(byte in block for byte in doubts):
            return None
        names = [str(i) for i in range(len(self.columns))]  # the header's own may be empty, or occur twice
        wanted = [names[self.columns.index(name)] for name in self.wanted]
        types = [pa.float64() if f else pa.int64() for f in is_float]
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
        for column, f in zip(columns, is_float, strict=True):
            if not (_exact(column) and (not f or np.isfinite(column).all())):
                return None
        return columns

    def plain(self, block: bytes, is_float: Flags) -> Parsed:
        """Parse the same by the plain parser, the reference."""
        rows, problem = list[list[str]](), None
        for line in block.removesuffix(b"\n").split(b"\n"):
            try:
                rows.append(self._values(line.removesuffix(b"\r")))
            except BadLineError as error:
                problem = str(error)
                break
        texts = list(zip(*rows, strict=True)) or [()] * len(self.wanted)
        columns: list[Array] = [np.array([float(text) for text in column]) for column in texts]
        integer = [all(map(INTEGER.fullmatch, text)) and _exact(c) for text, c in zip(texts, columns, strict=True)]
        is_float = tuple(f or not i for f, i in zip(is_float, integer, strict=True))
        columns = [c if f else c.astype(np.int64) for c, f in zip(columns, is_float, strict=True)]
        return Parsed(columns, is_float, problem)

    def _values(self, line: bytes) -> list[str]:
        """Return the wanted fields of one line, each sure to be a number."""
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
            if not is_exact(value):
                raise BadLineError(f"column {name!r} holds {shown(value)}, expected {EXACT}")
        return values


def refuse_control_bytes(line: bytes) -> None:
    """Raise BadLineError where a line holds what no line of text does."""
    for byte in (b"\0", b"\r"):
        if byte in line:
            found = f"{byte!r} inside {shown(line)}"
            raise BadLineError(f"{found}, expected text in lines that end in \\n or \\r\\n")


def _exact(column: Array) -> bool:
    """Say whether a decimal further down the column can change no integer."""
    return bool(column.max(initial=0) < EXACT_IN_FLOAT and column.min(initial=0) > -EXACT_IN_FLOAT)
