"""A file on disk, packed or not -> blocks of whole lines and its md5, read once and with flat memory."""

from __future__ import annotations

import hashlib
import os
import stat
import zipfile
import zlib
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import pyarrow as pa

# A file without line ends must not be read into memory whole.
LINE_BYTES = 1 << 24
AGAIN = "wait until nobody writes it, then run the same command again"
DAMAGED = (OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)


class Lines(Protocol):
    """Blocks of whole lines; `skipped` lines lie between the header and what follows it, `md5` comes last."""

    size: int
    md5: str
    skipped: int

    @property
    def position(self) -> int: ...

    def __iter__(self) -> Generator[bytes, None, None]: ...


class UnreadableError(ValueError):
    """The bytes cannot be had, or not line by line."""


class _Checksummed:
    """Shows every byte to a checksum on its way, which saves a second pass over the file.

    The checksum has a thread of its own: a fifth of the time, spent beside the parser.
    """

    closed = False  # Arrow asks for it

    def __init__(self, file: BinaryIO, checksum: Any, thread: ThreadPoolExecutor) -> None:
        self._file, self._checksum, self._thread = file, checksum, thread
        self._pending: Future[None] | None = None

    def read(self, size: int) -> bytes:
        data = self._file.read(size)
        if self._pending:
            self._pending.result()  # at most one block waits, so memory stays flat
        self._pending = self._thread.submit(self._checksum.update, data)
        return data

    def close(self) -> None:
        self.closed = True


@contextmanager
def _damage_named() -> Iterator[None]:
    try:
        yield
    except DAMAGED as error:
        raise UnreadableError(f"cannot be read to its end, cut or damaged: {error}") from error


def require_file(path: Path) -> None:
    """Raise UnreadableError where `path` cannot be opened, or where reading may never end: of a pipe or a device."""
    try:
        mode = path.stat().st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise UnreadableError("a pipe, a socket or a device, expected a file")
        path.open("rb").close()
    except OSError as error:
        raise UnreadableError(f"{error.strerror}, expected a file") from error


@contextmanager
def unchanged(path: Path) -> Iterator[None]:
    """Raise UnreadableError where `path` is no file, or where it is not the same one at the end."""
    require_file(path)
    before = path.stat()
    yield
    require_unchanged(path, before)


def require_unchanged(path: Path, before: os.stat_result) -> None:
    """Raise UnreadableError where a file is no longer what it was `before`, so that its md5 is of what was parsed."""
    try:
        after = path.stat()
    except OSError as error:
        raise UnreadableError(f"deleted or moved while it was read ({error.strerror}); {AGAIN}") from error
    if before.st_ino != after.st_ino:
        raise UnreadableError(f"replaced by another file while it was read; {AGAIN}")
    if before.st_size != after.st_size:
        sizes = f"{before.st_size:,} bytes before, {after.st_size:,} after"
        raise UnreadableError(f"cut or grown while it was read, {sizes}; {AGAIN}")
    if before.st_mtime_ns != after.st_mtime_ns:
        raise UnreadableError(f"written to while it was read; {AGAIN}")


class LineBlocks:
    """Iterates over a plain, .gz, .zst or one-member .zip file; `md5` (of the file as packed) comes last."""

    skipped = 0

    def __init__(self, path: Path, block_bytes: int) -> None:
        self._path, self._block_bytes = path, block_bytes
        self.md5 = ""
        require_file(path)
        self._file = path.open("rb")
        self._before = os.fstat(self._file.fileno())
        self.size = self._before.st_size

    @property
    def position(self) -> int:
        """Return the number of packed bytes read so far, out of `size`."""
        return self.size if self._file.closed else self._file.tell()

    def __iter__(self) -> Generator[bytes, None, None]:
        checksum = hashlib.md5(usedforsecurity=False)
        with self._file, ThreadPoolExecutor(max_workers=1) as thread:
            with _damage_named():
                stream = self._unpacked(checksum, thread)
            rest = b""
            while True:
                with _damage_named():
                    data = stream.read(self._block_bytes)
                if not data:
                    break
                cut = data.rfind(b"\n") + 1
                if cut:
                    yield b"".join((rest, memoryview(data)[:cut]))
                rest = data[cut:] if cut else rest + data
                if len(rest) > LINE_BYTES:
                    found = "only \\r, as in old Mac files," if b"\r" in rest else "no line end"
                    raise UnreadableError(f"{found} in {LINE_BYTES} bytes, expected lines that end in \\n")
            if rest:
                yield rest
        require_unchanged(self._path, self._before)
        self.md5 = checksum.hexdigest()

    def _unpacked(self, checksum: Any, thread: ThreadPoolExecutor) -> Any:
        suffix = self._path.suffix.lower()
        if suffix == ".zip":  # its directory lies at the end, so zipfile jumps about: the checksum goes first
            while data := self._file.read(self._block_bytes):
                checksum.update(data)
            archive = zipfile.ZipFile(self._file)
            members = [info.filename for info in archive.infolist() if not info.is_dir()]
            if len(members) != 1:
                raise UnreadableError(f"{len(members)} files inside {members[:5]}, expected exactly one")
            return archive.open(members[0])
        plain = _Checksummed(self._file, checksum, thread)
        codec = {".gz": "gzip", ".zst": "zstd"}.get(suffix)
        # Arrow reads on through all members and frames and, unlike zstandard's reader, refuses a cut file.
        return pa.CompressedInputStream(pa.PythonFile(plain, mode="r"), codec) if codec else plain
