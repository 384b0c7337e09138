"""Any CSV or Excel tables with named columns: a stock index, a laboratory fault, your own files; no Python needed.

Named in this project's sections: the S&P 500 (J. Aungiers' repository "LSTM Neural Network for Time Series Prediction"
(2018), AGPL-3.0) and the laboratory fault p4581 (L. Laurenti et al. (2022), Deep learning for laboratory earthquake
prediction and autoregressive forecasting of fault zone stress; no licence stated). The CSV is read strictly: a word or
an infinity in a column that is used stops it with the line, and so does a hole unless `holes` asks to fill it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pandas as pd
from pydantic import BeforeValidator, Field, Strict, ValidationInfo, field_validator

from recurrent.config.fields import FileName, Name, Section, one_or_several, several
from recurrent.config.schema import LastCycle
from recurrent.ingest.download import File
from recurrent.ingest.join import ROWS, join_tables, read_tables
from recurrent.ingest.text_table import TextTable
from recurrent.sources._contract import Checksum, Url, complete_cycles, row_counts, series_meta
from recurrent.storage.meta import RowCounts
from recurrent.storage.series import Recording

Names = Annotated[tuple[Name, ...], Field(min_length=1)]
Urls = Annotated[tuple[Url, ...], Strict(False), BeforeValidator(one_or_several)]
Checksums = Annotated[tuple[Checksum | None, ...], Strict(False), BeforeValidator(one_or_several)]
# A step this many times the usual one counts as a gap.
GAP = 1.5
FILLED = "filled"  # column that says where a value was filled


@dataclass(frozen=True)
class Options(Section):
    """Keys of the source.

    Parameters
    ----------
    file : one name or several
    url, checksum : of each file; null: your own, at `raw`, or, if there are several, in that folder
    join : null for one file; rows, where several lie one below the other; or the column that those side by side have in
        common: rows whose key is not in every file are left out
    signal, target : columns; null for the target: the next value of the signal's own columns
    time : column to sort by, or null for rows in time order; `time_format` as in strptime, or null for a number
    group : column of what must not be mixed, or null
    holes : stop, or last: an empty field or NA becomes the last value known; the signal gets a column `filled`, 1 in
        rows with such a value, and a target that was filled is neither learnt nor scored
    failure_threshold : null, or the target is a countdown that rises after at most this value only, at failures
    last_cycle : keep or drop the rows after the last failure
    """

    file: several(FileName)  # type: ignore[valid-type]
    url: Urls | None
    checksum: Checksums | None
    join: Name | None
    signal: Names
    target: Names | None
    time: Name | None
    time_format: Name | None
    group: Name | None
    holes: Literal["stop", "last"]
    signal_unit: str
    target_unit: str
    time_unit: str
    failure_threshold: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None
    last_cycle: LastCycle

    @field_validator("url", "checksum")
    @classmethod
    def _one_for_each_file(cls, values: tuple[str, ...] | None, info: ValidationInfo) -> tuple[str, ...] | None:
        if values is not None and len(values) != len(info.data.get("file", values)):
            raise ValueError(f"null, or one for each of {len(info.data['file'])} files")
        return values

    @field_validator("join")
    @classmethod
    def _joins_several(cls, join: str | None, info: ValidationInfo) -> str | None:
        if "file" in info.data and (join is None) != (len(info.data["file"]) == 1):
            raise ValueError("null for one file; for several, rows or the column that they have in common")
        return join

    @field_validator("holes")
    @classmethod
    def _adds_a_column(cls, holes: str, info: ValidationInfo) -> str:
        if holes == "last" and FILLED in {*info.data.get("signal", ()), *(info.data.get("target") or ())}:
            raise ValueError(f"stop, as last adds a column {FILLED}, and there is one")
        return holes

    def paths(self, raw: Path) -> list[Path]:
        """Return where the files lie."""
        return [raw] if self.url is None and len(self.file) == 1 else [raw / name for name in self.file]


def files(options: Options) -> tuple[File, ...]:
    """Name the files to download: none where they are your own."""
    checksums = options.checksum or (None,) * len(options.file)
    return tuple(map(File, options.file, options.url or (), checksums))


def read(options: Options, raw: Path) -> Recording:
    """Read the tables: signal (n, D), target (n, K), sorted by group and time."""
    target = options.target or options.signal
    learned = list(dict.fromkeys((*options.signal, *target)))
    keys = [name for name in (options.time, options.group) if name]
    tables = read_tables(options.paths(raw), list(dict.fromkeys((*learned, *keys))), options.join)
    joined = join_tables(tables, [_checked(table, options, learned) for table in tables], options.join)
    rows, groups = _in_order(joined, options)
    columns = joined["value"].loc[rows.index]
    missing = columns.isna()
    columns = columns.groupby(rows["group"]).ffill() if options.holes == "last" else columns
    begun = columns.notna().all(axis="columns")  # before, there is nothing to fill with
    if not begun.any():
        raise ValueError(f"{tables[0].path}: no row with a value before it, or in it, of each of {learned}")
    rows, columns, missing = rows[begun], columns[begun], missing[begun]
    failures = list[int]()
    if options.failure_threshold is not None:
        if len(target) > 1 or options.group:
            raise ValueError("source.failure_threshold: a countdown needs one target and no group")
        failures = _failures(columns[target[0]], options.failure_threshold)
    kept, failures, dropped = complete_cycles(len(columns), failures, options.last_cycle)
    rows, columns, missing = rows[:kept], columns[:kept], missing[:kept]
    dropped |= {"before_every_column_had_a_value": int((~begun).sum())}
    filled = missing.any(axis="columns").to_numpy()
    signal = columns[list(options.signal)].to_numpy()
    known = ~missing[list(target)].any(axis="columns").to_numpy()
    meta = series_meta(
        ", ".join(Path(name).name for name in options.file),
        signal=[*options.signal, *([FILLED] if options.holes == "last" else [])],
        target=target,
        units=(options.signal_unit, options.target_unit),
        time_unit=options.time_unit,
        md5=" ".join(table.md5 for table in tables),
        counts=_counts(tables, joined, options, dropped, _unusual(rows, missing, options)),
        failures=failures,
        countdown=options.failure_threshold is not None,
        groups=groups or None,
    )
    return Recording(
        np.c_[signal, filled] if options.holes == "last" else signal,
        columns[list(target)].to_numpy(),
        rows["group"].to_numpy() if groups else None,
        meta,
        known=None if known.all() else known,
    )


def _checked(table: TextTable, options: Options, learned: list[str]) -> pd.DataFrame:
    """Return what a row has of the values that are learnt, under `value`, and of what sorts it, under `sort`."""
    sort, held = dict[str, pd.Series](), set(table.texts)
    if options.group and options.group in held:
        table.require(table.texts[options.group] != "", options.group, "the name of a group")
        sort["group"] = table.texts[options.group]
    if options.time and options.time in held:
        sort["time"] = _times(table, options.time, options.time_format)
    holes = options.holes == "last"
    value = {name: table.numbers(name, holes=holes) for name in learned if name in held}
    frames = {"sort": pd.DataFrame(sort), "value": pd.DataFrame(value)}
    return pd.concat({key: frame for key, frame in frames.items() if len(frame.columns)}, axis=1)


def _times(table: TextTable, name: str, form: str | None) -> pd.Series:
    """Return numbers, or seconds."""
    if form is None:
        return table.numbers(name)
    return (table.times(name, form, f"a time like {form}") - pd.Timestamp(0, tz="UTC")).dt.total_seconds()


def _in_order(joined: pd.DataFrame, options: Options) -> tuple[pd.DataFrame, list[str]]:
    """Return number of the group, time and number of each row, sorted by them; and the names of the groups."""
    rows = pd.DataFrame({"group": 0, "time": 0, "row": np.arange(len(joined))}, index=joined.index)
    names = list[str]()
    if options.group:
        rows["group"], unique = pd.factorize(joined["sort", "group"])
        names = unique.tolist()
    if options.time:
        rows["time"] = joined["sort", "time"]
    return rows.sort_values(["group", "time", "row"]), names


def _counts(
    tables: list[TextTable], joined: pd.DataFrame, options: Options, dropped: dict[str, int], noted: dict[str, float]
) -> RowCounts:
    if options.join in (None, ROWS):
        return row_counts(len(joined), dropped=dropped, noted=noted)
    first, *others = tables  # its rows count, of which another file may lack some
    dropped |= {"not_in_every_file": len(first.texts) - len(joined)}
    unmatched = {f"not_joined_of_{other.path.name}": len(other.texts) - len(joined) for other in others}
    return row_counts(len(first.texts), dropped=dropped, noted=noted | unmatched)


def _unusual(rows: pd.DataFrame, missing: pd.DataFrame, options: Options) -> dict[str, float]:
    """Count what is unusual about the sorted rows: order, equal times, gaps, values that were filled."""
    steps = rows.groupby("group")["time"].diff().dropna() if options.time else pd.Series(dtype=np.float64)
    usual = steps.median()
    gaps = steps[steps > GAP * usual]
    return {
        "out_of_order": int((rows["row"].rank() != np.arange(1, len(rows) + 1)).sum()),
        "with_the_time_of_the_row_before": int((steps == 0).sum()),
        "after_a_gap": len(gaps),
        "longest_gap_in_usual_steps": float(gaps.max() / usual) if len(gaps) else 0.0,
        "filled_values": int(missing.to_numpy().sum()),
        "filled_rows": int(missing.any(axis="columns").sum()),
    }


def _failures(time: pd.Series, failure_threshold: float) -> list[int]:
    """Return the rows that follow a failure of the countdown `time`; any other rise is an error."""
    before = time.astype(np.float64).shift(fill_value=np.inf)
    rises = time > before
    valid = (time >= 0) & ~(rises & (before > failure_threshold))
    if not valid.all():
        place = valid.idxmin()
        after = f" (it stands at {before[place]:g} before)" if np.isfinite(before[place]) else ""
        raise ValueError(
            f"{place}: column {time.name!r} holds '{time[place]:g}', expected a time of at least 0 that rises only "
            f"after at most {failure_threshold}{after}"
        )
    return np.flatnonzero(rises).tolist()
