"""Grades of engineering students, the fifth semester from the first four: data.csv, CSV or Excel.

S. Bhattacharya, "Semester Result of Technical Students" (Kaggle, data set sankha1998/student-semester-result; no
terms stated), as copied into the GitHub repository AlvinOctaH/Deeplearning-RNN-PyTorch (2023).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from recurrent.ingest.download import File
from recurrent.ingest.text_table import read_table
from recurrent.sources._contract import RawFile, correlations, row_counts, series_meta
from recurrent.storage.series import Recording

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

    A student with a hole is left out: what another semester would have been is the very question.
    """
    grades = [*READ, LEARNED]
    table = read_table(options.path(raw), [*grades, "Gender", *ROLLS, *CODES])
    columns = pd.DataFrame({name: table.numbers(name, holes=True) for name in (*grades, *CODES)})
    genders = table.texts["Gender"]
    table.require(genders.isin(FEMALE), "Gender", f"one of {', '.join(filter(None, FEMALE))}, or nothing")
    columns["Female"] = genders.map(FEMALE)
    columns["Roll"] = table.numbers(ROLLS[0], holes=True).fillna(table.numbers(ROLLS[1], holes=True))
    students = columns.dropna(subset=grades)
    if students.empty:
        raise ValueError(f"{table.path}: no student with all of {grades}, expected one at least")
    dropped = {"with_a_hole_among_their_grades": len(columns) - len(students)}
    meta = series_meta(
        Path(options.file).name,
        signal=["grade"],
        target=["grade of the fifth semester"],
        target_columns=(0,),
        units=("grade", "grade"),
        time_unit="semester",
        md5=table.md5,
        counts=row_counts(len(columns), unit="students", dropped=dropped),
        groups=[f"line {place.rpartition(':')[2]}" for place in students.index],
        correlations=correlations({name: values.to_numpy() for name, values in students.items()}),
    )
    return Recording(
        students[[*READ]].to_numpy(np.float64).reshape(-1, 1),
        np.repeat(students[[LEARNED]].to_numpy(np.float64), len(READ), axis=0),
        np.repeat(np.arange(len(students)), len(READ)),
        meta,
    )
