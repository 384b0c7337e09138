"""Weather: a regular grid, holes filled with the past only, angles on a circle."""

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
from small_data import FILE, SYNOP, WEATHER, weather, write

from recurrent.sources import synop
from recurrent.sources._contract import get_source, row_counts


def load(folder, rows, header=SYNOP, **options):
    write(folder / "own.csv", header, rows, ";")
    return synop.read(synop.Options(**FILE, **WEATHER | options), folder)


def column(recording, name):
    return recording.signal[:, recording.meta.signal.index(name)]


def set_value(row, name, value):
    label = WEATHER["direction"] if name == "direction" else WEATHER["columns"][name]
    row[SYNOP.index(label)] = value


def test_values_in_order_under_their_names(tmp_path):
    rows = weather()
    recording = load(tmp_path, rows[::-1])
    for name, label in WEATHER["columns"].items():
        assert column(recording, name).tolist() == [row[SYNOP.index(label)] for row in rows]
    assert (recording.target[:, 0] == column(recording, "temperature")).all()
    assert not column(recording, "filled").any()
    assert recording.meta.counts.noted == {"out_of_order": 40}
    assert load(tmp_path, rows).meta.counts == row_counts(40)


def test_holes_and_missing_steps_are_filled_from_the_past_and_flagged(tmp_path):
    rows = weather()
    set_value(rows[5], "temperature", "")
    set_value(rows[9], "direction", "")
    recording = load(tmp_path, [row for i, row in enumerate(rows) if i not in (20, 21)])
    temperature = column(recording, "temperature")
    assert len(recording.signal) == 40
    assert temperature[5] == temperature[4] == rows[4][2] and temperature[6] == rows[6][2]
    assert (recording.signal[20, :8] == recording.signal[19, :8]).all()
    assert (recording.signal[21, :8] == recording.signal[19, :8]).all()
    assert column(recording, "wind_sin")[9] == column(recording, "wind_sin")[8]
    assert np.flatnonzero(column(recording, "filled")).tolist() == [5, 9, 20, 21]
    expected = row_counts(38, added={"missing_steps": 2}, noted={"filled_values": 1 + 2 + 2 * 8, "filled_rows": 4})
    assert recording.meta.counts == expected
    assert np.flatnonzero(~recording.known).tolist() == [5, 20, 21]  # a direction is no temperature


def test_rows_before_the_first_value_are_left_out(tmp_path):
    rows = weather()
    for row in rows[:3]:
        set_value(row, "wind_speed", "")
    recording = load(tmp_path, rows)
    assert len(recording.signal) == 37 and recording.target[0, 0] == rows[3][2]
    assert column(recording, "hour_sin")[0] == pytest.approx(np.sin(2 * np.pi * 9 / 24))
    assert recording.meta.counts == row_counts(40, dropped={"before_every_column_had_a_value": 3})
    for row in rows:
        set_value(row, "wind_speed", "")
    with pytest.raises(ValueError, match=r"own.csv: a column is empty throughout"):
        load(tmp_path, rows)


def test_fill_with_past_values_by_hand():
    nan = np.nan
    filled = synop.fill_with_past_values(pd.DataFrame([[nan, 1], [2, nan], [nan, nan], [3, 4]])).to_numpy()
    np.testing.assert_array_equal(filled, [[nan, 1], [2, 1], [2, 1], [3, 4]])


def test_directions_are_neighbours_across_north_and_a_calm_has_none(tmp_path):
    rows = weather()
    for row, degrees in zip(rows, (360, 10, 90, 0), strict=False):
        set_value(row, "direction", degrees)
    set_value(rows[3], "wind_speed", 0)
    recording = load(tmp_path, rows)
    wind = np.stack([column(recording, "wind_sin"), column(recording, "wind_cos")], axis=1)
    np.testing.assert_allclose(wind[:4], [[0, 1], [np.sin(np.pi / 18), np.cos(np.pi / 18)], [1, 0], [0, 0]], atol=1e-12)


def test_the_calendar_is_that_of_utc(tmp_path):
    recording = load(tmp_path, weather())  # from 2024-03-01 00:00 UTC, day 60 of a leap year
    day, hour = 2 * np.pi * (60 + np.arange(40) / 8) / 365.25, 2 * np.pi * np.arange(40) / 8
    for name, angle in (("day", day), ("hour", hour)):
        np.testing.assert_allclose(column(recording, f"{name}_sin"), np.sin(angle), atol=1e-9)
        np.testing.assert_allclose(column(recording, f"{name}_cos"), np.cos(angle), atol=1e-9)


def test_other_stations_repeated_times_and_times_off_the_grid_are_left_out_and_counted(tmp_path):
    rows = weather()
    late = [rows[-1][0], rows[-1][1].replace(":00:00+", ":30:00+"), *rows[-1][2:]]
    recording = load(tmp_path, [*rows, *weather(station="07005"), [*rows[7][:2], *rows[8][2:]], late])
    assert recording.signal.tobytes() == load(tmp_path, rows).signal.tobytes()
    dropped = {"of_other_stations": 40, "between_the_steps": 1, "for_a_time_that_had_one_already": 1}
    assert recording.meta.counts == row_counts(82, dropped=dropped)


def test_the_columns_of_another_country_under_names_of_your_own(tmp_path):
    rows = [[row[0], row[1], row[2], row[4]] for row in weather()]
    columns = {"columns": {"air": "TMP", "moist": "RH"}, "direction": None, "target": ("moist", "air")}
    header = ("STN", "UTC", "TMP", "RH")
    recording = load(tmp_path, rows, header, station_column="STN", time="UTC", target_unit="%, K", **columns)
    assert recording.meta.signal[:3] == ("air", "moist", "hour_sin") and recording.meta.target_columns == (1, 0)
    assert recording.target.tolist() == [[row[3], row[2]] for row in rows]
    source = {"name": "synop"} | FILE | WEATHER | {"target": ["snow"]}
    with pytest.raises(ValueError, match=r"source.target: found .*, expected: names among columns: temperature, dew"):
        get_source(source)


@pytest.mark.parametrize(
    "name, value, message",
    [
        ("temperature", "warm", "'Température' holds 'warm', expected a finite number or nothing, or NA"),
        ("date", "yesterday", "'Date' holds 'yesterday', expected a time such as"),
    ],
)
def test_what_cannot_be_read_is_named_by_line(name, value, message, tmp_path):
    rows = weather()
    rows[4][1 if name == "date" else 2] = value
    with pytest.raises(ValueError, match=f"own.csv:6: column {message}"):
        load(tmp_path, rows)


def test_a_time_without_a_zone_is_one_of_utc(tmp_path):
    rows = weather()
    naive = [[row[0], datetime.fromisoformat(row[1]).astimezone(UTC).isoformat()[:19], *row[2:]] for row in rows]
    assert load(tmp_path, naive).signal.tobytes() == load(tmp_path, rows).signal.tobytes()


def test_an_unknown_station_is_named_with_those_there_are(tmp_path):
    with pytest.raises(ValueError, match="no station '7690', it has 07690"):
        load(tmp_path, weather(), station="7690")


def test_correlations_are_those_of_numpy(tmp_path):
    recording = load(tmp_path, weather())
    names, values = recording.meta.correlations.names, recording.meta.correlations.values
    assert names == recording.meta.signal[:8]
    np.testing.assert_allclose(values, np.corrcoef(recording.signal[:, :8].T), atol=1e-12)
