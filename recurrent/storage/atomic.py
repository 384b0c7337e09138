"""Files and folders that appear whole or not at all, whatever ends the process that writes them."""

import glob
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows, where nothing is locked and what a killed process left is not removed
    fcntl = None  # type: ignore[assignment]

META = "meta.json"


@contextmanager
def replacing(path: Path, *, folder: bool = False) -> Iterator[Path]:
    """Yield a temporary path beside `path`, which takes its place at the end; after an exception nothing is left.

    What is in place survives a power cut. What a process that no longer runs left behind for the same path is removed
    first: a temporary file is locked by its writer, and the lock ends with the process, however that ends.

    Parameters
    ----------
    folder : yield an empty folder; one that it replaces must hold nothing but files that its own meta.json lists

    Raises
    ------
    OSError
        Where the disk is full, among others; it names `path`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_abandoned(path.parent, f".{glob.escape(path.name)}.[0-9]*.tmp")
    if folder and path.exists():
        _require_replaceable(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    aside = temporary.with_suffix(".old.tmp")
    held = None
    try:
        with naming(path):
            if folder:
                temporary.mkdir()
            held = os.open(temporary, os.O_RDONLY | (0 if folder else os.O_CREAT), 0o666)
            locked(held)
            yield temporary
            for file in (*temporary.iterdir(), temporary) if folder else (temporary,):
                to_disk(file)
            if folder and path.exists():  # it steps aside, because only an empty folder can be renamed over
                path.rename(aside)
            os.replace(temporary, path)
            to_disk(path.parent)
    finally:
        if aside.exists() and not path.exists():
            aside.rename(path)
        remove(temporary)
        remove(aside)
        if held is not None:
            os.close(held)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Name the path in an error of the disk that names none."""
    try:
        yield
    except OSError as error:
        if error.filename or not error.errno:
            raise
        raise OSError(error.errno, os.strerror(error.errno), str(path)) from error


def _require_replaceable(folder: Path) -> None:
    """Replacing a folder deletes it, so one that holds anything of somebody else's is left alone."""
    if not folder.is_dir():
        raise ValueError(f"{folder}: is not a directory, expected one to replace, or nothing")
    names = {path.name for path in folder.iterdir()}
    try:
        known = {META, *json.loads((folder / META).read_text(encoding="utf-8"))["files"]}
    except (OSError, ValueError, KeyError, TypeError):
        known = set()
    if strange := sorted(names - known):
        expected = f"only files that its {META} lists, or nothing"
        raise ValueError(f"{folder}: holds {strange[0]}, expected {expected}; move it away or delete the folder")


def locked(file: int) -> bool:
    """Lock an open file or folder until it is closed or this process ends; False where another process holds it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except (AttributeError, OSError):  # Windows, and network drives without locks: as if nobody held it
        pass
    return True


def to_disk(path: Path) -> None:
    """Wait until a file's content, or a folder's names, would survive a power cut."""
    if os.name == "posix":
        file = os.open(path, os.O_RDONLY)
        try:
            os.fsync(file)
        finally:
            os.close(file)


def remove(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
    with suppress(FileNotFoundError):  # another process may clear up at the same time
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def remove_abandoned(folder: Path, pattern: str = ".*.[0-9]*.tmp") -> None:
    """Remove the temporary files and folders .NAME.PROCESS.tmp that nobody writes any more."""
    for temporary in folder.glob(pattern):
        with suppress(OSError):  # removed by another process, or of another user
            file = os.open(temporary, os.O_RDONLY)
            try:
                if locked(file):
                    remove(temporary)
            finally:
                os.close(file)
