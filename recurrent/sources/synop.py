"""Weather of one French station every three hours: the CSV of the open SYNOP archive (since 2010).

Météo-France, "Données SYNOP essentielles OMM", Licence Ouverte of Etalab (it wants the source named), as exported by
public.opendatasoft.com, data set donnees-synop-essentielles-omm, with French labels. The archive grows: a checksum is
that of one extract; set it to null to take what the address gives today, which is then another recording.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from recurrent.config.schema import Name
from recurrent.ingest.download import File
from recurrent.ingest.text_table import Columns, read_columns
from recurrent.sources._contract import RawFile, correlations, series_meta
from recurrent.storage.series import Array, Recording

STATION, DATE = "ID OMM station", "Date"
STEP = timedelta(hours=3)
SEASON = timedelta(days=1) // STEP
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
    table = read_columns(options.path(raw), [STATION, DATE, *MEASURED.values(), DIRECTION])
    step, start, notes = _grid(table, options.station)
    known = {name: table.numbers(label, holes=True) for name, label in MEASURED.items()}
    angle, calm = np.radians(table.numbers(DIRECTION, holes=True)), known["wind_speed"] == 0
    known |= {"wind_sin": np.where(calm, 0.0, np.sin(angle)), "wind_cos": np.where(calm, 0.0, np.cos(angle))}
    values = np.full((max(step) + 1, len(known)), np.nan)
    rows = list(step.values())
    values[list(step)] = np.stack([column[rows] for column in known.values()], axis=1)
    missing = np.isnan(values)
    values = fill_with_past_values(values)
    # until every column has had a first value there is nothing to fill with
    begin = int(np.isfinite(values).all(axis=1).argmax())
    if not np.isfinite(values[begin:]).all():
        raise ValueError(f"{table.path}: a column is empty throughout, expected some value in each of {list(known)}")
    values, missing = values[begin:], missing[begin:]
    filled = missing.any(axis=1)
    notes += [f"{missing.sum()} values in {filled.sum()} rows filled with the last ones known"]
    notes += [f"{begin} first rows left out, before every column had a value"] if begin else []
    columns = dict(zip(known, values.T, strict=True))
    columns |= _calendar(start + begin * STEP, len(values)) | {"filled": filled.astype(np.float64)}
    meta = series_meta(
        Path(options.file).name,
        signal=list(columns),
        target=["temperature"],
        observed=[list(columns).index("temperature")],
        units=("SI", "K"),
        time_unit="3 h",
        md5=table.md5,
        notes=notes,
        season=SEASON,
        correlations=correlations({name: columns[name] for name in known}),
    )
    return Recording(np.stack(list(columns.values()), axis=1), columns["temperature"][:, None], None, meta)


def _grid(table: Columns, station: str) -> tuple[dict[int, int], datetime, list[str]]:
    """The row of each step of three hours since the first (later steps may be missing), that first time, and notes."""
    times = {row: _time(table, row) for row, text in enumerate(table.texts[STATION]) if text == station}
    if not times:
        found = sorted(set(table.texts[STATION]))[:10]
        raise ValueError(f"{table.path}: no station {station!r}, it has {', '.join(found)}")
    on_grid = {row: time for row, time in times.items() if not (time - datetime(1970, 1, 1, tzinfo=UTC)) % STEP}
    if not on_grid:
        raise ValueError(f"{table.path}: no row of station {station!r} at 0, 3, 6, ... h UTC")
    start = min(on_grid.values())
    steps = dict[int, int]()
    for row, time in on_grid.items():
        steps.setdefault((time - start) // STEP, row)
    in_order = list(steps) == sorted(steps)
    gaps = max(steps) + 1 - len(steps)
    notes = [
        "the rows were in order" if in_order else "the rows were out of order, sorted by time",
        f"{len(on_grid) - len(steps)} rows for a time that had one already, left out",
        f"{len(times) - len(on_grid)} rows between the steps of 3 h, left out",
        f"{gaps} of {max(steps) + 1} steps missing",
    ]
    return steps, start, notes


def _time(table: Columns, row: int) -> datetime:
    try:
        return datetime.fromisoformat(table.texts[DATE][row]).astimezone(UTC)
    except ValueError:
        raise table.error(row, DATE, "a time such as 2024-11-04T10:00:00+01:00") from None


def fill_with_past_values(values: Array) -> Array:
    """Give each NaN of `values` (n, D) the last value above it in its column; NaN stays where there is none."""
    rows = np.where(np.isnan(values), 0, np.arange(len(values))[:, None])
    return np.take_along_axis(values, np.maximum.accumulate(rows, axis=0), axis=0)


def _calendar(start: datetime, rows: int) -> dict[str, Array]:
    """Hour of the day and day of the year as points on a circle, each (rows,)."""
    days = np.arange(rows) / SEASON
    hour = 2 * np.pi * (days + start.hour / 24)
    first = (start - datetime(start.year, 1, 1, tzinfo=UTC)) / timedelta(days=1)
    day = 2 * np.pi * (days + first) / YEAR
    return {"hour_sin": np.sin(hour), "hour_cos": np.cos(hour), "day_sin": np.sin(day), "day_cos": np.cos(day)}
