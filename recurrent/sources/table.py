"""Any CSV or Excel table with named columns: a stock index, a laboratory fault, your own file; no Python needed.

Named in this project's stanzas: the S&P 500 (J. Aungiers' repository "LSTM Neural Network for Time Series Prediction"
(2018), AGPL-3.0) and the laboratory fault p4581 (L. Laurenti et al. (2022), Deep learning for laboratory earthquake
prediction and autoregressive forecasting of fault zone stress; no licence stated). The CSV is read strictly:
a hole, a word or an infinity in a column that is used stops it with the line.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from recurrent.config.schema import Name
from recurrent.ingest.download import File
from recurrent.ingest.text_table import Columns, read_columns
from recurrent.sources._contract import RawFile, series_meta
from recurrent.storage.series import Array, Recording

Names = Annotated[tuple[Name, ...], Field(min_length=1)]
# A step this many times the usual one counts as a gap.
GAP = 1.5


@dataclass(frozen=True)
class Options(RawFile):
    """Keys of the source.

    Parameters
    ----------
    signal, target : columns; null for the target: the next value of the signal's own columns
    time : column to sort by, or null for rows in time order; `time_format` as in strptime, or null for a number
    group : column of what must not be mixed, or null
    failure_below : null, or the target is a countdown that rises after at most this value only, at failures
    """

    signal: Names
    target: Names | None
    time: Name | None
    time_format: Name | None
    group: Name | None
    signal_unit: str
    target_unit: str
    time_unit: str
    failure_below: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None


def files(options: Options) -> tuple[File, ...]:
    """Name the files to download: one, or none where it is your own."""
    return options.files()


def read(options: Options, raw: Path) -> Recording:
    """Read the table: signal (n, D), target (n, K), sorted by group and time."""
    target = options.target or options.signal
    named = [*options.signal, *target, *(name for name in (options.time, options.group) if name)]
    table = read_columns(options.path(raw), list(dict.fromkeys(named)))
    rows = np.arange(len(table.lines))
    groups, group = _groups(table, options.group)
    time = rows if options.time is None else _times(table, options.time, options.time_format)
    order = np.lexsort((rows, time, group))
    notes = [] if options.time is None else _notes(time, group, order)
    columns = {name: table.numbers(name)[order] for name in dict.fromkeys((*options.signal, *target))}
    failures = list[int]()
    if options.failure_below is not None:
        if len(target) > 1 or options.group:
            raise ValueError("source.failure_below: a countdown needs one target and no group")
        failures = _failures(table, target[0], columns[target[0]], options.failure_below, order)
    meta = series_meta(
        Path(options.file).name,
        signal=options.signal,
        target=target,
        observed=[options.signal.index(name) if name in options.signal else None for name in target],
        units=(options.signal_unit, options.target_unit),
        time_unit=options.time_unit,
        md5=table.md5,
        notes=notes,
        failures=failures,
        countdown=options.failure_below is not None,
    )
    return Recording(
        np.stack([columns[name] for name in options.signal], axis=1),
        np.stack([columns[name] for name in target], axis=1),
        group[order] if groups else None,
        meta | ({"groups": groups} if groups else {}),
    )


def _groups(table: Columns, name: str | None) -> tuple[list[str], Array]:
    """The groups in order of appearance, and the number of each row's (n,)."""
    texts = [""] * len(table.lines) if name is None else table.texts[name]
    if name and "" in texts:
        raise table.error(texts.index(""), name, "the name of a group")
    groups = list(dict.fromkeys(texts))
    number = {text: i for i, text in enumerate(groups)}
    return groups if name else [], np.array([number[text] for text in texts])


def _times(table: Columns, name: str, form: str | None) -> Array:
    """Column `name` in its own unit, or by its format in seconds; (n,)."""
    if form is None:
        return table.numbers(name)
    seconds = np.empty(len(table.lines))
    for row, text in enumerate(table.texts[name]):
        try:
            time = datetime.strptime(text, form)
        except ValueError:
            raise table.error(row, name, f"a time like {form}") from None
        seconds[row] = (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
    return seconds


def _notes(time: Array, group: Array, order: Array) -> list[str]:
    """What is to be said about the time stamps, `order` being that of the sorted rows."""
    notes = []
    if moved := int((order != np.arange(len(order))).sum()):
        notes.append(f"{moved} rows stood out of order, sorted by group and time")
    steps = np.diff(time[order])[np.diff(group[order]) == 0]
    if same := int((steps == 0).sum()):
        notes.append(f"{same} rows have the time of the row before, kept")
    usual = float(np.median(steps)) if len(steps) else 0.0
    if gaps := int((steps > GAP * usual).sum()):
        notes.append(
            f"{gaps} of {len(steps)} steps are longer than {GAP} times the usual {usual:g}, up to {steps.max():g}"
        )
    return notes


def _failures(table: Columns, name: str, time: Array, failure_below: float, order: Array) -> list[int]:
    """The rows that follow a failure of the countdown `time` (n,); any other rise is an error."""
    before = np.concatenate(([np.inf], time[:-1]))
    rises = time > before
    wrong = (time < 0) | (rises & (before > failure_below))
    if wrong.any():
        row = int(wrong.argmax())
        after = f" (it stands at {before[row]:g} before)" if row else ""
        expected = f"a time of at least 0 that rises only after at most {failure_below}{after}"
        raise table.error(int(order[row]), name, expected)
    return np.flatnonzero(rises).tolist()
