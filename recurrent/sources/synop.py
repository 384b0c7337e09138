"""Weather of one French station every three hours: the CSV of the open SYNOP archive (since 2010).

Météo-France, "Données SYNOP essentielles OMM", Licence Ouverte of Etalab (it wants the source named), as exported by
public.opendatasoft.com, data set donnees-synop-essentielles-omm, with French labels. The archive grows: a checksum is
that of one extract; set it to null to take what the address gives today, which is then another recording.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
from pydantic import Field, ValidationInfo, field_validator

from recurrent.config.fields import Name, several
from recurrent.ingest.download import File
from recurrent.ingest.text_table import TextTable, read_table
from recurrent.sources._contract import RawFile, correlations, row_counts, series_meta
from recurrent.storage.npy import Array
from recurrent.storage.series import Recording

DAY, STEP = pd.Timedelta(days=1), pd.Timedelta(hours=3)
SEASON = DAY // STEP
YEAR = 365.25  # days
WIND_SPEED = "wind_speed"  # name of the column that is 0 in a calm


@dataclass(frozen=True)
class Options(RawFile):
    """Keys of the source.

    Parameters
    ----------
    station, station_column : what the rows of the station hold in that column, such as "07690" for Nice
    time : column of the times, in UTC unless they have a zone
    columns : names and the columns that hold them, numbers with hardly a hole. Codes of clouds and weather are no
        numbers, whatever they look like; `wind_speed` tells a calm
    direction : column of the wind's direction in degrees, or null
    target, target_unit : names among `columns` that are forecast
    """

    station: Name
    station_column: Name
    time: Name
    columns: Annotated[dict[Name, Name], Field(min_length=1)]
    direction: Name | None
    target: several(Name)  # type: ignore[valid-type]
    target_unit: str

    @field_validator("target")
    @classmethod
    def _is_read(cls, target: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if not set(target) <= set(names := info.data.get("columns", target)):
            raise ValueError(f"names among columns: {', '.join(names)}")
        return target


def files(options: Options) -> tuple[File, ...]:
    """Name the file to download."""
    return options.files()


def read(options: Options, raw: Path) -> Recording:
    """Read the station: signal (n, D) on a regular grid of three hours, target (n, K) of its columns.

    Wind comes as sine and cosine of its direction, 360 and 10 degrees being neighbours; a calm has neither. Hour of the
    day and day of the year (UTC) come as sines and cosines, too. `filled` is 1 where a value of the row was missing.
    """
    direction = [options.direction] if options.direction else []
    table = read_table(options.path(raw), [options.station_column, options.time, *options.columns.values(), *direction])
    measured = pd.DataFrame({name: table.numbers(label, holes=True) for name, label in options.columns.items()})
    for label in direction:
        angle, calm = np.radians(table.numbers(label, holes=True)), measured.get(WIND_SPEED, pd.Series(1.0)) == 0
        measured["wind_sin"], measured["wind_cos"] = np.sin(angle).mask(calm, 0.0), np.cos(angle).mask(calm, 0.0)
    times, dropped = _on_grid(table, options)
    grid = pd.date_range(times.min(), times.max(), freq=STEP)
    values = measured.loc[times.index].set_axis(times, axis="index").reindex(grid)
    missing, values = values.isna(), fill_with_past_values(values)
    # until every column has had a first value there is nothing to fill with
    begin = int(values.notna().all(axis="columns").argmax())
    values, missing = values[begin:], missing[begin:]
    if values.isna().any(axis=None):
        raise ValueError(f"{table.path}: a column is empty throughout, expected some value in each of {[*values]}")
    filled = missing.any(axis="columns")
    counts = row_counts(
        len(table.texts),
        dropped=dropped | {"before_every_column_had_a_value": begin},
        added={"missing_steps": len(grid) - len(times)},
        noted={
            "out_of_order": int((times.rank() != np.arange(1, len(times) + 1)).sum()),
            "filled_values": int(missing.to_numpy().sum()),
            "filled_rows": int(filled.sum()),
        },
    )
    given = {name: column.to_numpy(np.float64) for name, column in values.items()}
    columns = given | _calendar(values.index[0], len(values)) | {"filled": filled.to_numpy(np.float64)}
    meta = series_meta(
        Path(options.file).name,
        signal=list(columns),
        target=options.target,
        units=("SI", options.target_unit),
        time_unit="3 h",
        md5=table.md5,
        counts=counts,
        correlations=correlations(given),
    )
    signal, target = (np.stack([columns[name] for name in names], axis=1) for names in (columns, options.target))
    known = ~missing[list(options.target)].any(axis="columns").to_numpy()
    return Recording(signal, target, None, meta, known=None if known.all() else known)


def _on_grid(table: TextTable, options: Options) -> tuple[pd.Series, dict[str, int]]:
    """Return the times of the station's rows, the first row of each step of three hours; and count the others."""
    stations, station = table.texts[options.station_column], options.station
    if not (own := stations == station).any():
        raise ValueError(f"{table.path}: no station {station!r}, it has {', '.join(sorted(set(stations))[:10])}")
    times = table.times(options.time, "ISO8601", "a time such as 2024-11-04T10:00:00+01:00", lines=own)
    on_grid = times[times == times.dt.floor(STEP)]
    if on_grid.empty:
        raise ValueError(f"{table.path}: no row of station {station!r} at 0, 3, 6, ... h UTC")
    first = on_grid.drop_duplicates()
    return first, {
        "of_other_stations": len(stations) - len(times),
        "between_the_steps": len(times) - len(on_grid),
        "for_a_time_that_had_one_already": len(on_grid) - len(first),
    }


def fill_with_past_values(values: pd.DataFrame) -> pd.DataFrame:
    """Give each NaN the last value above it in its column; NaN stays where there is none."""
    return values.ffill()


def _calendar(start: pd.Timestamp, rows: int) -> dict[str, Array]:
    """Return hour of the day and day of the year as points on a circle, each (rows,)."""
    days = np.arange(rows) / SEASON
    hour = 2 * np.pi * (days + start.hour / 24)
    first = (start - pd.Timestamp(start.year, 1, 1, tz="UTC")) / DAY
    day = 2 * np.pi * (days + first) / YEAR
    return {"hour_sin": np.sin(hour), "hour_cos": np.cos(hour), "day_sin": np.sin(day), "day_cos": np.cos(day)}
