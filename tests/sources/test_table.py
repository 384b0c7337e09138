"""Any table of columns: what it gives, and what it refuses, by line."""

import gzip
import hashlib

import numpy as np
import openpyxl
import pandas as pd
import pytest
from changed_files import CHANGES, altering
from small_data import TABLE, prices, write

from recurrent.sources import recording, table
from recurrent.sources._contract import get_source, row_counts
from recurrent.storage.meta import SeriesMeta, SourceMeta
from recurrent.storage.series import Series

HEADER = ("Date", "Close", "Volume")
OWN = {"signal": ("x",), "target": None, "time": None, "time_format": None}


def load(path, **options):
    return table.read(table.Options(**TABLE | {"file": (path.name,), "url": None} | options), path)


def own(folder, text, **options):
    (folder / "own.csv").write_text(text, encoding="utf-8")
    return load(folder / "own.csv", **OWN | options)


def test_columns_by_name_and_what_is_known_of_them(tmp_path):
    rows = prices()
    path = write(tmp_path / "own.csv", HEADER, rows)
    recording = load(path)
    assert recording.signal.tolist() == [row[1:] for row in rows]
    assert recording.target.tolist() == [[row[1]] for row in rows]
    meta = recording.meta
    assert (meta.signal, meta.target, meta.target_columns) == (("Close", "Volume"), ("Close",), (0,))
    assert meta.source == SourceMeta("own.csv", hashlib.md5(path.read_bytes()).hexdigest())
    assert load(path, signal=("Volume",)).meta.target_columns == (None,)


def test_without_a_target_the_signal_is_its_own(tmp_path):
    recording = load(write(tmp_path / "own.csv", HEADER, prices()), target=None)
    assert (recording.target == recording.signal).all()
    assert [*recording.meta.target] == ["Close", "Volume"] and [*recording.meta.target_columns] == [0, 1]


def test_rows_are_sorted_and_it_is_said(tmp_path):
    rows = prices()
    path = write(tmp_path / "own.csv", HEADER, [rows[1], rows[0], *rows[2:]])
    recording = load(path)
    assert recording.signal.tolist() == [row[1:] for row in rows]
    assert recording.meta.counts == row_counts(len(rows), noted={"out_of_order": 2})
    assert load(path, time=None).signal[0].tolist() == rows[1][1:]


def test_gaps_and_repeated_times_are_said(tmp_path):
    counts = own(tmp_path, "t,x\n1,1\n2,1\n2,5\n3,1\n7,1\n8,1\n", time="t").meta.counts
    noted = {"with_the_time_of_the_row_before": 1, "after_a_gap": 1, "longest_gap_in_usual_steps": 4.0}
    assert counts == row_counts(6, noted=noted)


def test_time_zones_count(tmp_path):
    text = "t,x\n2024-10-27T02:30+0200,1\n2024-10-27T02:10+0100,3\n2024-10-27T02:50+0200,2\n"
    assert own(tmp_path, text, time="t", time_format="%Y-%m-%dT%H:%M%z").signal.tolist() == [[1], [2], [3]]


def test_a_time_without_the_zone_of_its_format_and_a_word_are_refused(tmp_path):
    text = "t,x\n2024-10-27T02:30,1\n2024-10-27T03:10+0100,0\n"
    with pytest.raises(ValueError, match="own.csv:2: column 't' holds '2024-10-27T02:30', expected a time like"):
        own(tmp_path, text, time="t", time_format="%Y-%m-%dT%H:%M%z")
    for word in ("now", "today", "nan", "NaT", ""):  # pandas has a meaning for each
        with pytest.raises(ValueError, match=f"own.csv:3: column 't' holds '{word}', expected a time like %Y"):
            own(tmp_path, f"t,x\n2024,1\n{word},2\n", time="t", time_format="%Y")


def test_groups_lie_together_each_in_its_own_order(tmp_path):
    recording = own(tmp_path, "who,t,x\nb,4,10\na,1,20\nb,3,11\na,2,21\n", group="who", time="t")
    assert recording.signal[:, 0].tolist() == [11, 10, 20, 21]
    assert recording.group.tolist() == [0, 0, 1, 1] and [*recording.meta.groups] == ["b", "a"]


def test_packed_or_a_workbook_gives_the_same(tmp_path):
    rows = prices()
    plain = write(tmp_path / "own.csv", HEADER, rows)
    (tmp_path / "own.csv.gz").write_bytes(gzip.compress(plain.read_bytes()))
    book = openpyxl.Workbook()
    for row in (HEADER, *rows):
        book.active.append(row)
    book.save(tmp_path / "own.xlsx")
    for name in ("own.csv.gz", "own.xlsx"):
        assert load(tmp_path / name).signal.tobytes() == load(plain).signal.tobytes()


@pytest.mark.parametrize("change", CHANGES)
def test_a_workbook_that_changes_while_it_is_read_is_refused(tmp_path, monkeypatch, change):
    book = openpyxl.Workbook()
    for row in (("x",), (1,), (2,)):
        book.active.append(row)
    book.save(tmp_path / "own.xlsx")
    alter, message = CHANGES[change]
    altering(monkeypatch, pd, "read_excel", tmp_path / "own.xlsx", alter)
    with pytest.raises(ValueError, match=f"own.xlsx: {message}"):
        load(tmp_path / "own.xlsx", **OWN)


def test_an_error_of_excel_is_no_hole(tmp_path):
    book = openpyxl.Workbook()
    for row in (("who", "x"), ("a", 1), ("a", 2), (None, None), ("a", "#DIV/0!")):
        book.active.append(row)
    book.save(tmp_path / "own.xlsx")
    with pytest.raises(ValueError, match="own.xlsx:5: column 'x' holds '#ERROR', expected a finite number"):
        load(tmp_path / "own.xlsx", **OWN)


def test_failures_of_a_countdown(tmp_path):
    text = "x,t\n1,0.2\n1,0.1\n1,0.9\n1,0.0\n1,0.7\n"
    meta = own(tmp_path, text, target=("t",), failure_threshold=0.1).meta
    assert meta.failures == (2, 4) and meta.countdown
    assert own(tmp_path, text, target=("t",)).meta.countdown is False
    with pytest.raises(ValueError, match=r"own.csv:4: column 't' holds '0.9', expected .* at most 0.05 .*0.1 before"):
        own(tmp_path, text, target=("t",), failure_threshold=0.05)
    with pytest.raises(ValueError, match=r"own.csv:2: column 't' holds '-1', expected a time of at least 0"):
        own(tmp_path, "x,t\n1,-1\n", target=("t",), failure_threshold=0.05)
    with pytest.raises(ValueError, match="source.failure_threshold: .* no group"):
        own(tmp_path, text, target=("t",), failure_threshold=0.1, group="x")


def test_rows_after_the_last_failure_are_left_out_where_their_countdown_is_none(tmp_path):
    text = "x,t\n1,0.2\n2,0.1\n3,0.9\n4,0.0\n5,0.7\n6,0.6\n"
    usual = own(tmp_path, text, target=("t",), failure_threshold=0.1)
    kept = own(tmp_path, text, target=("t",), failure_threshold=0.1, last_cycle="drop")
    assert usual.signal[:, 0].tolist() == [1, 2, 3, 4, 5, 6] and usual.meta.failures == (2, 4)
    assert kept.signal[:, 0].tolist() == [1, 2, 3, 4] and kept.target[:, 0].tolist() == [0.2, 0.1, 0.9, 0.0]
    assert kept.meta.failures == (2,) and usual.meta.counts == row_counts(6)
    assert kept.meta.counts == row_counts(6, dropped={"after_the_last_failure": 2})
    with pytest.raises(ValueError, match="last_cycle is drop, but the target has no failure"):
        own(tmp_path, "x,t\n1,0.2\n2,0.1\n", target=("t",), failure_threshold=0.1, last_cycle="drop")


@pytest.mark.parametrize("last_cycle", ["keep", "drop"])
def test_a_long_recording_leaves_out_what_a_table_does(tmp_path, last_cycle):
    text = "x,t\n1,0.2\n40000,0.1\n3,0.9\n4,0.0\n5,0.7\n6,0.6\n"
    own(tmp_path, text, target=("t",), failure_threshold=0.1, last_cycle=last_cycle).write(tmp_path / "table")
    options = {"signal": ("x",), "target": "t", "signal_unit": "1", "target_unit": "1", "failure_threshold": 0.1}
    long = recording.read(recording.Options(**options, last_cycle=last_cycle), tmp_path / "own.csv")
    long.write(tmp_path / "long")
    both = [Series.open(tmp_path / folder, SeriesMeta) for folder in ("table", "long")]
    for name in ("signal", "target"):
        assert getattr(both[0], name).tolist() == getattr(both[1], name).tolist()
    assert both[0].meta.failures == both[1].meta.failures
    assert ("after the last failure" in long.summary()) == (last_cycle == "drop")


def test_a_failure_is_found_where_the_sorted_rows_rise(tmp_path):
    text = "x,t,at\n1,0.9,3\n1,0.1,2\n1,0.2,1\n"
    assert own(tmp_path, text, target=("t",), time="at", failure_threshold=0.1).meta.failures == (2,)
    with pytest.raises(ValueError, match="own.csv:2: column 't' holds '0.9'"):
        own(tmp_path, text, target=("t",), time="at", failure_threshold=0.0)


BAD = {
    "hole": ("x\n1\n\n2\n", ":3: an empty line"),
    "empty field": ("x,y\n1,1\n,1\n", ":3: column 'x' holds '', expected a finite number"),
    "word": ("x\n1\nabc\n", ":3: column 'x' holds 'abc', expected a finite number"),
    "nan": ("x\nnan\n", ":2: column 'x' holds 'nan'"),
    "infinity": ("x\n1\n2\ninf\n", ":4: column 'x' holds 'inf'"),
    "too large": ("x\n1e999\n", ":2: column 'x' holds '1e999'"),
    "underscore": ("x\n1_000\n", ":2: column 'x' holds '1_000'"),
    "fields": ("x,y\n1,2\n1,2,3\n", ":3: 3 fields, .* expected 2"),
    "name": ("z,X1\n1,2\n", ":1: no column 'x', found"),
    "numbers for names": ("1,2\n3,4\n", ":1: no header but numbers"),
    "after a quoted line end": ('x,y\n1,"a\nb"\nz,c\n', ":4: column 'x' holds 'z'"),
    "quote": ('x,y\n1,"a"b\n', ":2: .*expected quotes"),
    "empty": ("", ": an empty file"),
    "header only": ("\nx\n", ": a header without rows"),
    "late header": ("\n\nx\n?\n", ":4: column 'x'"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_read_is_named_by_line(case, tmp_path):
    text, message = BAD[case]
    with pytest.raises(ValueError, match=f"own.csv{message}"):
        own(tmp_path, text)


def test_the_nearest_name_is_offered(tmp_path):
    with pytest.raises(ValueError, match="no column 'close', .* did you mean 'Close'?"):
        load(write(tmp_path / "own.csv", HEADER, prices()), signal=("close",))


TIME = {"time": "t", "time_format": "%Y"}, "'t' holds 'a', expected a time like %Y"
GROUP = {"group": "who"}, "'who' holds '', expected the name of a group"


@pytest.mark.parametrize("options, message", [TIME, GROUP])
def test_times_and_groups_are_named_by_line_too(options, message, tmp_path):
    with pytest.raises(ValueError, match=f"own.csv:3: column {message}"):
        own(tmp_path, "x,t,who\n1,2000,a\n1,a,\n", **options)


def test_other_encodings_files_and_folders_are_refused(tmp_path):
    (tmp_path / "own.csv").write_bytes(b"x,y\n1,2\n1,\xe9\n")
    with pytest.raises(ValueError, match=r"own.csv:3: b'\\xe9', expected UTF-8"):
        load(tmp_path / "own.csv", **OWN)
    (tmp_path / "own.xlsx").write_bytes(b"x")
    with pytest.raises(ValueError, match=r"own.xlsx: not a workbook"):
        load(tmp_path / "own.xlsx", **OWN)
    with pytest.raises(ValueError, match=r"none.csv: No such file"):
        load(tmp_path / "none.csv", **OWN)


def test_a_hole_in_a_column_that_is_not_used_does_not_matter(tmp_path):
    assert np.array_equal(own(tmp_path, "y,x\n,1\n?,2\n").signal, [[1], [2]])


HOLES = "t,x,y\n0,,5\n1,1,5\n2,NA,6\n3,,7\n4,4,\n5,5,8\n"


def test_holes_are_filled_with_the_last_value_where_that_is_asked_for(tmp_path):
    recording = own(tmp_path, HOLES, signal=("x", "y"), target=("x",), time="t", holes="last")
    assert recording.meta.signal == ("x", "y", "filled") and recording.meta.target_columns == (0,)
    assert recording.signal.tolist() == [[1, 5, 0], [1, 6, 1], [1, 7, 1], [4, 7, 1], [5, 8, 0]]
    assert recording.target[:, 0].tolist() == [1, 1, 1, 4, 5]
    assert recording.known.tolist() == [True, False, False, True, True]
    noted = {"filled_values": 3, "filled_rows": 3}
    expected = row_counts(6, dropped={"before_every_column_had_a_value": 1}, noted=noted)
    assert recording.meta.counts == expected and recording.meta.counts.kept == 5
    whole = own(tmp_path, "x\n1\n2\n", holes="last")
    assert whole.signal.tolist() == [[1, 0], [2, 0]] and whole.known is None


@pytest.mark.parametrize(("hole", "line"), [("", 3), ("NA", 3), ("nan", 3)])
def test_a_hole_stops_where_nothing_else_is_asked_for(tmp_path, hole, line):
    text = f"x,y\n1,1\n{hole},2\n"
    with pytest.raises(ValueError, match=f"own.csv:{line}: column 'x' holds '{hole}', expected a finite number$"):
        own(tmp_path, text)
    if hole == "nan":
        with pytest.raises(ValueError, match="own.csv:3: .* 'nan', expected a finite number or nothing, or NA"):
            own(tmp_path, text, holes="last")


def test_no_hole_is_filled_from_another_group_or_from_later(tmp_path):
    text = "who,t,x\na,1,10\nb,2,\nb,3,20\na,2,\nb,4,NA\na,3,11\n"
    recording = own(tmp_path, text, group="who", time="t", holes="last")
    assert recording.signal[:, 0].tolist() == [10, 10, 11, 20, 20] and recording.group.tolist() == [0, 0, 0, 1, 1]
    assert recording.meta.counts.dropped == {"before_every_column_had_a_value": 1}
    with pytest.raises(ValueError, match="own.csv: no row with a value before it, or in it, of each of .'x'"):
        own(tmp_path, "x,y\n,1\nNA,2\n", holes="last")


def files(folder, **texts):
    for name, text in texts.items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    return {"file": tuple(f"{name}.csv" for name in texts), "url": None}


def test_files_one_below_the_other(tmp_path):
    given = files(tmp_path, late="x,t\n3,30\n4,40\n", early="t,x\n10,1\n20,2\n")
    recording = table.read(table.Options(**TABLE | OWN | given | {"join": "rows", "time": "t"}), tmp_path)
    assert recording.signal[:, 0].tolist() == [1, 2, 3, 4]
    assert recording.meta.counts == row_counts(4, noted={"out_of_order": 4})
    assert recording.meta.source.name == "late.csv, early.csv" and len(recording.meta.source.md5) == 65
    given = files(tmp_path, late="x,t\n3,30\n", early="t,x\n10,1\n20,two\n")
    with pytest.raises(ValueError, match="early.csv:3: column 'x' holds 'two', expected a finite number"):
        table.read(table.Options(**TABLE | OWN | given | {"join": "rows"}), tmp_path)


def test_files_side_by_side_where_their_keys_are_equal(tmp_path):
    given = files(tmp_path, load="hour,load\n1,10\n2,20\n3,30\n4,40\n", air="air;hour\n0.4;4\n0.5;5\n0.2;2\n0.3;3\n")
    options = TABLE | OWN | given | {"join": "hour", "signal": ("load", "air"), "target": ("load",)}
    for time in (None, "hour"):
        recording = table.read(table.Options(**options | {"time": time}), tmp_path)
        assert recording.signal.tolist() == [[20, 0.2], [30, 0.3], [40, 0.4]]
        assert recording.meta.counts.kept == 3
        assert recording.meta.counts == row_counts(
            4, dropped={"not_in_every_file": 1}, noted={"not_joined_of_air.csv": 1}
        )


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ("hour,air\n2,1\n2,2\n", "air.csv:3: column 'hour' holds '2', expected each key once in a file"),
        ("hour,air\n7,1\n8,2\n", "no value of column 'hour' is in all of .*load.csv, .*air.csv, expected one at least"),
        ("hour,wind\n1,1\n", "column 'air' is in none of .*load.csv, .*air.csv, expected in one of the files"),
        ("hour,air,load\n1,1,1\n", "column 'load' is in .*load.csv and in .*air.csv, expected in one of the files"),
        ("time,air\n1,1\n", "air.csv:1: no column 'hour'"),
        ("hour,air\n1,cold\n", "air.csv:2: column 'air' holds 'cold', expected a finite number"),
    ],
)
def test_files_that_do_not_join_are_refused(tmp_path, second, message):
    given = files(tmp_path, load="hour,load\n1,10\n2,20\n", air=second)
    options = TABLE | OWN | given | {"join": "hour", "signal": ("load", "air")}
    with pytest.raises(ValueError, match=message):
        table.read(table.Options(**options), tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"join": "rows"}, "source.join: found 'rows', expected: null for one file"),
        (
            {"file": ["a.csv", "b.csv"], "url": None},
            "source.join: found None, expected: null for one file; for several",
        ),
        (
            {"file": ["a.csv", "b.csv"], "join": "rows"},
            "source.url: found .*, expected: null, or one for each of 2 files",
        ),
        (
            {"signal": ["filled"], "holes": "last"},
            "source.holes: found 'last', expected: stop, as last adds a column filled",
        ),
        ({"file": "a/b.csv"}, "source.file: found 'a/b.csv'"),
    ],
)
def test_options_that_do_not_fit_each_other_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        get_source({"name": "table"} | TABLE | changes)


def test_every_file_is_fetched():
    many = {"file": ("a.csv", "b.csv"), "url": ("https://x.org/a", "https://x.org/b"), "join": "rows"}
    found = table.files(table.Options(**TABLE | many))
    assert [(file.name, file.url) for file in found] == [("a.csv", "https://x.org/a"), ("b.csv", "https://x.org/b")]
    assert table.files(table.Options(**TABLE | {"url": None})) == ()
