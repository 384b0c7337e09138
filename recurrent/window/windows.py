"""Windows over the steps of a series, cut out and batched.

Legend of shapes: N windows, B windows of a batch, T steps of a window (`seq_len`), D features of a
step (columns x statistics), K targets, A answers of a window: T, or 1 where only its end is asked for.

The steps are stored once, as a series; windows overlap, so they are never stored, only cut out.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from recurrent.storage.series import Array, Series
from recurrent.window import split as splitting
from recurrent.window.batch import Batch
from recurrent.window.part import Part
from recurrent.window.split import PARTS
from recurrent.window.view import View


@dataclass(frozen=True, eq=False)
class Windows:
    """Windows of one split over steps on disk; nothing is read before it is asked for."""

    steps: Series
    parts: dict[str, Part]
    meta: dict[str, Any]

    @classmethod
    def open(cls, folder: Path) -> "Windows":
        """Open the first split of what `write_windows` wrote; ValueError where it is not there or not whole."""
        steps = Series.open(folder)
        if "splits" not in steps.meta:
            raise ValueError(f"{folder}: a series without windows, expected what the stage window writes")
        return cls(steps, {}, steps.meta).split(0)

    @property
    def view(self) -> View:
        """What a network reads of the windows, and what it learns."""
        return View.of(self.meta)

    @property
    def splits(self) -> "list[Windows]":
        """All splits: one, or those of a cross-validation or of several series."""
        return [self.split(number) for number in range(len(self.meta["splits"]))]

    def split(self, number: int) -> "Windows":
        """The same steps under another split."""
        meta, group = self.meta, self.steps.group
        parts = {
            name: Part(
                splitting.within(group, part["begin"], part["end"]),
                meta["seq_len"],
                meta["stride"],
                part["batch_size"],
                meta["horizon"],
                meta["whole"],
            )
            for name, part in meta["splits"][number].items()
        }
        return replace(self, parts=parts)

    def array(self, name: str) -> Array:
        """Show a part of one stretch as (-1, B, T, D): a view on the mapped steps, which copies nothing.

        The windows that do not fill a batch are not in it; `batches` gives them, padded.
        """
        part, x = self.parts[name], self.steps.signal[self.parts[name].begin : self.parts[name].end]
        row, item = x.strides
        shape = (part.windows // part.batch_size, part.batch_size, part.seq_len, x.shape[1])
        strides = (row * part.stride * part.batch_size, row * part.stride, row, item)
        return np.lib.stride_tricks.as_strided(x, shape, strides, writeable=False)

    def cut(self, name: str, numbers: Array, *, every: bool = True, real: int | None = None) -> Batch:
        """Copy the windows of these numbers, with labels of every step or of the last one only."""
        part = self.parts[name]
        first_B, lengths_B = part.where(numbers)
        longest = int(lengths_B.max())
        ragged = None if (lengths_B == longest).all() else lengths_B
        steps_BT = first_B[:, None] + np.arange(longest)
        if ragged is not None:
            steps_BT = np.minimum(steps_BT, (first_B + lengths_B - 1)[:, None])
        asked_BA = steps_BT if every else steps_BT[:, -1:]
        # take is faster than indexing, and a plain array than a map of one
        signal_BTD = np.asarray(self.steps.signal).take(steps_BT, axis=0)
        labels_BAK = np.asarray(self.steps.target).take(asked_BA + part.horizon, axis=0)
        real = len(numbers) if real is None else real
        if not self.view.depends_on_window:
            return Batch(signal_BTD, labels_BAK, ragged, real)
        signal_BTD, unit, offset = self.view.transform(signal_BTD, first_B, every=every)
        # arrays of the labels' shape, so that a batch that is not plain is known by them
        offset, unit = np.broadcast_to(offset, labels_BAK.shape), np.broadcast_to(unit, labels_BAK.shape)
        return Batch(signal_BTD, (labels_BAK - offset) / unit, ragged, real, offset, unit)

    def batches(self, name: str, *, every: bool = True) -> Iterator[Batch]:
        """Yield every window in order.

        The last batch is filled up with its last window; what is filled up must not be scored.
        """
        part = self.parts[name]
        for first in range(0, part.windows, part.batch_size):
            real = min(part.batch_size, part.windows - first)
            numbers = np.minimum(np.arange(first, first + part.batch_size), part.windows - 1)
            yield self.cut(name, numbers, every=every, real=real)

    @property
    def even(self) -> bool:
        """Whether all windows have the same number of steps."""
        lengths = [part.where(np.arange(part.windows))[1] for part in self.parts.values() if part.whole]
        return not lengths or len(np.unique(np.concatenate(lengths))) == 1

    def last_steps(self, name: str) -> Array:
        """Number the last step of each window of a part, (N,)."""
        first, lengths = self.parts[name].where(np.arange(self.parts[name].windows))
        return first + lengths - 1

    def labels(self, name: str) -> Array:
        """Give the targets at the end of each window, (N, K), in their own unit."""
        steps = self.last_steps(name) + self.parts[name].horizon
        return np.asarray(self.steps.target[steps], dtype=np.float64)

    def summary(self) -> str:
        """Say in a few lines what is there."""
        meta = self.meta
        how = {"failures": "at failures", "contiguous": "contiguous: at fractions of the steps"}
        several = f", {len(meta['splits'])} times; the first" if len(meta["splits"]) > 1 else ""
        lines = [
            f"{meta['rows']} steps of {meta['samples_per_step']} samples, {', '.join(meta['features'])}; "
            f"split {how.get(meta['split'], meta['split'])}{several}"
        ]
        for name in PARTS:
            part = self.parts[name]
            shape = (part.batches, part.batch_size, part.seq_len, len(meta["features"]))
            lines.append(f"  {name:<10} {shape}, {part.windows} windows")
        return "\n".join(lines)
