"""Writes a series folder, whole or not at all."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import numpy as np

from recurrent.storage.atomic import META, replacing
from recurrent.storage.digest import write_sealed
from recurrent.storage.meta import Meta
from recurrent.storage.npy import Array, NpyWriter


class SeriesWriter:
    """Writes a series block by block, with flat memory; the folder appears whole after `with`, or not at all.

    >>> with SeriesWriter(Path("data/quake/series")) as writer:
    ...     writer.append(signal, target)
    ...     writer.finish(meta)
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rows = 0
        self._arrays: dict[str, NpyWriter] = {}
        self._finished = False

    def __enter__(self) -> SeriesWriter:
        self._opened = ExitStack()
        self._temporary = self._opened.enter_context(replacing(self.folder, folder=True))
        return self

    def append(self, signal: Array, target: Array, group: Array | None = None, known: Array | None = None) -> None:
        """Add rows: signal (n, D), target (n, K); group (n,) and known (n,), each in every block or in none."""
        given = {"signal": signal, "target": target, "group": group, "known": known}
        blocks = {name: values for name, values in given.items() if values is not None}
        if not self._arrays:
            for name in blocks:
                path = self._temporary / f"{name}.npy"
                self._arrays[name] = NpyWriter(path, dimensions=1 if name in ("group", "known") else 2)
                self._opened.callback(self._arrays[name].close)
        if blocks.keys() != self._arrays.keys():
            raise ValueError(f"row {self.rows}: got {list(blocks)}, expected {list(self._arrays)} as before")
        lengths = {name: len(values) for name, values in blocks.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"row {self.rows}: blocks of unequal length {lengths}")
        for name, values in blocks.items():
            self._arrays[name].append(np.asarray(values))
        self.rows += len(signal)

    def truncate(self, rows: int) -> None:
        """Keep the first rows only."""
        for array in self._arrays.values():
            array.truncate(rows)
        self.rows = min(self.rows, rows)

    def finish(self, meta: Meta) -> None:
        """Write the headers and meta.json: `meta`, `rows`, `dtype` and digests; the folder is in place after `with`."""
        if not self.rows:
            raise ValueError(f"{self.folder}: no rows, expected at least one")
        for array in self._arrays.values():
            array.finish()
        dtypes = {name: array.dtype.name for name, array in self._arrays.items()}
        values = meta.to_json() | {"rows": self.rows, "dtype": dtypes}
        write_sealed(self._temporary / META, values, sorted(self._temporary.iterdir()))
        self._finished = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error:
            self._opened.__exit__(kind, error, trace)
            return
        with self._opened:
            if not self._finished:
                raise ValueError(f"{self.folder}: the writer was left without finish(meta), nothing was kept")
