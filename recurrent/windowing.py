"""From a series to windows: summarise samples into steps, split in time, cut, batch.

Legend of shapes: N windows, B windows of a batch, T steps of a window (`seq_len`), D features of a
step (columns x statistics), K targets, S samples of a step.

The steps are stored once, as a series; windows overlap, so they are never stored, only cut out.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recurrent.series import Array, Series, SeriesWriter

PARTS = ("train", "validation", "test")
BLOCK_ROWS = 1 << 20  # samples held at a time

# each turns samples (n, S, D) into features (n, D)
STATISTICS: dict[str, Callable[[Array], Array]] = {
    "none": lambda x_nSD: x_nSD[:, 0],
    "mean": lambda x_nSD: x_nSD.mean(axis=1, dtype=np.float64),
    "std": lambda x_nSD: x_nSD.std(axis=1, dtype=np.float64),
    "max": lambda x_nSD: np.abs(x_nSD.astype(np.float64)).max(axis=1),
    "log_mean": lambda x_nSD: np.log(x_nSD.mean(axis=1, dtype=np.float64)),
    "log_std": lambda x_nSD: np.log(x_nSD.std(axis=1, dtype=np.float64)),
}


def summarise(series: Series, samples_per_step: int, statistics: Sequence[str]) -> Iterator[tuple[Array, Array]]:
    """Yield blocks of steps: features (n, D) and the targets (n, K) of each step's last sample.

    Samples that do not fill a last step are left out.

    Raises
    ------
    ValueError
        Where a statistic has no finite value, such as the logarithm of a constant stretch's spread.
    """
    rows = max(1, BLOCK_ROWS // samples_per_step) * samples_per_step
    first = 0
    for signal, target in series.blocks(rows):
        steps = len(signal) // samples_per_step
        x_nSD = signal[: steps * samples_per_step].reshape(steps, samples_per_step, signal.shape[1])
        with np.errstate(divide="ignore", invalid="ignore"):  # refused below, with the row
            columns = {name: STATISTICS[name](x_nSD) for name in statistics}
        for name, values in columns.items():
            if not (finite := np.isfinite(values).all(axis=1)).all():
                row = first + int(np.argmin(finite)) * samples_per_step
                found = values[int(np.argmin(finite))]
                raise ValueError(
                    f"signal, rows {row} to {row + samples_per_step - 1}: {name} is {found}, expected a finite "
                    "number; choose another window.statistic or a larger samples_per_step"
                )
        if steps:
            yield np.concatenate(list(columns.values()), axis=1), target[samples_per_step - 1 :: samples_per_step]
        first += len(signal)


@dataclass(frozen=True)
class Part:
    """The steps from `begin` up to `end`, cut into windows."""

    begin: int
    end: int
    seq_len: int
    stride: int
    batch_size: int

    @property
    def windows(self) -> int:
        """N: windows that lie wholly inside."""
        return max(0, (self.end - self.begin - self.seq_len) // self.stride + 1)

    @property
    def batches(self) -> int:
        """Batches that hold every window; the last may be padded."""
        return -(-self.windows // self.batch_size)

    def describe(self) -> dict[str, int]:
        """Say for meta.json what the part holds, and how many windows of its last batch are real."""
        real = self.windows - (self.batches - 1) * self.batch_size
        return asdict(self) | {"windows": self.windows, "batches": self.batches, "windows_in_last_batch": real}


def split(
    *, rows: int, failures: Sequence[int], samples_per_step: int, by_failures: bool, fractions: tuple[float, float]
) -> list[tuple[int, int]]:
    """Split the steps in time into train, validation and test.

    Parameters
    ----------
    rows, failures : of the series; a failure is the first row after it
    by_failures : let the parts meet at failures, counting cycles; otherwise count steps
    fractions : of train and of validation, the rest is test

    Returns
    -------
    three (begin, end) in steps; a step that holds samples of two parts belongs to neither
    """
    bounds: Sequence[int] = [0, *failures, rows] if by_failures else range(0, rows + 1, samples_per_step)
    units = len(bounds) - 1
    train = min(max(1, round(units * fractions[0])), max(1, units - 2))
    validation = min(max(1, round(units * fractions[1])), max(1, units - train - 1))
    if train + validation >= units:
        what = "cycles between failures: set window.split to contiguous" if by_failures else "steps: record more"
        raise ValueError(f"the series has {units} {what}; three parts need at least 3")
    cuts = [0, bounds[train], bounds[train + validation], bounds[-1]]
    return [(-(-cuts[i] // samples_per_step), cuts[i + 1] // samples_per_step) for i in range(3)]


def write_windows(
    series: Series,
    folder: Path,
    *,
    seq_len: int,
    samples_per_step: int,
    statistics: Sequence[str],
    stride: int,
    batch_size: int,
    by_failures: bool,
    fractions: tuple[float, float],
) -> None:
    """Summarise, split and write steps and a meta.json that says where the windows lie.

    Raises
    ------
    ValueError
        Where a part gets no window or train no full batch, with numbers that would work.
    """
    failures = series.meta["failures"]

    def limits(samples: int) -> list[tuple[int, int]]:
        at_failures, rows = by_failures and bool(failures), len(series.signal)
        return split(
            rows=rows, failures=failures, samples_per_step=samples, by_failures=at_failures, fractions=fractions
        )

    found = limits(samples_per_step)
    parts = {name: Part(*limit, seq_len, stride, batch_size) for name, limit in zip(PARTS, found, strict=True)}
    fewest = 2 if {"std", "log_std"} & set(statistics) else 1  # one sample has no spread
    fewer = range(samples_per_step - 1, fewest - 1, -1)
    fitting = (n for n in fewer if min(end - begin for begin, end in limits(n)) >= seq_len)
    _require_windows(parts, fitting)
    # one for each array, so that they do not depend on where blocks are cut
    signal_md5, target_md5 = hashlib.md5(usedforsecurity=False), hashlib.md5(usedforsecurity=False)
    with SeriesWriter(folder) as writer:
        for signal, target in summarise(series, samples_per_step, statistics):
            writer.append(signal, target)
            signal_md5.update(np.ascontiguousarray(signal).data)
            target_md5.update(np.ascontiguousarray(target).data)
        meta = {
            "parts": {name: part.describe() for name, part in parts.items()},
            "split": "failures" if by_failures and failures else "contiguous",
            "samples_per_step": samples_per_step,
            "features": [f"{name} of {column}" for name in statistics for column in series.meta["signal"]],
            "target": series.meta["target"],
            "units": series.meta["units"],
            "failures": failures,
            "first_targets": [float(series.target[row, 0]) for row in [0, *failures]],
            "countdown": series.meta["countdown"],
            "md5": {"signal": signal_md5.hexdigest(), "target": target_md5.hexdigest()},
        }
        writer.finish(meta)


def _require_windows(parts: dict[str, Part], fitting: Iterator[int]) -> None:
    """Refuse a part without windows; `fitting` are samples_per_step that would give each part one."""
    name, shortest = min(parts.items(), key=lambda item: item[1].end - item[1].begin)
    steps, seq_len = shortest.end - shortest.begin, shortest.seq_len
    if not shortest.windows:
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
    """Windows over steps on disk; nothing is read before it is asked for."""

    steps: Series
    parts: dict[str, Part]
    meta: dict[str, Any]

    @classmethod
    def open(cls, folder: Path) -> "Windows":
        """Open what `write_windows` wrote; ValueError where it is not there or not whole."""
        steps = Series.open(folder)
        if "parts" not in steps.meta:
            raise ValueError(f"{folder}: a series that is not cut into windows, meta.json does not name 'parts'")
        keys = Part.__dataclass_fields__
        parts = {
            name: Part(**{key: value for key, value in part.items() if key in keys})
            for name, part in steps.meta["parts"].items()
        }
        return cls(steps, parts, steps.meta)

    def array(self, name: str) -> Array:
        """Show a part as (-1, B, T, D): a view on the mapped steps, which copies nothing.

        The windows that do not fill a batch are not in it; `batches` gives them, padded.
        """
        part, x = self.parts[name], self.steps.signal[self.parts[name].begin : self.parts[name].end]
        row, item = x.strides
        shape = (part.windows // part.batch_size, part.batch_size, part.seq_len, x.shape[1])
        strides = (row * part.stride * part.batch_size, row * part.stride, row, item)
        return np.lib.stride_tricks.as_strided(x, shape, strides, writeable=False)

    def cut(self, name: str, numbers: Array) -> tuple[Array, Array]:
        """Copy the windows of these numbers: signal (B, T, D) and target (B, T, K)."""
        part = self.parts[name]
        steps_BT = (part.begin + numbers * part.stride)[:, None] + np.arange(part.seq_len)
        return self.steps.signal[steps_BT], self.steps.target[steps_BT]

    def batches(self, name: str) -> Iterator[tuple[Array, Array, int]]:
        """Yield every window in order: signal (B, T, D), target (B, T, K), how many of the B are real.

        The last batch is filled up with its last window; what is filled up must not be scored.
        """
        part = self.parts[name]
        for first in range(0, part.windows, part.batch_size):
            real = min(part.batch_size, part.windows - first)
            numbers = np.minimum(np.arange(first, first + part.batch_size), part.windows - 1)
            yield *self.cut(name, numbers), real

    def last_steps(self, name: str) -> Array:
        """Number the last step of each window of a part, (N,)."""
        part = self.parts[name]
        return part.begin + np.arange(part.windows) * part.stride + part.seq_len - 1

    def labels(self, name: str) -> Array:
        """Give the targets at the last step of each window, (N, K), in their own unit."""
        return np.asarray(self.steps.target[self.last_steps(name)], dtype=np.float64)

    def summary(self) -> str:
        """Say in a few lines what is there."""
        meta = self.meta
        how = "at failures" if meta["split"] == "failures" else "contiguous: at fractions of the steps"
        lines = [
            f"{meta['rows']} steps of {meta['samples_per_step']} samples, {', '.join(meta['features'])}; split {how}"
        ]
        for name in PARTS:
            part = self.parts[name]
            shape = (part.batches, part.batch_size, part.seq_len, len(meta["features"]))
            lines.append(f"  {name:<10} {shape}, {part.windows} windows")
        return "\n".join(lines)
