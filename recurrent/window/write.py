"""From a series to windows on disk: summarise samples into steps, split, and say where the windows lie."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from recurrent.storage.series import Array, Series, SeriesWriter
from recurrent.window.part import Part
from recurrent.window.split import PARTS, Split, within
from recurrent.window.steps import summarise

PASSED_ON = (
    "classes",
    "vocabulary",
    "groups",
    "season",
    "correlations",
)  # what a source says and windows need not know


def write_windows(
    series: Series,
    folder: Path,
    *,
    seq_len: int,
    samples_per_step: int,
    statistics: Sequence[str],
    stride: int,
    batch_size: int,
    split: Split,
    horizon: int,
    whole: bool,
    relative: bool,
    difference: bool,
) -> None:
    """Write steps, and a meta.json that says where their windows lie and what a network reads and learns of them.

    Parameters
    ----------
    seq_len, stride, batch_size : steps of a window, from the start of one to the next, windows of a batch
    samples_per_step, statistics : how samples become steps
    horizon : steps from the end of a window to its label
    whole : one window per group, of at most seq_len steps
    relative : signal and labels are divided by the window's first value, less one
    difference : labels count from what is measured at the same step

    Raises
    ------
    ValueError
        Where a part gets no window or train no full batch, with numbers that would work; where settings do not fit
        the series.
    """
    meta = series.meta
    observed = meta["observed"] if tuple(statistics) == ("none",) else [None] * len(meta["target"])
    if (relative or difference) and None in observed:
        key = "relative" if relative else "difference"
        found = f"it learns {meta['target']} and reads {meta['signal']}"
        raise ValueError(f"window.{key} needs a target that is read, too, one sample a step; {found}")
    if series.group is not None and samples_per_step > 1:
        raise ValueError(f"window.samples_per_step is {samples_per_step}, expected 1 where rows have groups")
    if whole and series.group is None:
        raise ValueError("window.whole is true, but the rows have no groups")
    splits, order = split.of(series, samples_per_step)
    group = series.group if series.group is None or order is None else series.group[order]
    parts = [
        {
            name: Part(within(group, *limits), seq_len, stride, batch_size, horizon, whole)
            for name, limits in zip(PARTS, three, strict=True)
        }
        for three in splits
    ]
    for three in parts:
        _require_windows(three, _fitting(series, split, seq_len + horizon, samples_per_step, statistics))
    with SeriesWriter(folder) as writer:
        # one for each array, so that they do not depend on where blocks are cut
        signal_md5, target_md5 = hashlib.md5(usedforsecurity=False), hashlib.md5(usedforsecurity=False)
        for signal, target, of_group in _steps(series, order, samples_per_step, statistics):
            writer.append(signal, target, of_group)
            signal_md5.update(np.ascontiguousarray(signal).data)
            target_md5.update(np.ascontiguousarray(target).data)
        about = {
            "splits": [{name: part.describe() for name, part in three.items()} for three in parts],
            "split": "contiguous" if split.kind == "failures" and not meta["failures"] else split.kind,
            "seq_len": seq_len,
            "stride": stride,
            "horizon": horizon,
            "whole": whole,
            "relative": relative,
            "difference": difference,
            "samples_per_step": samples_per_step,
            "features": [f"{name} of {column}" for name in statistics for column in meta["signal"]],
            "target": meta["target"],
            "observed": observed,
            "units": meta["units"],
            "failures": meta["failures"],
            "first_targets": [float(series.target[row, 0]) for row in [0, *meta["failures"]]],
            "countdown": meta["countdown"],
            "md5": {"signal": signal_md5.hexdigest(), "target": target_md5.hexdigest()},
        }
        writer.finish({key: meta[key] for key in PASSED_ON if key in meta} | about)


def _steps(
    series: Series, order: Array | None, samples_per_step: int, statistics: Sequence[str]
) -> Iterator[tuple[Array, Array, Array | None]]:
    """Yield signal, target and group of the steps; rows with groups are few enough to be put in order at once."""
    if series.group is None:
        for signal, target in summarise(series, samples_per_step, statistics):
            yield signal, target, None
    else:
        rows = slice(None) if order is None else order
        yield series.signal[rows], series.target[rows], series.group[rows]


def _fitting(
    series: Series, split: Split, need: int, samples_per_step: int, statistics: Sequence[str]
) -> Iterator[int]:
    """Fewer samples per step under which every part has at least `need` steps."""
    least = 2 if {"std", "log_std"} & set(statistics) else 1
    for samples in range(samples_per_step - 1, least - 1, -1):
        if min(end - begin for begin, end in split.of(series, samples)[0][0]) >= need:
            yield samples


def _require_windows(parts: dict[str, Part], fitting: Iterator[int]) -> None:
    """Refuse a part without windows; `fitting` are samples_per_step that would give each part one."""
    name, least = min(parts.items(), key=lambda item: (item[1].windows, item[1].end - item[1].begin))
    if not least.windows:
        steps, seq_len = max(0, int(np.diff(least.stretches).max()) - least.horizon), least.seq_len
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
