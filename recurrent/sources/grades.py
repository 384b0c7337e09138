"""Grades of engineering students, the fifth semester from the first four: data.csv, CSV or Excel.

S. Bhattacharya, "Semester Result of Technical Students" (Kaggle, data set sankha1998/student-semester-result; no
terms stated), as copied into the GitHub repository AlvinOctaH/Deeplearning-RNN-PyTorch (2023).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recurrent.ingest.download import File
from recurrent.ingest.text_table import Columns, read_columns
from recurrent.sources._contract import RawFile, correlations, series_meta
from recurrent.storage.series import Array, Recording

READ = ("1st", "2nd", "3rd", "4th")
LEARNED = "5th"
# The roll number stands in one of two columns, depending on the college.
ROLLS = ("Roll", "Roll no.")
CODES = ("College Code", "Subject Code")
# Spelt in words by one college, by letters in the others.
FEMALE = {"Female": 1.0, "F": 1.0, "Male": 0.0, "M": 0.0, "": np.nan}


@dataclass(frozen=True)
class Options(RawFile):
    """Keys of the source."""


def files(options: Options) -> tuple[File, ...]:
    """Name the file to download."""
    return options.files()


def read(options: Options, raw: Path) -> Recording:
    """Read the students whose five grades are known: a group of four rows each, signal = grade (4 n, 1).

    A student with a hole is left out whole: what another semester would have been is the very question.
    """
    table = read_columns(options.path(raw), [*READ, LEARNED, "Gender", *ROLLS, *CODES])
    columns = {name: table.numbers(name, holes=True) for name in (*READ, LEARNED, *CODES)}
    grades = np.stack([columns[name] for name in (*READ, LEARNED)], axis=1).astype(np.float64)
    complete = np.asarray(np.isfinite(grades).all(axis=1))
    if not complete.any():
        raise ValueError(f"{table.path}: no student with all of {[*READ, LEARNED]}, expected one at least")
    rolls = [table.numbers(name, holes=True) for name in ROLLS]
    columns |= {"Female": _female(table), "Roll": np.where(np.isfinite(rolls[0]), *rolls)}
    meta = series_meta(
        Path(options.file).name,
        signal=["grade"],
        target=["grade of the fifth semester"],
        observed=[0],
        units=("grade", "grade"),
        time_unit="semester",
        md5=table.md5,
        notes=[f"{(~complete).sum()} of {len(complete)} students have a hole among their five grades, left out"],
        groups=[f"line {line}" for line, whole in zip(table.lines, complete, strict=True) if whole],
        correlations=correlations({name: values[complete] for name, values in columns.items()}),
    )
    students, semesters = int(complete.sum()), len(READ)
    return Recording(
        grades[complete, :semesters].reshape(-1, 1),
        np.repeat(grades[complete, semesters:], semesters, axis=0),
        np.repeat(np.arange(students), semesters),
        meta,
    )


def _female(table: Columns) -> Array:
    for row, text in enumerate(table.texts["Gender"]):
        if text not in FEMALE:
            raise table.error(row, "Gender", f"one of {', '.join(name for name in FEMALE if name)}, or nothing")
    return np.array([FEMALE[text] for text in table.texts["Gender"]])
