"""Grades: whole students only, however their files spell things."""

import openpyxl
import pandas as pd
import pytest
from small_data import FILE, GRADES, students, write

from recurrent.sources import grades
from recurrent.sources._contract import row_counts


def load(folder, rows, header=GRADES):
    write(folder / "own.csv", header, rows)
    return grades.read(grades.Options(**FILE), folder)


def test_four_rows_a_student_and_the_fifth_semester_in_each(tmp_path):
    rows = students()
    recording = load(tmp_path, rows)
    assert recording.signal.reshape(12, 4).tolist() == [row[:4] for row in rows]
    assert recording.target.reshape(12, 4).tolist() == [[row[4]] * 4 for row in rows]
    assert recording.group.tolist() == [i for i in range(12) for _ in range(4)]


def test_a_student_with_a_hole_is_left_out_and_counted(tmp_path):
    rows = students()
    rows[2][1] = rows[5][4] = ""
    recording = load(tmp_path, rows)
    kept = [row for i, row in enumerate(rows) if i not in (2, 5)]
    assert recording.signal.reshape(10, 4).tolist() == [row[:4] for row in kept]
    dropped = {"with_a_hole_among_their_grades": 2}
    assert recording.meta.counts == row_counts(12, unit="students", dropped=dropped)
    assert [*recording.meta.groups[:3]] == ["line 2", "line 3", "line 5"]
    with pytest.raises(ValueError, match="no student with all of"):
        load(tmp_path, [["", *row[1:]] for row in rows])


def test_a_hole_elsewhere_costs_no_student(tmp_path):
    rows = students()
    rows[0][GRADES.index("Gender")] = ""
    assert len(load(tmp_path, rows).signal) == 48


def test_correlations_are_those_of_pandas(tmp_path):
    rows = students()
    rows[0][GRADES.index("Gender")] = ""
    table = load(tmp_path, rows).meta.correlations
    frame = pd.DataFrame(rows, columns=GRADES)
    frame["Female"] = [{"F": 1.0, "M": 0.0}.get(row[GRADES.index("Gender")][:1]) for row in rows]
    frame["Roll"] = [row[GRADES.index("Roll")] or row[GRADES.index("Roll no.")] for row in rows]
    expected = frame[[*table.names]].corr()
    assert [*table.names] == ["1st", "2nd", "3rd", "4th", "5th", "College Code", "Subject Code", "Female", "Roll"]
    assert [value for row in table.values for value in row] == pytest.approx(expected.to_numpy().ravel().tolist())


def test_a_column_that_never_changes_has_no_correlation(tmp_path):
    rows = [[*row[:-1], 16] for row in students()]
    assert "Subject Code" not in load(tmp_path, rows).meta.correlations.names


def test_excel_gives_the_same(tmp_path):
    book = openpyxl.Workbook()
    for row in (GRADES, *students()):
        book.active.append([None if value == "" else value for value in row])
    book.save(tmp_path / "own.xlsx")
    recording = grades.read(grades.Options(**FILE | {"file": "own.xlsx"}), tmp_path)
    assert recording.signal.tobytes() == load(tmp_path, students()).signal.tobytes()


def test_what_cannot_be_read_is_named_by_line(tmp_path):
    rows = students()
    rows[3][0] = "A+"
    with pytest.raises(ValueError, match=r"own.csv:5: column '1st' holds 'A\+', expected a finite number or nothing"):
        load(tmp_path, rows)
    rows = students()
    rows[1][GRADES.index("Gender")] = "?"
    with pytest.raises(ValueError, match=r"own.csv:3: column 'Gender' holds '\?', expected one of Female, F, Male, M"):
        load(tmp_path, rows)
    with pytest.raises(ValueError, match="own.csv:1: no column '5th'"):
        load(tmp_path, students(), header=[name.replace("5th", "fifth") for name in GRADES])
