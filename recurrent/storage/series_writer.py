"""Writes a series folder, whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from types import TracebackType

import numpy as np

from recurrent.storage.meta import Meta
from recurrent.storage.npy import Array, NpyWriter

META = "meta.json"
NAMES = ("signal", "target", "group", "known")


class SeriesWriter:
    """Writes a series block by block, with flat memory; the folder appears whole at `finish`, or not at all.

    >>> with SeriesWriter(Path("data/quake/series")) as writer:
    ...     writer.append(signal, target)
    ...     writer.finish(meta)
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rows = 0
        self._temporary = folder.with_name(f".{folder.name}.tmp-{os.getpid()}")
        self._arrays: dict[str, NpyWriter] = {}
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
            what = f"holds {strange[0]}" if self.folder.is_dir() else "is not a directory"
            raise ValueError(f"{self.folder}: {what}, expected a series to replace, or nothing")

    def append(self, signal: Array, target: Array, group: Array | None = None, known: Array | None = None) -> None:
        """Add rows: signal (n, D), target (n, K); group (n,) and known (n,), each in every block or in none."""
        given = {"signal": signal, "target": target, "group": group, "known": known}
        blocks = {name: values for name, values in given.items() if values is not None}
        if not self._arrays:
            for name in blocks:
                path = self._temporary / f"{name}.npy"
                self._arrays[name] = NpyWriter(path, dimensions=1 if name in ("group", "known") else 2)
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
        """Write the headers and meta.json (`meta`, `rows` and `dtype`), then move the folder into place."""
        if not self.rows:
            raise ValueError(f"{self.folder}: no rows, expected at least one")
        for array in self._arrays.values():
            array.finish()
        dtypes = {name: array.dtype.name for name, array in self._arrays.items()}
        values = meta.to_json() | {"rows": self.rows, "dtype": dtypes}
        text = json.dumps(values, indent=2, sort_keys=True, allow_nan=False)
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
