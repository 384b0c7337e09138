"""Whole lines of plain numbers -> columns, by number_parser.c; where it is in any doubt, or cannot be had, None.

That it cannot be had is said once, on standard error: ingestion then takes two to three times as long.
"""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from pathlib import Path

import numpy as np

from recurrent import compiled_c
from recurrent.storage.npy import Array

SOURCE = Path(__file__).with_name("number_parser.c")
LONG, TEXT, POINTER = ctypes.c_long, ctypes.c_char_p, ctypes.c_void_p
KINDS = {"i": np.int64, "f": np.float64}


@cache
def library() -> ctypes.CDLL | None:
    """Return number_parser.c compiled, or None on a machine that cannot compile it."""
    try:
        return compiled_c.load(SOURCE, lines=(TEXT, LONG), parse=(TEXT, LONG, ctypes.c_char, TEXT, POINTER))
    except compiled_c.Unavailable as reason:
        print(f"numbers are read by Arrow instead of the compiled parser: {reason}", file=sys.stderr)
        return None


def parse(block: bytes, delimiter: str, kinds: str) -> list[Array] | None:
    """Parse whole lines, the last of which may lack its end.

    Parameters
    ----------
    kinds : a letter for each column of the file: i for int64, f for float64, a blank for one that is not wanted

    Returns
    -------
    The wanted columns (n,) in the file's order, equal to the bit to what float() reads, or None.
    """
    if (compiled := library()) is None:
        return None
    if not block.endswith(b"\n"):
        block += b"\n"
    wanted = kinds.replace(" ", "")
    room = compiled.lines(block, len(block))
    columns = [np.empty(room, KINDS[kind]) for kind in wanted]
    places = (POINTER * len(wanted))(*(column.ctypes.data for column in columns))
    rows = compiled.parse(block, len(block), delimiter.encode(), kinds.encode(), places)
    return None if rows < 0 else [column[:rows] for column in columns]
