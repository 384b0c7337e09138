"""The first line of a CSV file -> its delimiter and the names of its columns."""

from __future__ import annotations

import csv
import difflib
import re
from collections.abc import Sequence
from decimal import Decimal

DELIMITERS = ",;\t|"
INTEGER = re.compile(r"[+-]?[0-9]+")
# What float() reads, less underscores, inf, nan and the digits of other scripts.
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
# Larger ones would be rounded, and a name or a time in nanoseconds become another one, without a word.
EXACT = "an integer that float64 holds exactly (all up to 2**53 are such), or a decimal number, which is rounded"
LONGEST = csv.field_size_limit()  # of a header, which is one field under a delimiter that it lacks


def is_exact(number: str) -> bool:
    """Say whether a text that is a NUMBER keeps its value as a float64, if it is an integer."""
    return len(number) <= 15 or not INTEGER.fullmatch(number) or Decimal(number) == float(number)


def read_header(line: bytes, wanted: Sequence[str]) -> tuple[str, list[str]]:
    """Return the first delimiter under which every wanted name is a column, and all names; else raise ValueError."""
    if len(line) > LONGEST:
        raise ValueError(f"a header of {len(line)} bytes, {shown(line)}, expected at most {LONGEST}")
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"no header: {shown(line)}, expected UTF-8 text: {error}") from error
    try:
        parsed = {d: next(csv.reader([text], delimiter=d)) for d in DELIMITERS}
    except csv.Error as error:
        raise ValueError(f"no header: {shown(text)}, expected names in one line: {error}") from error
    headers = {delimiter: [name.strip() for name in names] for delimiter, names in parsed.items()}
    fitting = [delimiter for delimiter, header in headers.items() if set(wanted) <= set(header)]
    # Without a fit, the delimiter that cuts most is the likeliest, for the sake of the message.
    delimiter = fitting[0] if fitting else max(DELIMITERS, key=lambda d: len(headers[d]))
    header = headers[delimiter]
    if not fitting:
        if all(NUMBER.fullmatch(name) for name in header if name):
            raise ValueError(f"no header but numbers, {shown(text)}, expected {list(wanted)}")
        missing = next(name for name in wanted if name not in header)
        near = difflib.get_close_matches(missing, header, n=1)
        hint = f", did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"no column {missing!r}, found {_listed(header)}, expected {list(wanted)}{hint}")
    for name in wanted:
        if header.count(name) > 1:
            raise ValueError(f"{header.count(name)} columns {name!r}, expected one")
    return delimiter, header


def _listed(names: list[str]) -> str:
    shortened = str([name[:30] for name in names[:10]])
    return f"{shortened} and {len(names) - 10} more" if len(names) > 10 else shortened


def shown(text: str | bytes) -> str:
    """Quote a line in a message, cut where it would bury the rest."""
    return repr(text) if len(text) <= 60 else f"{text[:60]!r}..."
