"""What every source that gives a recording holds to: finite, deterministic, complete, and blind to the future."""

import json
from dataclasses import replace

import numpy as np
import pytest
import small_data as small
from small_data import FILE, REVIEWS, SMALL, TABLE, WEATHER, read_source

from recurrent.sources import synop, table
from recurrent.sources._contract import NAMES, get_source
from recurrent.storage.meta import SeriesMeta
from recurrent.storage.series import Recording, Series


def test_the_list_of_small_data_is_complete():
    assert set(SMALL) == set(NAMES)


@pytest.mark.parametrize("name", SMALL)
def test_a_recording_is_finite_and_says_what_it_is(name, tmp_path):
    recording = read_source(name, tmp_path)
    n, meta = len(recording.signal), recording.meta
    assert n > 20 and recording.signal.shape == (n, len(meta.signal))
    assert recording.target.shape == (n, len(meta.target))
    assert np.isfinite(recording.signal).all() and np.isfinite(recording.target).all()
    if name == "recording":  # its rows are samples, and the reader refuses what another source notes
        assert meta.source.columns
    else:
        assert meta.time_unit and meta.source.columns is None
    assert (meta.counts is None) == (SMALL[name][1] is None)  # a generated one reads no rows
    if meta.counts:
        assert meta.counts.kept == (n if meta.counts.unit == "rows" else len(np.unique(recording.group)))
    assert len(meta.source.md5) == (32 if SMALL[name][1] else 0)
    assert SeriesMeta.from_json(json.loads(json.dumps(meta.to_json(), allow_nan=False)), tmp_path) == meta


@pytest.mark.parametrize("name", SMALL)
def test_the_measured_column_is_the_target(name, tmp_path):
    recording = read_source(name, tmp_path)
    columns = recording.meta.target_columns
    assert columns == ((None,) if name == "imdb" else tuple(range(recording.target.shape[1])))
    if name == "grades":  # the same quantity in another semester, which is the last column of the file
        assert (recording.signal != recording.target).any()
        fifth = [row[4] for row in small.students()]
        assert recording.target.reshape(len(fifth), -1).T.tolist() == [fifth] * 4
    elif columns != (None,):
        assert recording.signal[:, [*columns]].tolist() == recording.target.tolist()


@pytest.mark.parametrize("name", SMALL)
def test_groups_lie_side_by_side_and_parts_follow_each_other(name, tmp_path):
    recording = read_source(name, tmp_path)
    if recording.group is not None:
        assert recording.group.shape == (len(recording.signal),)
        assert (np.diff(recording.group) >= 0).all()
    if parts := recording.meta.parts:
        rows = [parts[part] for part in ("train", "validation", "test")]
        assert [begin for begin, _ in rows] == [0, *(end for _, end in rows[:-1])]
        assert rows[-1][1] == len(recording.signal)
        assert all(recording.group[begin - 1] != recording.group[begin] for begin, _ in rows[1:])


@pytest.mark.parametrize("name", SMALL)
def test_the_same_twice_and_through_the_disk(name, tmp_path):
    first = read_source(name, tmp_path)
    np.random.seed(1)  # the state that must not matter
    again = read_source(name, tmp_path)
    assert first.meta == again.meta
    for recording in (first, again):
        recording.write(tmp_path / "series")
    series = Series.open(tmp_path / "series", SeriesMeta)
    assert first.signal.tobytes() == again.signal.tobytes() and (series.signal == first.signal).all()
    assert first.target.tobytes() == again.target.tobytes() and (series.target == first.target).all()
    assert series.group is None if first.group is None else (series.group == first.group).all()
    assert series.meta == first.meta


def test_whole_numbers_stay_whole(tmp_path):
    rows = [(i, 2 * i) for i in range(5)]
    small.write(tmp_path / "own.csv", ("a", "b"), rows)
    options = table.Options(**TABLE | {"signal": ("a",), "target": ("b",), "time": None})
    recording = table.read(options, tmp_path)
    assert recording.signal.dtype == recording.target.dtype == np.int64


PAST = 25  # rows that must not notice what comes after


@pytest.mark.parametrize("name", ["sine", "noisy_sine", "trajectory"])
def test_a_longer_series_begins_like_a_shorter_one(name, tmp_path):
    options = SMALL[name][0]
    short, long = read_source(name, tmp_path), read_source(name, tmp_path, replace(options, rows=options.rows + 50))
    n = options.rows
    assert short.signal[:n].tobytes() == long.signal[:n].tobytes()


@pytest.mark.parametrize(
    "name, header, rows, delimiter",
    [("table", ("Date", "Close", "Volume"), small.prices, ","), ("synop", small.SYNOP, small.weather, ";")],
)
def test_the_future_changes_no_row_of_the_past(name, header, rows, delimiter, tmp_path):
    for folder in ("first", "other"):
        (tmp_path / folder / "raw").mkdir(parents=True)
    rows = rows()
    for row in (3, 4, PAST + 5):
        if name == "synop":
            rows[row][2:5] = ["", "", ""]  # holes, filled with what?
    small.write(tmp_path / "first" / "raw" / "own.csv", header, rows, delimiter)
    changed = [row if i < PAST else [*row[:2], *(999 for _ in row[2:])] for i, row in enumerate(rows)]
    small.write(tmp_path / "other" / "raw" / "own.csv", header, changed[::-1], delimiter)
    first, other = (read_source(name, tmp_path / folder) for folder in ("first", "other"))
    assert first.signal[:PAST].tobytes() == other.signal[:PAST].tobytes()
    assert first.target[:PAST].tobytes() == other.target[:PAST].tobytes()
    assert (first.signal[PAST:] != other.signal[PAST:]).any()


def test_a_student_changes_no_other_student(tmp_path):
    rows = small.students()
    (tmp_path / "raw").mkdir()
    small.write(tmp_path / "raw" / "own.csv", small.GRADES, rows)
    first = read_source("grades", tmp_path)
    rows[-1][:5] = [1.0] * 5
    small.write(tmp_path / "raw" / "own.csv", small.GRADES, rows)
    assert first.signal[:-4].tobytes() == read_source("grades", tmp_path).signal[:-4].tobytes()


def test_the_test_part_changes_neither_vocabulary_nor_train(tmp_path):
    for folder in ("first", "other"):
        (tmp_path / folder / "raw").mkdir(parents=True)
    small.write_reviews_table(tmp_path / "first" / "raw", small.reviews())
    words = "many new words " * 50
    small.write_reviews_table(
        tmp_path / "other" / "raw", [(p, *r, t + words * (p == "test")) for p, *r, t in small.reviews()]
    )
    first, other = (
        read_source("imdb", tmp_path / folder, replace(REVIEWS, words=1000)) for folder in ("first", "other")
    )
    begin = first.meta.parts["test"][0]
    assert first.meta.vocabulary == other.meta.vocabulary and other.meta.parts["test"][0] == begin
    assert first.signal[:begin].tobytes() == other.signal[:begin].tobytes()
    assert len(first.signal) < len(other.signal)


def test_get_source_takes_the_module_and_checks_its_options():
    module, options = get_source({"name": "synop", **FILE, **WEATHER})
    assert module is synop and options == SMALL["synop"][0]
    assert [file.name for file in module.files(options)] == ["own.csv"]
    assert module.files(replace(options, url=None)) == ()


@pytest.mark.parametrize(
    "source, message",
    [
        ({"rows": 5}, r"source.name: found None, expected one of grades, imdb,"),
        ({"name": "csv_file"}, r"source.name: found 'csv_file', expected one of"),
        ({"name": "sine"}, r"^source.rows: missing$"),
        ({"name": "sine", "rows": 5, "row": 5}, r"source.row: unknown key; the nearest known key is source.rows"),
        ({"name": "sine", "rows": "5"}, r"source.rows: found '5', expected: a valid integer"),
        ({"name": "sine", "rows": 0}, r"source.rows: found 0, expected: greater than or equal to 1"),
        ({"name": "sine", "rows": 10**19}, r"source.rows: found 10000000000000000000, expected: less than or equal to"),
        ({"name": "grades", **FILE, "checksum": "abc"}, r"source.checksum: found 'abc'"),
        *(
            ({"name": "grades", **FILE, "file": name}, r"source.file: found .*a file, without a folder")
            for name in ("/tmp/x.csv", "../x.csv", "a/b.csv", "..", "", "a\\b.csv", "a\0b")
        ),
    ],
)
def test_get_source_names_the_key_that_is_wrong(source, message):
    with pytest.raises(ValueError, match=message):
        get_source(source)


def test_a_recording_that_is_not_finite_is_not_written(tmp_path):
    column = np.array([[1.0], [np.nan]])
    with pytest.raises(ValueError, match="row 1 holds"):
        Recording(column, column, None, {}).write(tmp_path / "series")
    assert list(tmp_path.iterdir()) == []
