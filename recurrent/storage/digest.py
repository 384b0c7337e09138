"""Files that are read back vouch for themselves: a JSON file holds its own digest and those of the files beside it.

The digest is xxh3 of 128 bits. It finds every damage that is no forgery, at the speed of memory: 6 GB take a second.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import xxhash

from recurrent.storage.tables import write_json

CURE = "run dvc repro, which makes it again"


def of_bytes(content: bytes) -> str:
    """Return the digest of some bytes."""
    return xxhash.xxh3_128_hexdigest(content)


def of_file(path: Path) -> str:
    """Return the digest of a file, in flat memory."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, xxhash.xxh3_128).hexdigest()  # type: ignore[arg-type]


def of_json(values: Mapping[str, Any]) -> str:
    """Return the digest of values that JSON can hold, in whatever order and form they were written."""
    return of_bytes(json.dumps(values, sort_keys=True).encode())


def write_sealed(path: Path, values: Mapping[str, Any], files: Iterable[Path]) -> None:
    """Write `values` as JSON, with `files` (name -> digest) and `digest`, its own."""
    sealed = {**values, "files": {file.name: of_file(file) for file in files}}
    write_json(path, sealed | {"digest": of_json(sealed)})


def read_sealed(path: Path, files: Iterable[Path] | None = None) -> dict[str, Any]:
    """Read what `write_sealed` wrote, once it and its files are found undamaged.

    Parameters
    ----------
    files : those that are read, where they do not lie beside `path`; all of them unless given

    Raises
    ------
    ValueError
        For a file that is missing, not what was written, or without a digest.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        own, listed = values.pop("digest"), values["files"]
    except FileNotFoundError:
        raise ValueError(f"{path} is missing; {CURE}") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{path}: damaged, or written by an earlier version ({error!r}); delete it and {CURE}"
        ) from error
    require(path, own, of_json(values))
    for file in [path.parent / name for name in listed] if files is None else files:
        try:
            require(file, listed.get(file.name), of_file(file))
        except FileNotFoundError:
            raise ValueError(f"{file} is missing; {CURE}") from None
    return values | {"digest": own}


def require(path: Path, written: str | None, found: str) -> None:
    """Raise ValueError unless the digest of the file is the one that was written."""
    if found != written:
        raise ValueError(f"{path}: damaged: its digest is {found}, expected {written}; delete it and {CURE}")
