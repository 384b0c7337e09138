"""The one form every source takes on disk: signal.npy (n, D), target.npy (n, K), group.npy, known.npy (n,), meta.json.

Rows are in time order; `group` (absent for one long series) marks what must not be mixed, such as a student
or a review; `known` (absent where all are) marks the rows whose target is no filled value. The files hold what np.save
would have written, bit for bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np

from recurrent.storage.atomic import META
from recurrent.storage.digest import read_sealed
from recurrent.storage.meta import Meta, SeriesMeta
from recurrent.storage.npy import Array
from recurrent.storage.series_writer import SeriesWriter

M = TypeVar("M", bound=Meta)


@dataclass(frozen=True, eq=False)
class Recording:
    """A small series in memory, as a source gives it.

    Parameters
    ----------
    signal, target : (n, D) and (n, K), rows in time order; `target` of a row is the quantity at that row
    group : (n,) integers, rows of one group side by side; None for one series
    meta : what the rows are
    known : (n,) False where the target of a row is not known: any values that fill it are neither learnt nor scored,
        while the row's signal is read like any other; None: all are known
    """

    signal: Array
    target: Array
    group: Array | None
    meta: SeriesMeta
    known: Array | None = None

    def summary(self) -> str:
        """Return how much there is, what was left out, and what is unusual about it."""
        counted = self.meta.counts.lines() if self.meta.counts else []
        return "\n".join([f"{len(self.signal)} rows of {', '.join(self.meta.signal)}", *counted])

    def write(self, folder: Path) -> None:
        """Write it as a `Series`."""
        with SeriesWriter(folder) as writer:
            writer.append(self.signal, self.target, self.group, self.known)
            writer.finish(self.meta)


@dataclass(frozen=True, eq=False)
class Series(Generic[M]):
    """A series on disk; the arrays are read-only memory maps.

    Opening reads all files once, in flat memory, to compare them with the digests in meta.json: seconds for gigabytes.
    `digest` is that of meta.json, so that of all there is.
    """

    signal: Array
    target: Array
    group: Array | None
    known: Array | None
    meta: M
    digest: str

    @classmethod
    def open(cls, folder: Path, meta: type[M]) -> Series[M]:
        """Map the arrays in `folder`, whose meta.json is of the kind `meta`.

        Raises
        ------
        ValueError
            Where a file is missing or damaged.
        """
        values = read_sealed(folder / META)
        own, _, _ = (values.pop(key) for key in ("digest", "rows", "dtype"))
        arrays = {Path(name).stem: np.load(folder / name, mmap_mode="r") for name in values.pop("files")}
        signal, target, group, known = arrays["signal"], arrays["target"], arrays.get("group"), arrays.get("known")
        return cls(signal, target, group, known, meta.from_json(values, folder / META), own)

    def blocks(self, rows: int, begin: int, end: int) -> Iterator[tuple[Array, Array]]:
        """Read (signal, target) from row `begin` up to `end`, `rows` at a time, the last block shorter.

        Read, not mapped: pages of a map stay in memory until somebody else wants it.
        """
        for first in range(begin, end, rows):
            count = min(rows, end - first)
            yield _read(self.signal, first, count), _read(self.target, first, count)


def _read(mapped: Any, first: int, count: int) -> Array:
    width = mapped.shape[1]
    offset = mapped.offset + first * width * mapped.itemsize
    values: Array = np.fromfile(mapped.filename, mapped.dtype, count * width, offset=offset)
    return values.reshape(count, width)
