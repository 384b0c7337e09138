"""Files that appear whole or not at all, whatever ends the process that writes them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`, which takes its place at the end; after an exception nothing is left.

    What a process that no longer runs left behind for the same path is removed first.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_abandoned(path.parent, f".{path.name}.*.tmp")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def remove_abandoned(folder: Path, pattern: str = ".*.tmp") -> None:
    """Remove the temporary files .NAME.PROCESS.tmp in a folder whose process no longer runs."""
    for temporary in filter(_abandoned, folder.glob(pattern)):
        temporary.unlink(missing_ok=True)  # another process may clear up at the same time


def _abandoned(temporary: Path) -> bool:
    """Say whether nobody writes the file any more; what has this process's number is an earlier one's."""
    number = temporary.name.split(".")[-2]
    if not number.isdecimal():
        return False
    if int(number) == os.getpid():
        return True
    try:
        os.kill(int(number), 0)
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:  # it runs, as another user
        return False
    return False
