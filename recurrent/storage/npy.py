"""One .npy file that grows by appending: the bytes that np.save would have written, in flat memory."""

import io
import os
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

# Room for any header of at most two dimensions; np.save pads to the same length, to keep the data aligned.
HEADER_BYTES = 128
CHUNK_ROWS = 1 << 18
# Narrowest first: LANL's signal fits in int16, which halves what training reads from disk.
INTEGERS = tuple(np.dtype(name) for name in ("<i2", "<i4", "<i8"))
FLOAT = np.dtype("<f8")
# Above this a float64 skips integers, so one could change without a word.
EXACT_IN_FLOAT = 2**53


class NpyWriter:
    """Appends blocks of rows; the header is written last, when rows and dtype are known."""

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
        """Add rows, (n,) or (n, columns); ValueError where they do not fit the rows so far."""
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

    def truncate(self, rows: int) -> None:
        """Keep the first rows only."""
        values_a_row = int(np.prod(self.row_shape or (1,)))
        self.rows = min(self.rows, rows)
        self._file.truncate(HEADER_BYTES + self.rows * values_a_row * self.dtype.itemsize)
        self._file.seek(0, os.SEEK_END)

    def finish(self) -> None:
        """Write the header and close the file."""
        header = io.BytesIO()
        shape = (self.rows, *(self.row_shape or ()))
        np.lib.format.write_array_header_1_0(header, {"descr": self.dtype.str, "fortran_order": False, "shape": shape})
        if (size := header.tell()) != HEADER_BYTES:
            raise AssertionError(f"numpy's header has {size} bytes, expected {HEADER_BYTES}")
        self._file.seek(0)
        self._file.write(header.getvalue())
        self.close()

    def close(self) -> None:
        """Close the file as it is."""
        self._file.close()
