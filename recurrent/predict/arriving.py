"""Lines of a file that grows, or of standard input, as they arrive."""

import hashlib
import os
import sys
import time
from collections.abc import Generator
from pathlib import Path

from recurrent.ingest.line_blocks import LINE_BYTES, UnreadableError

BLOCK_BYTES = 1 << 20
REMEMBERED = 1 << 12  # bytes before a place, by which it is recognised
WAIT = 0.2  # seconds between two looks at a file


class ArrivingLines:
    """Iterates over blocks of whole lines; ends with standard input, and with a file unless it waits.

    Parameters
    ----------
    path : of the file, None: standard input
    wait : whether to wait at the end of a file for more, for ever
    offset, skipped : bytes and lines of the file that were read before; its header is given again
    """

    md5 = ""  # what has no end has none
    size = 0

    def __init__(self, path: Path | None, *, wait: bool, offset: int = 0, skipped: int = 0) -> None:
        self._path, self._wait, self.position, self.skipped = path, wait, offset, skipped
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
                yield self._header()
                os.lseek(self._descriptor, self.position, os.SEEK_SET)
            rest = b""
            while data := os.read(self._descriptor, BLOCK_BYTES) or self._later():
                cut = data.rfind(b"\n") + 1
                block, rest = (rest + data[:cut], data[cut:]) if cut else (b"", rest + data)
                if len(rest) > LINE_BYTES:
                    raise UnreadableError(f"no line end in {LINE_BYTES} bytes, expected lines that end in \\n")
                if block:
                    self.position += len(block)
                    yield block
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
