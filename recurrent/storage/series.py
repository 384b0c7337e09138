"""The one form every source takes on disk: signal.npy (n, D), target.npy (n, K), group.npy (n,), meta.json.

Rows are in time order; `group` (absent for one long series) marks what must not be mixed, such as a student
or a review. The files hold what np.save would have written, bit for bit.
"""

from __future__ import annotations

import io
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

META = "meta.json"
NAMES = ("signal", "target", "group")
# Room for any header of at most two dimensions; np.save pads to the same length, to keep the data aligned.
HEADER_BYTES = 128
CHUNK_ROWS = 1 << 18
# Narrowest first: LANL's signal fits in int16, which halves what training reads from disk.
INTEGERS = tuple(np.dtype(name) for name in ("<i2", "<i4", "<i8"))
FLOAT = np.dtype("<f8")
# Above this a float64 skips whole numbers, so an integer could change without a word.
EXACT_IN_FLOAT = 2**53


class _GrowingArray:
    """One .npy file that grows by appending; its header is written last, when rows and dtype are known."""

    def __init__(self, path: Path, dimensions: int) -> None:
        self.path = path
        self.dimensions = dimensions
        self.rows = 0
        self.dtype = INTEGERS[0]
        self.row_shape: tuple[int, ...] | None = None
        self._file = self._create(path)

    @staticmethod
    def _create(path: Path) -> BinaryIO:
        file = path.open("w+b")
        file.write(bytes(HEADER_BYTES))
        return file

    def append(self, values: Array) -> None:
        name = self.path.stem
        if values.ndim != self.dimensions:
            raise ValueError(f"{name}: shape {values.shape}, expected {self.dimensions} dimensions")
        if self.row_shape is None:
            self.row_shape = values.shape[1:]
        if values.shape[1:] != self.row_shape or 0 in self.row_shape:
            found = f"rows of shape {values.shape[1:]}"
            raise ValueError(f"{name}: {found}, expected {self.row_shape}, none of them 0")
        if len(values):  # an empty block has no smallest value, and no say in the dtype
            self._widen(self._dtype_for(values))
            self._file.write(np.ascontiguousarray(values, dtype=self.dtype).data)
            self.rows += len(values)

    def _dtype_for(self, values: Array) -> np.dtype[Any]:
        """The narrowest dtype that holds all so far: by value, so it does not matter where blocks are cut."""
        name = self.path.stem
        if np.can_cast(values.dtype, FLOAT) and values.dtype.kind == "f":
            if not (finite := np.isfinite(values)).all():
                row = int(np.argwhere(~finite)[0][0])
                raise ValueError(f"{name}: row {self.rows + row} holds {values[row]}, expected finite values")
            return FLOAT
        if values.dtype.kind not in "biu":
            raise ValueError(f"{name}: dtype {values.dtype}, expected integers or floats of at most 64 bits")
        low, high = int(values.min()), int(values.max())
        if self.dtype == FLOAT:
            self._require_exact(low, high)
            return FLOAT
        for dtype in INTEGERS[INTEGERS.index(self.dtype) :]:
            if np.iinfo(dtype).min <= low and high <= np.iinfo(dtype).max:
                return dtype
        raise ValueError(f"{name}: {high} does not fit in 64 bits")

    def _require_exact(self, low: int, high: int) -> None:
        if low < -EXACT_IN_FLOAT or high > EXACT_IN_FLOAT:
            found = f"integers from {low} to {high} beside floats"
            raise ValueError(f"{self.path.stem}: {found}, expected at most 2**53 in size")

    def _widen(self, dtype: np.dtype[Any]) -> None:
        """Rewrite the file so far in a wider dtype, in chunks; this happens three times at most."""
        if dtype == self.dtype:
            return
        wider_path = self.path.with_suffix(".wider")
        values_a_row = int(np.prod(self.row_shape or (1,)))
        self._file.seek(HEADER_BYTES)
        with self._file as narrow:
            self._file = self._create(wider_path)
            while raw := narrow.read(CHUNK_ROWS * values_a_row * self.dtype.itemsize):
                chunk: Array = np.frombuffer(raw, dtype=self.dtype)
                if dtype == FLOAT:
                    self._require_exact(int(chunk.min()), int(chunk.max()))
                self._file.write(chunk.astype(dtype).data)
        os.replace(wider_path, self.path)
        self.dtype = dtype

    def finish(self) -> None:
        header = io.BytesIO()
        shape = (self.rows, *(self.row_shape or ()))
        np.lib.format.write_array_header_1_0(header, {"descr": self.dtype.str, "fortran_order": False, "shape": shape})
        if (size := header.tell()) != HEADER_BYTES:
            raise AssertionError(f"numpy's header has {size} bytes, expected {HEADER_BYTES}")
        self._file.seek(0)
        self._file.write(header.getvalue())
        self.close()

    def close(self) -> None:
        self._file.close()


class SeriesWriter:
    """Writes a series block by block, with flat memory; the folder appears whole at `finish`, or not at all.

    >>> with SeriesWriter(Path("data/quake/series")) as writer:
    ...     writer.append(signal, target)
    ...     writer.finish({"source": "lanl"})
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rows = 0
        self._temporary = folder.with_name(f".{folder.name}.tmp-{os.getpid()}")
        self._arrays: dict[str, _GrowingArray] = {}
        self._finished = False

    def __enter__(self) -> SeriesWriter:
        if self.folder.exists():
            self._require_series()
        shutil.rmtree(self._temporary, ignore_errors=True)
        self._temporary.mkdir(parents=True)
        return self

    def _require_series(self) -> None:
        """Replacing a folder deletes it, so one that holds anything else is left alone."""
        known = {META, *(f"{name}.npy" for name in NAMES)}
        if not self.folder.is_dir() or (strange := sorted({p.name for p in self.folder.iterdir()} - known)):
            what = f"holds {strange[0]}" if self.folder.is_dir() else "is no folder"
            raise ValueError(f"{self.folder}: {what}, expected a series to replace, or nothing")

    def append(self, signal: Array, target: Array, group: Array | None = None) -> None:
        """Add rows: signal (n, D), target (n, K), group (n,) in every block or in none."""
        blocks = {"signal": signal, "target": target} | ({} if group is None else {"group": group})
        if not self._arrays:
            for name in blocks:
                path = self._temporary / f"{name}.npy"
                self._arrays[name] = _GrowingArray(path, dimensions=1 if name == "group" else 2)
        if blocks.keys() != self._arrays.keys():
            raise ValueError(f"row {self.rows}: got {list(blocks)}, expected {list(self._arrays)} as before")
        lengths = {name: len(values) for name, values in blocks.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"row {self.rows}: blocks of unequal length {lengths}")
        for name, values in blocks.items():
            self._arrays[name].append(np.asarray(values))
        self.rows += len(signal)

    def finish(self, meta: dict[str, Any]) -> None:
        """Write the headers and meta.json (`meta`, `rows` and `dtype`), then move the folder into place."""
        if not self.rows:
            raise ValueError(f"{self.folder}: no rows, expected at least one")
        if taken := {"rows", "dtype"} & meta.keys():
            raise ValueError(f"{self.folder}: meta names {sorted(taken)}, which the writer fills in itself")
        for array in self._arrays.values():
            array.finish()
        dtypes = {name: array.dtype.name for name, array in self._arrays.items()}
        meta = meta | {"rows": self.rows, "dtype": dtypes}
        text = json.dumps(meta, indent=2, sort_keys=True, allow_nan=False)
        (self._temporary / META).write_text(text + "\n", encoding="utf-8")
        self._publish()
        self._finished = True

    def _publish(self) -> None:
        """Rename; an old folder steps aside first, because only an empty one can be renamed over."""
        if not self.folder.exists():
            self._temporary.rename(self.folder)
            return
        old = self._temporary.with_name(self._temporary.name + ".old")
        self.folder.rename(old)
        try:
            self._temporary.rename(self.folder)
        except BaseException:
            old.rename(self.folder)
            raise
        shutil.rmtree(old)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for array in self._arrays.values():
            array.close()
        shutil.rmtree(self._temporary, ignore_errors=True)
        if error is None and not self._finished:
            raise ValueError(f"{self.folder}: the writer was left without finish(meta), nothing was kept")


@dataclass(frozen=True, eq=False)
class Recording:
    """A small series in memory, as a source gives it.

    Parameters
    ----------
    signal, target : (n, D) and (n, K), rows in time order; `target` of a row is the quantity at that row
    group : (n,) integers, rows of one group side by side; None for one series
    meta : JSON values. `signal`, `target`: names; `units`: of both; `observed`: for each target the signal column that
        measures the same quantity, or null; `failures`, `countdown`: see `CsvFile`; `time_unit`: of a row;
        `source`: name, md5 of the raw file, notes on what was found and done. Where they apply: `classes` (the
        target counts in them), `vocabulary` (the signal does), `groups` (their names), `season` (rows), `parts`
        (train, validation, test: [begin, end] in rows), `correlations` (names, values).
    """

    signal: Array
    target: Array
    group: Array | None
    meta: dict[str, Any]

    def write(self, folder: Path) -> None:
        """Write it as a `Series`."""
        with SeriesWriter(folder) as writer:
            writer.append(self.signal, self.target, self.group)
            writer.finish(self.meta)

    def summary(self) -> str:
        """Return how much there is, and what was noted about it."""
        return "\n".join(
            [f"{len(self.signal)} rows of {', '.join(self.meta['signal'])}", *self.meta["source"]["notes"]]
        )


@dataclass(frozen=True, eq=False)
class Series:
    """A series on disk; the arrays are read-only memory maps, so opening is free at any size."""

    signal: Array
    target: Array
    group: Array | None
    meta: dict[str, Any]

    @classmethod
    def open(cls, folder: Path) -> Series:
        """Map the arrays in `folder`; a ValueError names what is missing or disagrees with meta.json."""
        try:
            meta = json.loads((folder / META).read_text(encoding="utf-8"))
            rows, dtypes = meta["rows"], meta["dtype"]
            arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in dtypes}
            signal, target, group = arrays["signal"], arrays["target"], arrays.get("group")
        except FileNotFoundError as error:
            raise ValueError(f"{folder}: no series here, {Path(error.filename).name} is missing") from error
        except KeyError as error:
            raise ValueError(f"{folder}: meta.json does not name {error}") from error
        except (ValueError, OSError) as error:
            raise ValueError(f"{folder}: not a readable series: {error}") from error
        for name, array in arrays.items():
            if len(array) != rows or array.dtype.name != dtypes[name]:
                found = f"{name}.npy holds {len(array)} rows of {array.dtype.name}"
                raise ValueError(f"{folder}: {found}, meta.json says {rows} of {dtypes[name]}")
        return cls(signal, target, group, meta)

    def blocks(self, rows: int) -> Iterator[tuple[Array, Array]]:
        """Read (signal, target) in order, `rows` at a time, the last block shorter.

        Read, not mapped: pages of a map stay in memory until somebody else wants it.
        """
        for first in range(0, len(self.signal), rows):
            count = min(rows, len(self.signal) - first)
            yield _read(self.signal, first, count), _read(self.target, first, count)


def _read(mapped: Array, first: int, count: int) -> Array:
    width = mapped.shape[1]
    offset = mapped.offset + first * width * mapped.itemsize  # type: ignore[attr-defined]
    values = np.fromfile(mapped.filename, mapped.dtype, count * width, offset=offset)  # type: ignore[attr-defined]
    return values.reshape(count, width)
