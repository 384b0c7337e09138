"""Small series and the windows over them, for the tests of whatever reads windows."""

from dataclasses import replace

import numpy as np

from recurrent.storage.meta import SeriesMeta, SourceMeta, Units
from recurrent.storage.series import Series
from recurrent.storage.series_writer import SeriesWriter
from recurrent.window.split import Splitter
from recurrent.window.windows import Windows
from recurrent.window.write import write_windows

UNITS = Units("V", "s")


def write_series(
    folder, signal, target=None, *, group=None, known=None, target_names=("t",), **meta
) -> Series[SeriesMeta]:
    """Write rows; the target counts them unless it is given; `meta` as in SeriesMeta."""
    signal = np.asarray(signal).reshape(len(signal), -1)
    target = np.arange(len(signal)) if target is None else np.asarray(target)
    target = target.reshape(len(signal), -1)
    usual = {"target_columns": (None,) * target.shape[1], "units": UNITS, "countdown": False, "failures": ()}
    usual |= {"signal": tuple(f"c{i}" for i in range(signal.shape[1])), "target": tuple(target_names)}
    usual |= {"source": SourceMeta("made up", "")}
    with SeriesWriter(folder / "series") as writer:
        writer.append(signal, target, *(None if values is None else np.asarray(values) for values in (group, known)))
        writer.finish(SeriesMeta(**usual | meta))
    return Series.open(folder / "series", SeriesMeta)


def cut(folder, series, *, split="contiguous", fractions=(0.6, 0.2), folds=1, repeats=1, seed=0, **params) -> Windows:
    """Write windows of 3 steps, in batches of 2, unless `params` say otherwise."""
    usual = {"seq_len": 3, "samples_per_step": 1, "statistics": ("none",), "stride": 1, "batch_size": 2}
    usual |= {"horizon": 0, "one_window_per_group": False, "relative_to_first": False, "predict_change": False}
    splitter = Splitter(split, fractions, folds, repeats, seed)
    write_windows(series, folder / "windows", **usual | params, splitter=splitter)
    return Windows.open(folder / "windows")


def bounds(windows, part) -> tuple[int, int]:
    """Begin and end of the steps of a part that has one stretch of them."""
    [[begin, end]] = windows.parts[part].stretches.tolist()
    return begin, end


def with_rows(windows, rows, value) -> Windows:
    """The same windows with other labels, and with other signals, in these rows (a slice)."""
    steps = replace(windows.steps, signal=windows.steps.signal.copy(), target=windows.steps.target.copy())
    for array in (steps.signal, steps.target):
        array[rows] = value
    return replace(windows, steps=steps)
