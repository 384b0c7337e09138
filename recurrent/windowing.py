"""From a series to windows: summarise samples into steps, split, cut, batch.

Legend of shapes: N windows, B windows of a batch, T steps of a window (`seq_len`), D features of a
step (columns x statistics), K targets, A answers of a window: T, or 1 where only its end is asked for.

The steps are stored once, as a series; windows overlap, so they are never stored, only cut out.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from recurrent import splitting
from recurrent.series import Array, Series, SeriesWriter
from recurrent.steps import summarise

PARTS = ("train", "validation", "test")


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
    horizon: int = 0
    whole: bool = False

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
        nth = numbers - np.r_[0, self._ends][stretch]
        return begin + nth * self.stride, np.full(len(numbers), self.seq_len)

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
        return answers if self.plain else answers * self.unit + self.offset

    @property
    def plain(self) -> bool:
        return isinstance(self.unit, float) and isinstance(self.offset, float)

    @property
    def actual(self) -> Array:
        """Labels in the target's own unit, (B, A, K)."""
        return self.restore(self.labels)


def write_windows(
    series: Series,
    folder: Path,
    *,
    seq_len: int,
    samples_per_step: int,
    statistics: Sequence[str],
    stride: int,
    batch_size: int,
    split: str,
    fractions: tuple[float, float],
    horizon: int = 0,
    whole: bool = False,
    relative: bool = False,
    difference: bool = False,
    folds: int = 1,
    repeats: int = 1,
    seed: int = 0,
) -> None:
    """Summarise, split and write steps and a meta.json that says where the windows lie.

    Parameters
    ----------
    split : failures or contiguous (in time), each_group (every group a series of its own, cut in time),
        groups or folds (whole groups, shuffled by `seed`), given (the data set's own parts)
    horizon : steps from the end of a window to its label
    whole : one window per group, of at most seq_len steps
    relative, difference : labels over the window's first value, less one; less the value at the same step

    Raises
    ------
    ValueError
        Where a part gets no window or train no full batch, with numbers that would work.
    """
    meta, failures = series.meta, series.meta["failures"]
    observed = meta["observed"] if tuple(statistics) == ("none",) else [None] * len(meta["target"])
    if (relative or difference) and None in observed:
        raise ValueError(
            f"window.{'relative' if relative else 'difference'} needs the target among the columns that are read, "
            f"one sample a step; target {meta['target']}, columns {meta['signal']}"
        )
    if series.group is not None and samples_per_step > 1:
        raise ValueError(f"window.samples_per_step is {samples_per_step}, expected 1 where rows have groups")
    if series.group is None and (whole or split in ("each_group", "groups", "folds")):
        raise ValueError(f"window.split {split}{', whole' if whole else ''} needs groups, and the series has none")
    by_failures = split == "failures" and bool(failures)

    def limits(samples: int) -> list[tuple[int, int]]:
        return splitting.in_time(
            rows=len(series.signal), failures=failures, samples_per_step=samples, by_failures=by_failures,
            fractions=fractions,
        )  # fmt: skip

    shuffled: list[list[Array]] = []
    if split == "each_group":
        found = splitting.each_group_in_time(np.asarray(series.group), fractions)
    elif split == "given":
        if "parts" not in meta:
            raise ValueError("window.split given: the data set fixes no parts")
        found = [[tuple(meta["parts"][name]) for name in PARTS]]
    elif split in ("groups", "folds"):
        group = np.asarray(series.group)
        if split == "groups":
            shuffled = splitting.whole_groups(group, fractions, seed)
        else:
            shuffled = splitting.folds(group, number=folds, repeats=repeats, fractions=fractions, seed=seed)
        ends = np.cumsum([0, *(len(rows) for parts in shuffled for rows in parts)]).tolist()
        found = [[(ends[3 * i + j], ends[3 * i + j + 1]) for j in range(3)] for i in range(len(shuffled))]
    else:
        found = [limits(samples_per_step)]
    order = np.concatenate([rows for parts in shuffled for rows in parts]) if shuffled else None
    group = None if series.group is None else np.asarray(series.group)[slice(None) if order is None else order]
    shifts = {"horizon": horizon, "whole": whole}
    splits = [
        {
            name: Part(_stretches(group, *limit), seq_len, stride, batch_size, **shifts)
            for name, limit in zip(PARTS, limits_of, strict=True)
        }
        for limits_of in found
    ]
    need = 1 if whole else seq_len + horizon
    fitting = (
        n
        for n in range(samples_per_step - 1, 1 if {"std", "log_std"} & set(statistics) else 0, -1)
        if min(end - begin for begin, end in limits(n)) >= need
    )
    for parts in splits:
        _require_windows(parts, fitting)
    md5 = hashlib.md5(usedforsecurity=False)
    with SeriesWriter(folder) as writer:
        if order is not None:
            writer.append(series.signal[order], series.target[order], group)
        elif group is not None:
            writer.append(np.asarray(series.signal), np.asarray(series.target), group)
        else:
            for signal, target in summarise(series, samples_per_step, statistics):
                writer.append(signal, target)
                md5.update(np.ascontiguousarray(signal).data)
                md5.update(np.ascontiguousarray(target).data)
        kept = {key: meta[key] for key in ("classes", "vocabulary", "season", "correlations") if key in meta}
        writer.finish(
            kept
            | shifts
            | {
                "splits": [{name: part.describe() for name, part in parts.items()} for parts in splits],
                "seq_len": seq_len,
                "stride": stride,
                "split": split if split != "failures" or failures else "contiguous",
                "samples_per_step": samples_per_step,
                "features": [f"{name} of {column}" for name in statistics for column in meta["signal"]],
                "target": meta["target"],
                "observed": observed,
                "relative": relative,
                "difference": difference,
                "units": meta["units"],
                "failures": failures,
                "first_targets": [float(series.target[row, 0]) for row in [0, *failures]],
                "countdown": meta["countdown"],
                "md5": md5.hexdigest(),
            }
        )


def _stretches(group: Array | None, begin: int, end: int) -> Array:
    """Runs of one group from `begin` up to `end`, (M, 2)."""
    if group is None or begin >= end:
        return np.array([[begin, end]])
    return begin + splitting.runs(group[begin:end])


def _require_windows(parts: dict[str, Part], fitting: Iterator[int]) -> None:
    """Refuse a part without windows; `fitting` are samples_per_step that would give each part one."""
    name, least = min(parts.items(), key=lambda item: item[1].windows)
    steps, seq_len = int(np.diff(least.stretches).max()) - least.horizon, least.seq_len
    if not least.windows:
        fewer = next(fitting, 0)
        ways = [f"seq_len up to {steps}"] * (steps > 0) + [f"window.samples_per_step {fewer}"] * (fewer > 0)
        raise ValueError(
            f"{name} has {steps} steps, too few for one window of seq_len {seq_len}; "
            f"what would work: {' or '.join(ways) or 'a longer recording'}"
        )
    if (windows := parts["train"].windows) < (batch_size := parts["train"].batch_size):
        raise ValueError(
            f"train has {windows} windows, too few for one batch of window.batch_size {batch_size}; "
            f"what would work: window.batch_size up to {windows}"
        )


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
        meta, group = self.meta, None if self.steps.group is None else np.asarray(self.steps.group)
        parts = {
            name: Part(
                _stretches(group, part["begin"], part["end"]),
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
        steps_BT = first_B[:, None] + np.minimum(np.arange(longest), lengths_B[:, None] - 1)
        signal_BTD, asked_BA = self.steps.signal[steps_BT], steps_BT if every else steps_BT[:, -1:]
        labels_BAK = self.steps.target[asked_BA + part.horizon]
        real = len(numbers) if real is None else real
        if not (self.meta["relative"] or self.meta["difference"]):
            return Batch(signal_BTD, labels_BAK, ragged, real)
        observed = self.meta["observed"]
        now_BAK = self.steps.signal[asked_BA][..., observed].astype(np.float64)
        base_BTD = signal_BTD[:, :1].astype(np.float64) if self.meta["relative"] else np.ones(1)
        if not base_BTD.all():
            window, _, column = np.argwhere(base_BTD == 0)[0]
            raise ValueError(
                f"step {first_B[window]}: {self.meta['features'][column]} is 0, which window.relative divides by; "
                "choose other columns or window.relative false"
            )
        unit = base_BTD[..., observed] if self.meta["relative"] else 1.0
        offset = now_BAK if self.meta["difference"] else unit
        if self.meta["relative"]:
            signal_BTD = signal_BTD / base_BTD - 1
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
        return "
".join(lines)
