"""predictions.xlsx: what stands in it, and the same bytes whenever it is written."""

import time

import numpy as np
import openpyxl
import pytest

from recurrent.storage.tables import write_excel

SHEETS = {
    "predictions": {"group": ["Müller", "line 3"], "actual": np.array([1.5, np.pi]), "time": np.array([3, 4])},
    "test rows": {"x": np.array([0.1])},
}


def test_every_value_comes_back(tmp_path):
    write_excel(tmp_path / "new" / "p.xlsx", SHEETS)
    book = openpyxl.load_workbook(tmp_path / "new" / "p.xlsx")
    assert book.sheetnames == ["predictions", "test rows"] and book["predictions"].freeze_panes == "A2"
    rows = [[*sheet.iter_rows(values_only=True)] for sheet in book.worksheets]
    assert rows[0] == [("group", "actual", "time"), ("Müller", 1.5, 3), ("line 3", np.pi, 4)]
    assert rows[1] == [("x",), (0.1,)]
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["p.xlsx"]


def test_the_same_bytes_at_another_time(tmp_path):
    write_excel(tmp_path / "a.xlsx", SHEETS)
    time.sleep(2.1)  # a zip counts in steps of two seconds
    write_excel(tmp_path / "b.xlsx", SHEETS)
    assert (tmp_path / "a.xlsx").read_bytes() == (tmp_path / "b.xlsx").read_bytes()
    assert openpyxl.load_workbook(tmp_path / "a.xlsx").sheetnames == ["predictions", "test rows"]


def test_columns_of_unequal_length_are_refused_and_leave_nothing(tmp_path):
    with pytest.raises(ValueError, match="same length"):
        write_excel(tmp_path / "p.xlsx", {"s": {"a": [1, 2], "b": [1]}})
    assert list(tmp_path.iterdir()) == []
