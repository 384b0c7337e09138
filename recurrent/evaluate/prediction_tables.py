"""Forecasts of the test part as tables, and what a reader of the tables must know.

Legend of shapes: N windows, K targets, C classes.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from recurrent.evaluate import baselines
from recurrent.evaluate.scoring import Judged
from recurrent.window.windows import Windows

Floats = npt.NDArray[np.float64]


def time_axis(windows: Windows, part: str) -> tuple[Floats, str]:
    """Give the time of each window's label and its unit.

    A countdown tells the time since the recording began; without one, the row number stands for it.
    """
    steps = windows.last_steps(part)
    if not windows.meta["countdown"]:
        return (steps + windows.parts[part].horizon + 1.0) * windows.meta["samples_per_step"] - 1, "row"
    cycle, since = baselines.cycles(windows, steps)
    starts = np.concatenate([[0.0], np.cumsum(windows.meta["first_targets"])])
    return starts[cycle] + since, str(windows.meta["units"]["target"])


def rows(judged: Judged) -> dict[str, Floats]:
    """Columns of predictions.csv: time, actual, predicted, each baseline; one per target or class where several.

    Where the rows have groups, a column says the number of each window's.
    """
    table: dict[str, Floats] = {}
    if (group := judged.windows.steps.group) is not None:
        table["group"] = group[judged.windows.last_steps("test")].astype(np.float64)
    table["time"], _ = time_axis(judged.windows, "test")
    forecasts = {"predicted": judged.predicted, **judged.others}
    if "classes" in judged.windows.meta:
        table["actual"] = judged.actual[:, 0]
        names = judged.windows.meta["classes"]
        return table | {f"{key}_{name}": f[:, i] for key, f in forecasts.items() for i, name in enumerate(names)}
    names = judged.windows.meta["target"]
    for key, forecast in {"actual": judged.actual, **forecasts}.items():
        table |= {(key if len(names) == 1 else f"{key}_{name}"): forecast[:, i] for i, name in enumerate(names)}
    return table


def sheets(judged: Judged) -> dict[str, dict[str, Any]]:
    """Give the sheets of predictions.xlsx: predictions.csv, and the rows of the test part, groups by their names."""
    windows, part = judged.windows, judged.windows.parts["test"]
    own = slice(part.begin, part.end)
    signal, target = windows.steps.signal[own], windows.steps.target[own]
    tested = {name: signal[:, i] for i, name in enumerate(windows.meta["features"])}
    tested |= {f"target: {name}": target[:, i] for i, name in enumerate(windows.meta["target"])}
    if windows.steps.group is not None:
        tested = {"group": windows.steps.group[own]} | tested
    found: dict[str, dict[str, Any]] = {"predictions": dict(rows(judged)), "test rows": tested}
    if names := windows.meta.get("groups"):
        for sheet in found.values():
            sheet["group"] = [names[int(number)] for number in sheet["group"]]
    return found


def describe(judged: Sequence[Judged]) -> dict[str, Any]:
    """Say for predictions/meta.json what the columns are, and what else a picture needs."""
    windows = judged[0].windows
    meta = windows.meta
    about = {
        "target": meta["target"],
        "unit": meta["units"]["target"],
        "time_unit": time_axis(windows, "test")[1],
        "baselines": list(judged[0].others),
        "splits": len(judged),
    }
    return about | {key: meta[key] for key in ("classes", "correlations") if key in meta} | _most_wrong(judged[0])


def _most_wrong(judged: Judged, count: int = 10) -> dict[str, Any]:
    """The texts that were put into the wrong class with the most conviction."""
    meta, windows = judged.windows.meta, judged.windows
    if "classes" not in meta or "vocabulary" not in meta:
        return {}
    actual = judged.actual[:, 0].astype(np.int64)
    given = np.take_along_axis(judged.predicted, actual[:, None], axis=1)[:, 0]
    worst = np.argsort(given, kind="stable")[:count]
    first, lengths = windows.parts["test"].where(worst)
    texts = [
        " ".join(meta["vocabulary"][word] for word in windows.steps.signal[begin : begin + length, 0])
        for begin, length in zip(first.tolist(), lengths.tolist(), strict=True)
    ]
    found = zip(actual[worst].tolist(), given[worst].tolist(), texts, strict=True)
    return {"most_wrong": [{"actual": meta["classes"][a], "given": g, "text": text} for a, g, text in found]}
