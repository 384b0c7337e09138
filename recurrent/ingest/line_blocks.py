"""A file on disk, packed or not -> blocks of whole lines and its md5, read once and with flat memory."""

from __future__ import annotations

import hashlib
import os
import stat
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import pyarrow as pa

# A file without line ends must not be read into memory whole.
LINE_BYTES = 1 << 24
SEARCH_BYTES = 1 << 12
CODECS = {".gz": "gzip", ".zst": "zstd"}
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
        self.md5, self.position = "", 0  # packed bytes read so far, out of `size`
        require_file(path)
        self._file = path.open("rb")
        self._before = os.fstat(self._file.fileno())
        self.size = self._before.st_size

    @property
    def packed(self) -> bool:
        """Return whether the file has to be unpacked, and so be read from its beginning."""
        return self._path.suffix.lower() in (".zip", *CODECS)

    def ranges(self, blocks: int) -> list[LineRange]:
        """Return ranges that hold all lines of a plain file: the first block, and then so many blocks each."""
        step, path, stamp = self._block_bytes, self._path.absolute(), self._before.st_mtime_ns
        firsts = [0, *range(step, self.size, step * blocks)]
        with self._path.open("rb") as file:
            begins = [_line_begin(file, first) for first in firsts]
        stops = [*firsts[1:], self.size]
        own = zip(begins, firsts, stops, strict=True)
        return [LineRange(path, *places, step, self.size, stamp) for places in own]

    def __iter__(self) -> Generator[bytes, None, None]:
        checksum = hashlib.md5(usedforsecurity=False)
        with self._file, ThreadPoolExecutor(max_workers=1) as thread:
            with _damage_named():
                stream = self._unpacked(checksum, thread)

            def read() -> bytes:
                data: bytes = stream.read(self._block_bytes)
                self.position = self._file.tell()
                return data

            rest = yield from _whole_lines(read)
            self.position = self.size
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
        codec = CODECS.get(suffix)
        # Arrow reads on through all members and frames and, unlike zstandard's reader, refuses a cut file.
        return pa.CompressedInputStream(pa.PythonFile(plain, mode="r"), codec) if codec else plain


@dataclass
class LineRange:
    """Lines of a plain file, in the blocks in which LineBlocks gives them.

    Parameters
    ----------
    begin : where the first line begins, the last that does so before `first`, or there
    first, stop : of the blocks that the last lines end in
    block_bytes, size, written : of the LineBlocks, whose file it must be
    skipped, md5 : as of Lines; nothing, the whole file has a checksum
    """

    path: Path
    begin: int
    first: int
    stop: int
    block_bytes: int
    size: int
    written: int
    skipped: int = 0
    md5: str = ""

    @property
    def position(self) -> int:
        """Return where the range ends."""
        return self.stop

    def __iter__(self) -> Generator[bytes, None, None]:
        with self.path.open("rb") as file:
            about = os.fstat(file.fileno())
            if (about.st_size, about.st_mtime_ns) != (self.size, self.written):
                raise UnreadableError(f"another file than the one that is read, or changed since; {AGAIN}")
            file.seek(self.begin)
            rest = file.read(self.first - self.begin)
            rest = yield from _whole_lines(lambda: file.read(min(self.block_bytes, self.stop - file.tell())), rest)
        if rest and self.stop == self.size:
            yield rest


def _whole_lines(read: Callable[[], bytes], rest: bytes = b"") -> Generator[bytes, None, bytes]:
    """Yield blocks of whole lines of what `rest` and `read` give, until that is nothing; return what remains."""
    while True:
        with _damage_named():
            data = read()
        if not data:
            return rest
        cut = data.rfind(b"\n") + 1
        if cut:
            yield b"".join((rest, memoryview(data)[:cut]))
        rest = data[cut:] if cut else rest + data
        if len(rest) > LINE_BYTES:
            found = "only \\r, as in old Mac files," if b"\r" in rest else "no line end"
            raise UnreadableError(f"{found} in {LINE_BYTES} bytes, expected lines that end in \\n")


def _line_begin(file: BinaryIO, place: int) -> int:
    """Return where the line begins that the byte before `place` is in, or `place` where that byte ends a line."""
    end = place
    while end > max(0, place - LINE_BYTES):
        begin = max(0, end - SEARCH_BYTES)
        file.seek(begin)
        if cut := file.read(end - begin).rfind(b"\n") + 1:
            return begin + cut
        end = begin
    return end  # too long a line, which stops the reading before it comes to `place`
