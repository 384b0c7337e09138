"""Weather of one French station every three hours: the CSV of the open SYNOP archive (since 2010).

Météo-France, "Données SYNOP essentielles OMM", Licence Ouverte of Etalab (it wants the source named), as exported by
public.opendatasoft.com, data set donnees-synop-essentielles-omm, with French labels. The archive grows: a checksum is
that of one extract; set it to null to take what the address gives today, which is then another recording.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from recurrent.config.fields import Name
from recurrent.ingest.download import File
from recurrent.ingest.text_table import TextTable, read_table
from recurrent.sources._contract import RawFile, correlations, series_meta
from recurrent.storage.npy import Array
from recurrent.storage.series import Recording

STATION, DATE = "ID OMM station", "Date"
DAY, STEP = pd.Timedelta(days=1), pd.Timedelta(hours=3)
SEASON = DAY // STEP
YEAR = 365.25  # days
# Numbers with hardly a hole. Codes of clouds and weather are no numbers, whatever they look like. Rain and cloud cover
# have most of the holes, and ridge regression on 16 steps was better on validation without them.
MEASURED = {
    "temperature": "Température",
    "dew_point": "Point de rosée",
    "humidity": "Humidité",
    "pressure": "Pression station",
    "pressure_tendency": "Variation de pression en 3 heures",
    "wind_speed": "Vitesse du vent moyen 10 mn",
}
DIRECTION = "Direction du vent moyen 10 mn"


@dataclass(frozen=True)
class Options(RawFile):
    """Keys of the source; `station` as the file has it, such as "07690" for Nice."""

    station: Name


def files(options: Options) -> tuple[File, ...]:
    """Name the file to download."""
    return options.files()


def read(options: Options, raw: Path) -> Recording:
    """Read the station: signal (n, 13) on a regular grid of three hours, target = temperature (n, 1) in kelvin.

    Wind comes as sine and cosine of its direction, 360 and 10 degrees being neighbours; a calm has neither. Hour of the
    day and day of the year (UTC) come as sines and cosines, too. `filled` is 1 where a value of the row was missing.
    """
    table = read_table(options.path(raw), [STATION, DATE, *MEASURED.values(), DIRECTION])
    measured = pd.DataFrame({name: table.numbers(label, holes=True) for name, label in MEASURED.items()})
    angle, calm = np.radians(table.numbers(DIRECTION, holes=True)), measured["wind_speed"] == 0
    measured["wind_sin"], measured["wind_cos"] = np.sin(angle).mask(calm, 0.0), np.cos(angle).mask(calm, 0.0)
    times, notes = _on_grid(table, options.station)
    grid = pd.date_range(times.min(), times.max(), freq=STEP)
    values = measured.loc[times.index].set_axis(times, axis="index").reindex(grid)
    missing, values = values.isna(), fill_with_past_values(values)
    # until every column has had a first value there is nothing to fill with
    begin = int(values.notna().all(axis="columns").argmax())
    values, missing = values[begin:], missing[begin:]
    if values.isna().any(axis=None):
        raise ValueError(f"{table.path}: a column is empty throughout, expected some value in each of {[*values]}")
    filled = missing.any(axis="columns")
    notes += [f"{missing.to_numpy().sum()} values in {filled.sum()} rows filled with the last ones known"]
    notes += [f"{begin} first rows left out, before every column had a value"] if begin else []
    known = {name: column.to_numpy(np.float64) for name, column in values.items()}
    columns = known | _calendar(values.index[0], len(values)) | {"filled": filled.to_numpy(np.float64)}
    meta = series_meta(
        Path(options.file).name,
        signal=list(columns),
        target=["temperature"],
        units=("SI", "K"),
        time_unit="3 h",
        md5=table.md5,
        notes=notes,
        correlations=correlations(known),
    )
    return Recording(np.stack(list(columns.values()), axis=1), columns["temperature"][:, None], None, meta)


def _on_grid(table: TextTable, station: str) -> tuple[pd.Series, list[str]]:
    """Return the times of the station's rows, the first row of each step of three hours; and notes on the others."""
    stations = table.texts[STATION]
    if not (own := stations == station).any():
        raise ValueError(f"{table.path}: no station {station!r}, it has {', '.join(sorted(set(stations))[:10])}")
    times = table.times(DATE, "ISO8601", "a time such as 2024-11-04T10:00:00+01:00", lines=own)
    on_grid = times[times == times.dt.floor(STEP)]
    if on_grid.empty:
        raise ValueError(f"{table.path}: no row of station {station!r} at 0, 3, 6, ... h UTC")
    first = on_grid.drop_duplicates()
    steps = (first.max() - first.min()) // STEP + 1
    in_order = first.is_monotonic_increasing
    return first, [
        "the rows were in order" if in_order else "the rows were out of order, sorted by time",
        f"{len(on_grid) - len(first)} rows for a time that had one already, left out",
        f"{len(times) - len(on_grid)} rows between the steps of 3 h, left out",
        f"{steps - len(first)} of {steps} steps missing",
    ]


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
