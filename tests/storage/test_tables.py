"""predictions.xlsx: what stands in it, and the same bytes whenever it is written."""

import time

import numpy as np
import openpyxl
import pandas as pd
import pytest

from recurrent.storage.tables import write_excel

SHEETS = {
    "predictions": {"group": ["Müller", "line 3"], "actual": np.array([1.5, np.pi]), "time": np.array([3, 4])},
    "test rows": {"x": np.array([0.1])},
}


def test_every_value_comes_back(tmp_path):
    write_excel(tmp_path / "new" / "p.xlsx", SHEETS)
    found = pd.read_excel(tmp_path / "new" / "p.xlsx", sheet_name=None)
    assert list(found) == ["predictions", "test rows"]
    table = found["predictions"]
    assert list(table) == ["group", "actual", "time"] and table["group"].tolist() == ["Müller", "line 3"]
    assert table["actual"].tolist() == [1.5, np.pi] and table["time"].tolist() == [3, 4]
    assert found["test rows"].to_numpy().tolist() == [[0.1]]
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["p.xlsx"]


def test_the_same_bytes_at_another_time(tmp_path):
    write_excel(tmp_path / "a.xlsx", SHEETS)
    time.sleep(2.1)  # a zip counts in steps of two seconds
    write_excel(tmp_path / "b.xlsx", SHEETS)
    assert (tmp_path / "a.xlsx").read_bytes() == (tmp_path / "b.xlsx").read_bytes()
    assert openpyxl.load_workbook(tmp_path / "a.xlsx").sheetnames == ["predictions", "test rows"]


def test_columns_of_unequal_length_are_refused_and_leave_nothing(tmp_path):
    with pytest.raises(ValueError, match="shorter"):
        write_excel(tmp_path / "p.xlsx", {"s": {"a": [1, 2], "b": [1]}})
    assert list(tmp_path.iterdir()) == []
