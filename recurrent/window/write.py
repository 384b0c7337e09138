"""From a series to windows on disk: aggregate samples into steps, split, and record where the windows lie."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from recurrent.storage.meta import SeriesMeta
from recurrent.storage.npy import Array
from recurrent.storage.series import Series
from recurrent.storage.series_writer import SeriesWriter
from recurrent.window.meta import PARTS, PartName, WindowsMeta
from recurrent.window.part import Part, parts_of
from recurrent.window.split import Splitter
from recurrent.window.steps import SMALLEST, aggregate, require_computable
from recurrent.window.timeline import Timeline


def write_windows(
    series: Series[SeriesMeta],
    folder: Path,
    *,
    seq_len: int,
    samples_per_step: int,
    statistics: Sequence[str],
    stride: int,
    batch_size: int,
    splitter: Splitter,
    horizon: int,
    one_window_per_group: bool,
    relative_to_first: bool,
    predict_change: bool,
) -> None:
    """Write steps, and a meta.json that says where their windows lie and what a network reads and learns of them.

    Parameters
    ----------
    seq_len, stride, batch_size : steps of a window, from the start of one to the next, windows of a batch
    samples_per_step, statistics : how samples become steps
    horizon : steps from the end of a window to its label
    one_window_per_group : a window is a group's last seq_len steps, or all of them if they are fewer
    relative_to_first : signal and labels are divided by the window's first value, less one
    predict_change : labels count from what is measured at the same step

    Raises
    ------
    ValueError
        Where a part gets no window or train no full batch, with numbers that would work; where parameters do not fit
        the series.
    """
    meta = series.meta
    target_columns = meta.target_columns if tuple(statistics) == ("none",) else (None,) * len(meta.target)
    if (relative_to_first or predict_change) and None in target_columns:
        key = "relative_to_first" if relative_to_first else "predict_change"
        raise ValueError(
            f"window.{key} needs targets that are also input columns, with samples_per_step 1; the targets are "
            f"{', '.join(meta.target)}, the input columns {', '.join(meta.signal)}"
        )
    if series.group is not None and samples_per_step > 1:
        raise ValueError(f"window.samples_per_step is {samples_per_step}, expected 1 where rows have groups")
    if one_window_per_group and series.group is None:
        raise ValueError("window.one_window_per_group is true, but the rows have no groups")
    splits, order = splitter.of(series, samples_per_step)
    timeline, group = Timeline.of(series, samples_per_step), series.group
    if meta.recordings:
        steps_of = [(end - begin) // samples_per_step for begin, end in timeline.spans]
        group = np.repeat(np.arange(len(steps_of)), steps_of)
    group = group if group is None or order is None else group[order]
    known = None if series.known is None else np.asarray(series.known[samples_per_step - 1 :: samples_per_step], bool)
    known = known if known is None or order is None else known[order]
    sizes = {"seq_len": seq_len, "stride": stride, "batch_size": batch_size, "horizon": horizon}
    parts = [parts_of(split, group, known, **sizes, one_window_per_group=one_window_per_group) for split in splits]
    for split in parts:
        _require_windows(split, _fitting(series, splitter, seq_len + horizon, samples_per_step, statistics))
    with SeriesWriter(folder) as writer:
        largest = np.zeros(1)  # of each column
        for signal, target in _steps(series, order, samples_per_step, statistics):
            largest = np.maximum(largest, np.abs(np.c_[signal, target].astype(np.float64)).max(axis=0))
            own = slice(writer.rows, writer.rows + len(signal))
            writer.append(signal, target, *(None if values is None else values[own] for values in (group, known)))
        if (vanishing := (largest > 0) & (largest < SMALLEST)).any():
            raise ValueError(
                f"a column has values up to {np.max(largest, where=vanishing, initial=0):g} only, expected some of at "
                f"least {SMALLEST:g}, whose squares can be computed; choose another unit"
            )
        writer.finish(
            WindowsMeta(
                splits=tuple({name: split[name].describe() for name in PARTS} for split in parts),
                split="contiguous" if splitter.kind == "failures" and not meta.failures else splitter.kind,
                seq_len=seq_len,
                stride=stride,
                horizon=horizon,
                one_window_per_group=one_window_per_group,
                relative_to_first=relative_to_first,
                predict_change=predict_change,
                samples_per_step=samples_per_step,
                signal=meta.signal,
                statistics=tuple(statistics),
                target=meta.target,
                target_columns=target_columns,
                units=meta.units,
                failures=timeline.failures,
                first_targets=tuple(float(series.target[row, 0]) for row in timeline.first_rows),
                countdown=meta.countdown,
                classes=meta.classes,
                vocabulary=meta.vocabulary,
                groups=meta.groups,
                recordings=meta.recordings and timeline.recordings,
                correlations=meta.correlations,
                series_rows=len(series.signal),
                counts=meta.counts,
            )
        )


def _steps(
    series: Series[SeriesMeta], order: Array | None, samples_per_step: int, statistics: Sequence[str]
) -> Iterator[tuple[Array, Array]]:
    """Yield signal and target of the steps; rows with groups are few enough to be put in order at once."""
    if series.group is None:
        yield from aggregate(series, samples_per_step, statistics)
    else:
        require_computable(series.signal, "signal")
        require_computable(series.target, "target")
        rows = slice(None) if order is None else order
        yield series.signal[rows], series.target[rows]


def _fitting(
    series: Series[SeriesMeta], splitter: Splitter, need: int, samples_per_step: int, statistics: Sequence[str]
) -> Iterator[int]:
    """Yield fewer samples per step under which train has at least `need` steps, and each other part one."""
    least = 2 if {"std", "log_std"} & set(statistics) else 1
    for samples in range(samples_per_step - 1, least - 1, -1):
        longest = {
            name: max(end - begin for begin, end in spans) for name, spans in splitter.of(series, samples)[0][0].items()
        }
        if longest["train"] >= need and min(longest.values()) > 0:
            yield samples


def _require_windows(parts: dict[PartName, Part], fitting: Iterator[int]) -> None:
    """Refuse a part without windows; `fitting` are samples_per_step that would give each part one."""
    name, least = min(parts.items(), key=lambda item: item[1].windows)
    if not least.windows:
        steps, seq_len = least.longest_window, least.seq_len
        if steps >= seq_len:
            raise ValueError(f"{name} has no label that is known and has {seq_len} steps before it")
        fewer = next(fitting, 0)
        ways = [f"seq_len up to {steps}"] * (steps > 0) + [f"window.samples_per_step {fewer}"] * (fewer > 0)
        raise ValueError(
            f"{name} has {steps} steps, too few for one window of seq_len {seq_len}; "
            f"try: {' or '.join(ways) or 'a longer recording'}"
        )
    if (windows := parts["train"].windows) < (batch_size := parts["train"].batch_size):
        raise ValueError(
            f"train has {windows} windows, too few for one batch of window.batch_size {batch_size}; "
            f"try: window.batch_size up to {windows}"
        )
