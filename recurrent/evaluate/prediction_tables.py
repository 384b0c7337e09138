"""Forecasts of the test part as tables, and what a reader of the tables must know.

Legend of shapes: N windows, K targets, C classes.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from recurrent.evaluate import baselines
from recurrent.evaluate.scoring import SplitResult
from recurrent.window.windows import Windows

Floats = npt.NDArray[np.float64]


def time_axis(windows: Windows, part: str) -> tuple[Floats, str]:
    """Return the time of each window's label and its unit.

    A countdown tells the time since the recording began; a further recording of the part follows as if there were no
    gap. Without a countdown, the row number stands for it.
    """
    steps = windows.last_steps(part)
    if not windows.meta.countdown:
        return (steps + windows.parts[part].horizon + 1.0) * windows.meta.samples_per_step - 1, "row"
    cycle, since = baselines.cycles(windows, steps)
    meta = windows.meta
    starts = np.concatenate([[0.0], np.cumsum(meta.first_targets)])
    recordings = np.array(meta.recordings or (0,))
    begin = recordings[recordings <= steps[0] * meta.samples_per_step][-1]
    return starts[cycle] + since - starts[meta.cycle_starts.index(begin)], meta.units.target


def rows(result: SplitResult) -> dict[str, Floats]:
    """Return columns of predictions.csv: time, actual, predicted, its interval where it has one, each baseline.

    There is one of each per target or class where there are several.

    Where the rows have groups, a column has the number of each window's.
    """
    windows, table = result.windows, dict[str, Floats]()
    if (group := windows.steps.group) is not None:
        table["group"] = group[windows.last_steps("test")].astype(np.float64)
    table["time"], _ = time_axis(windows, "test")
    ends = dict(zip(("lower", "upper"), result.interval or (), strict=False))
    return table | result.truth.table({"predicted": result.predicted, **ends, **result.baseline_forecasts})


def sheets(result: SplitResult) -> dict[str, dict[str, Any]]:
    """Return the sheets of predictions.xlsx: predictions.csv, and the rows of the test part, groups by their names."""
    windows, part = result.windows, result.windows.parts["test"]
    own = part.steps
    signal, target = windows.steps.signal[own], windows.steps.target[own]
    tested = {name: signal[:, i] for i, name in enumerate(windows.meta.features)}
    tested |= {f"target: {name}": target[:, i] for i, name in enumerate(windows.meta.target)}
    if windows.steps.group is not None:
        tested = {"group": windows.steps.group[own]} | tested
    book: dict[str, dict[str, Any]] = {"predictions": dict(rows(result)), "test rows": tested}
    if names := windows.meta.groups:
        for sheet in book.values():
            sheet["group"] = [names[int(number)] for number in sheet["group"]]
    return book


def describe(results: Sequence[SplitResult]) -> dict[str, Any]:
    """Return for predictions/meta.json what the columns are, and what else a picture needs."""
    result, windows, meta = results[0], results[0].windows, results[0].windows.meta
    description = {
        "target": list(meta.target),
        "unit": meta.units.target,
        "time_unit": time_axis(windows, "test")[1],
        "baselines": list(result.baseline_forecasts),
        "splits": len(results),
    } | result.truth.description(result.predicted, windows)
    if meta.correlations:
        description["correlations"] = meta.correlations.to_json()
    return description
