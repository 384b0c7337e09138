"""Rows of a file that grows, or of standard input, as they arrive: lines, or samples as instruments give them."""

import hashlib
import os
import sys
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from recurrent.ingest.line_blocks import LINE_BYTES, UnreadableError
from recurrent.storage.npy import Array

BLOCK_BYTES = 1 << 20
REMEMBERED = 1 << 12  # bytes before a place, by which it is recognised
WAIT = 0.2  # seconds between two looks at a file


class Arriving:
    """Iterates over blocks of whole rows; ends with standard input, and with a file unless it waits.

    Parameters
    ----------
    path : of the file, None: standard input
    wait : whether to wait at the end of a file for more, for ever
    row : the type of a row of samples, such as np.dtype(("<i2", (1,))); None: rows are lines, the last may lack its end
    offset, skipped : bytes and lines of the file that were read before; the header of lines is given again
    """

    md5 = ""  # what has no end has none
    size = 0

    def __init__(
        self, path: Path | None, *, wait: bool, row: np.dtype[Any] | None = None, offset: int = 0, skipped: int = 0
    ) -> None:
        self._path, self._wait, self._row, self.position, self.skipped = path, wait, row, offset, skipped
        try:
            self._descriptor = sys.stdin.fileno() if path is None else os.open(path, os.O_RDONLY)
        except OSError as error:
            raise UnreadableError(f"{path}: {error.strerror}, expected a file") from error

    @property
    def mark(self) -> str:
        """sha256 of what lies just before the place, which tells whether a file is still the one that was read."""
        first = max(0, self.position - REMEMBERED)
        return hashlib.sha256(os.pread(self._descriptor, self.position - first, first)).hexdigest()

    def __iter__(self) -> Generator[bytes, None, None]:
        try:
            if self.position:
                if self._row is None:
                    yield self._header()
                os.lseek(self._descriptor, self.position, os.SEEK_SET)
            rest = b""
            while data := os.read(self._descriptor, BLOCK_BYTES) or self._later():
                data = rest + data if rest else data
                cut = data.rfind(b"\n") + 1 if self._row is None else len(data) - len(data) % self._row.itemsize
                block, rest = (data[:cut], data[cut:]) if cut < len(data) else (data, b"")
                if len(rest) > LINE_BYTES:
                    raise UnreadableError(f"no line end in {LINE_BYTES} bytes, expected lines that end in \\n")
                if block:
                    self.position += len(block)
                    yield block
            if rest and self._row is not None:
                raise UnreadableError(f"ends after {len(rest)} bytes of a row, expected {self._row.itemsize}")
            if rest:
                self.position += len(rest)
                yield rest
        finally:
            if self._path is not None:
                os.close(self._descriptor)

    def _header(self) -> bytes:
        """Return the first line that is not empty."""
        head = os.pread(self._descriptor, min(self.position, LINE_BYTES), 0)
        return next((line for line in head.splitlines(keepends=True) if line.strip()), b"")

    def _later(self) -> bytes:
        """Wait for more of a file; nothing at the end of standard input."""
        while self._path is not None and self._wait:
            self._require_same_file(self._path)
            if data := os.read(self._descriptor, BLOCK_BYTES):
                return data
            time.sleep(WAIT)
        return b""

    def _require_same_file(self, path: Path) -> None:
        opened = os.fstat(self._descriptor)
        try:
            named = path.stat()
        except FileNotFoundError:
            raise UnreadableError("was removed while it was followed") from None
        if (named.st_dev, named.st_ino) != (opened.st_dev, opened.st_ino):
            raise UnreadableError("was replaced by another file while it was followed")
        if opened.st_size < os.lseek(self._descriptor, 0, os.SEEK_CUR):
            raise UnreadableError("was cut while it was followed")


def samples(arriving: Arriving, row: np.dtype[Any], name: Path) -> Iterator[Array]:
    """Yield rows of samples (n, D); ValueError for a number that is not finite, and for what cannot be read."""
    rows = arriving.position // row.itemsize
    try:
        for block in arriving:
            found = np.frombuffer(block, row)
            if found.dtype.kind == "f" and not (finite := np.isfinite(found).all(axis=1)).all():
                wrong = int(np.argmin(finite))
                raise UnreadableError(f"row {rows + wrong + 1} holds {found[wrong].tolist()}, expected finite numbers")
            rows += len(found)
            yield found
    except UnreadableError as error:
        raise ValueError(f"{name}: {error}") from error
