"""Any CSV or Excel table with named columns: a stock index, a laboratory fault, your own file; no Python needed.

Named in this project's sections: the S&P 500 (J. Aungiers' repository "LSTM Neural Network for Time Series Prediction"
(2018), AGPL-3.0) and the laboratory fault p4581 (L. Laurenti et al. (2022), Deep learning for laboratory earthquake
prediction and autoregressive forecasting of fault zone stress; no licence stated). The CSV is read strictly:
a hole, a word or an infinity in a column that is used stops it with the line.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
from pydantic import Field

from recurrent.config.fields import Name
from recurrent.config.schema import LastCycle
from recurrent.ingest.download import File
from recurrent.ingest.text_table import TextTable, read_table
from recurrent.sources._contract import RawFile, complete_cycles, series_meta
from recurrent.storage.series import Recording

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
    failure_threshold : null, or the target is a countdown that rises after at most this value only, at failures
    last_cycle : keep or drop the rows after the last failure
    """

    signal: Names
    target: Names | None
    time: Name | None
    time_format: Name | None
    group: Name | None
    signal_unit: str
    target_unit: str
    time_unit: str
    failure_threshold: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None
    last_cycle: LastCycle


def files(options: Options) -> tuple[File, ...]:
    """Name the files to download: one, or none where it is your own."""
    return options.files()


def read(options: Options, raw: Path) -> Recording:
    """Read the table: signal (n, D), target (n, K), sorted by group and time."""
    target = options.target or options.signal
    learned = list(dict.fromkeys((*options.signal, *target)))
    keys = [name for name in (options.time, options.group) if name]
    table = read_table(options.path(raw), list(dict.fromkeys((*learned, *keys))))
    rows, groups = _keys(table, options)
    order = rows.sort_values(["group", "time", "row"])
    columns = pd.DataFrame({name: table.numbers(name) for name in learned}).loc[order.index]
    failures = list[int]()
    if options.failure_threshold is not None:
        if len(target) > 1 or options.group:
            raise ValueError("source.failure_threshold: a countdown needs one target and no group")
        failures = _failures(table, columns[target[0]], options.failure_threshold)
    kept, failures, left_out = complete_cycles(len(columns), failures, options.last_cycle)
    meta = series_meta(
        Path(options.file).name,
        signal=options.signal,
        target=target,
        units=(options.signal_unit, options.target_unit),
        time_unit=options.time_unit,
        md5=table.md5,
        notes=[*(_notes(order) if options.time else []), *left_out],
        failures=failures,
        countdown=options.failure_threshold is not None,
        groups=groups or None,
    )
    return Recording(
        columns[list(options.signal)].to_numpy()[:kept],
        columns[list(target)].to_numpy()[:kept],
        order["group"].to_numpy()[:kept] if groups else None,
        meta,
    )


def _keys(table: TextTable, options: Options) -> tuple[pd.DataFrame, list[str]]:
    """Return what to sort by, a row each: group, time (a number, or seconds) and row; and the names of the groups."""
    rows = pd.DataFrame({"group": 0, "time": 0, "row": np.arange(len(table.texts))}, index=table.texts.index)
    names = list[str]()
    if options.group:
        texts = table.texts[options.group]
        table.require(texts != "", options.group, "the name of a group")
        rows["group"], unique = pd.factorize(texts)
        names = unique.tolist()
    if options.time and options.time_format:
        times = table.times(options.time, options.time_format, f"a time like {options.time_format}")
        rows["time"] = (times - pd.Timestamp(0, tz="UTC")).dt.total_seconds()
    elif options.time:
        rows["time"] = table.numbers(options.time)
    return rows, names


def _notes(rows: pd.DataFrame) -> list[str]:
    """Say what is unusual about the times of the sorted rows."""
    notes = []
    if moved := int((rows["row"] != np.arange(len(rows))).sum()):
        notes.append(f"{moved} rows were out of order, sorted by group and time")
    steps = rows.groupby("group")["time"].diff().dropna()
    if same := int((steps == 0).sum()):
        notes.append(f"{same} rows repeat the previous timestamp; kept")
    usual = steps.median()
    if gaps := int((steps > GAP * usual).sum()):
        notes.append(
            f"{gaps} of {len(steps)} steps are longer than {GAP} times the usual {usual:g}, up to {steps.max():g}"
        )
    return notes


def _failures(table: TextTable, time: pd.Series, failure_threshold: float) -> list[int]:
    """Return the rows that follow a failure of the countdown `time`; any other rise is an error."""
    before = time.astype(np.float64).shift(fill_value=np.inf)
    rises = time > before
    valid = (time >= 0) & ~(rises & (before > failure_threshold))
    last = before[valid.idxmin()]  # before the first that is not valid
    after = f" (it stands at {last:g} before)" if np.isfinite(last) else ""
    table.require(
        valid, str(time.name), f"a time of at least 0 that rises only after at most {failure_threshold}{after}"
    )
    return np.flatnonzero(rises).tolist()
