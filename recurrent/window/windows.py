"""Windows over the steps of a series: cut out, batched, and seen as a network reads and learns them.

Legend of shapes: N windows, B windows of a batch, T steps of a window (`seq_len`), D features of a
step (columns x statistics), K targets, A answers of a window: T, or 1 where only its end is asked for.

The steps are stored once, as a series; windows overlap, so they are never stored, only cut out.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from recurrent.storage.series import Array, Series
from recurrent.window import split as splitting
from recurrent.window.split import PARTS


@dataclass(frozen=True, eq=False)
class Part:
    """Stretches of steps that no window leaves, cut into windows.

    A window reads `seq_len` steps; its labels lie `horizon` steps later. `whole`: each stretch is one window,
    its last `seq_len` steps, or all of them if they are fewer.
    """

    stretches: Array  # (M, 2) begin and end, in order
    seq_len: int
    stride: int
    batch_size: int
    horizon: int
    whole: bool

    @cached_property
    def _ends(self) -> Array:
        """Windows up to and with each stretch, (M,)."""
        long = self.stretches[:, 1] - self.stretches[:, 0] - self.horizon
        windows = long > 0 if self.whole else np.maximum(0, (long - self.seq_len) // self.stride + 1)
        return np.cumsum(windows, dtype=np.int64)

    @property
    def begin(self) -> int:
        return int(self.stretches[0, 0])

    @property
    def end(self) -> int:
        return int(self.stretches[-1, 1])

    @property
    def windows(self) -> int:
        """N: windows that lie wholly inside."""
        return int(self._ends[-1])

    @property
    def batches(self) -> int:
        """Batches that hold every window; the last may be padded."""
        return -(-self.windows // self.batch_size)

    def where(self, numbers: Array) -> tuple[Array, Array]:
        """First step and number of steps of the windows of these numbers, (B,) each."""
        stretch = np.searchsorted(self._ends, numbers, side="right")
        begin, end = self.stretches[stretch].T
        if self.whole:
            lengths = np.minimum(end - begin - self.horizon, self.seq_len)
            return end - self.horizon - lengths, lengths
        before = np.where(stretch > 0, self._ends[stretch - 1], 0)
        return begin + (numbers - before) * self.stride, np.full(len(numbers), self.seq_len)

    def describe(self) -> dict[str, int]:
        """Say for meta.json what the part holds, and how many windows of its last batch are real."""
        real = self.windows - (self.batches - 1) * self.batch_size
        found = {"windows": self.windows, "batches": self.batches, "windows_in_last_batch": real}
        return {"begin": self.begin, "end": self.end, "batch_size": self.batch_size} | found


@dataclass(frozen=True, eq=False)
class Batch:
    """Windows as a network reads and learns them; `actual` and `restore` speak the target's own unit."""

    signal: Array  # (B, T, D); beyond a window's length whatever stands there, which no answer may use
    labels: Array  # (B, A, K), the last of them at the window's end
    lengths: Array | None  # (B,) steps of each window; None: all have T
    real: int  # windows that are not padding of the last batch
    offset: Array | float = 0.0  # (B, A, K): actual = labels * unit + offset
    unit: Array | float = 1.0

    def restore(self, answers: Array) -> Array:
        """Answers (B, A, K) in the target's own unit."""
        return answers * self.unit + self.offset if isinstance(self.unit, np.ndarray) else answers

    @property
    def actual(self) -> Array:
        """Labels in the target's own unit, (B, A, K)."""
        return self.restore(self.labels)

    def at_end(self, values: Array) -> Array:
        """Values (B, A, K) at the last step of each window: (B, 1, K)."""
        if self.lengths is None or values.shape[1] == 1:
            return values[:, -1:]
        return np.take_along_axis(values, self.lengths[:, None, None] - 1, axis=1)

    def end(self) -> "Batch":
        """The same windows with the label of their end only."""
        labels = self.at_end(self.labels)
        if not isinstance(self.unit, np.ndarray) or not isinstance(self.offset, np.ndarray):
            return replace(self, labels=labels)
        return replace(self, labels=labels, offset=self.at_end(self.offset), unit=self.at_end(self.unit))

    def first(self, windows: int) -> "Batch":
        """The first windows of the batch."""
        if windows == len(self.labels):
            return self
        kept = {key: value[:windows] for key, value in vars(self).items() if isinstance(value, np.ndarray)}
        return replace(self, **kept, real=windows)


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
        if not (self.meta["relative"] or self.meta["difference"]):
            return Batch(signal_BTD, labels_BAK, ragged, real)
        signal_BTD, unit, offset = self.see(signal_BTD, first_B, every=every)
        # arrays of the labels' shape, so that a batch that is not plain is known by them
        offset, unit = np.broadcast_to(offset, labels_BAK.shape), np.broadcast_to(unit, labels_BAK.shape)
        return Batch(signal_BTD, (labels_BAK - offset) / unit, ragged, real, offset, unit)

    def see(self, signal_BTD: Array, first_B: Array, *, every: bool) -> tuple[Array, Array | float, Array | float]:
        """Signal in its own unit -> what the network reads, and the unit and offset of its answers.

        `first_B`: the step that each window begins with.

        Raises
        ------
        ValueError
            Where the first value of a window is 0 and window.relative would divide by it.
        """
        observed = self.meta["observed"]
        unit: Array | float = 1.0
        offset: Array | float = 0.0
        now_BAK = (signal_BTD if every else signal_BTD[:, -1:])[..., observed] if self.meta["difference"] else None
        if self.meta["relative"]:
            base_B1D = signal_BTD[:, :1].astype(np.float64)
            if not base_B1D.all():
                window, _, column = np.argwhere(base_B1D == 0)[0].tolist()
                raise ValueError(
                    f"{self.meta['features'][column]} is 0 in step {first_B[window]}, the first of a window, which "
                    "window.relative divides by; choose other columns or window.relative false"
                )
            signal_BTD = signal_BTD / base_B1D - 1
            unit = offset = base_B1D[..., observed]
        return signal_BTD, unit, offset if now_BAK is None else now_BAK.astype(np.float64)

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
