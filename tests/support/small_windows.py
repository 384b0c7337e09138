"""Small series and the windows over them, for the tests of whatever reads windows."""

from dataclasses import replace

import numpy as np

from recurrent.storage.series import Series, SeriesWriter
from recurrent.window.split import Split
from recurrent.window.windows import Windows
from recurrent.window.write import write_windows

UNITS = {"signal": "V", "target": "s"}


def write_series(folder, signal, target=None, *, group=None, observed=None, target_names=("t",), **meta) -> Series:
    """Write rows; the target counts them unless it is given; `observed` as in a Recording."""
    signal = np.asarray(signal).reshape(len(signal), -1)
    target = np.arange(len(signal)) if target is None else np.asarray(target)
    target = target.reshape(len(signal), -1)
    with SeriesWriter(folder / "series") as writer:
        writer.append(signal, target, None if group is None else np.asarray(group))
        names = {"signal": [f"c{i}" for i in range(signal.shape[1])], "target": [*target_names]}
        usual = {"units": UNITS, "countdown": False, "failures": [], "observed": observed or [None] * target.shape[1]}
        writer.finish(names | usual | meta)
    return Series.open(folder / "series")


def cut(folder, series, *, split="contiguous", fractions=(0.6, 0.2), folds=1, repeats=1, seed=0, **knobs) -> Windows:
    """Cut windows of 3 steps, in batches of 2, unless `knobs` say otherwise."""
    usual = {"seq_len": 3, "samples_per_step": 1, "statistics": ("none",), "stride": 1, "batch_size": 2}
    usual |= {"horizon": 0, "whole": False, "relative": False, "difference": False}
    write_windows(series, folder / "windows", **usual | knobs, split=Split(split, fractions, folds, repeats, seed))
    return Windows.open(folder / "windows")


def with_rows(windows, rows, value) -> Windows:
    """The same windows with other labels, and with other signals, in these rows (a slice)."""
    steps = replace(windows.steps, signal=windows.steps.signal.copy(), target=windows.steps.target.copy())
    for array in (steps.signal, steps.target):
        array[rows] = value
    return replace(windows, steps=steps)
