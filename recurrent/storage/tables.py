"""CSV, JSON and Excel files that appear whole or not at all."""

import io
import json
import re
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv

from recurrent.storage.atomic import replacing


def write_csv(path: Path, blocks: Iterable[Mapping[str, npt.NDArray[np.generic]]]) -> None:
    """Write blocks of equally long columns (integer or float, (n,)) under one header.

    Numbers are written in the shortest form that reads back as the same number.
    """
    options = pa.csv.WriteOptions(quoting_header="none", quoting_style="none")
    with replacing(path) as temporary, ExitStack() as opened:
        writer = None
        for block in blocks:
            table = pa.table({name: _column(values) for name, values in block.items()})
            writer = writer or opened.enter_context(pa.csv.CSVWriter(temporary, table.schema, write_options=options))
            writer.write(table)
        if writer is None:
            raise ValueError(f"{path}: no rows to write")
        opened.close()  # the last rows are on disk before the file takes its place


def _column(values: npt.NDArray[np.generic]) -> pa.Array:
    """Return the numbers for Arrow as they lie; pa.array would import pandas, which takes a quarter of a second."""
    values = np.ascontiguousarray(values)
    return pa.Array.from_buffers(pa.from_numpy_dtype(values.dtype), len(values), [None, pa.py_buffer(values)])


def write_json(path: Path, value: Any) -> None:
    """Write `value` for people and for Git: sorted keys, one per line."""
    text = json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n"
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_excel(path: Path, sheets: Mapping[str, Mapping[str, Sequence[Any]]]) -> None:
    """Write a workbook: name of a sheet -> columns (n,) of numbers or texts. The same values give the same bytes."""
    import pandas as pd  # a third of a second, for those few who want a workbook

    frames = {name: pd.DataFrame(columns) for name, columns in sheets.items()}
    written, fixed = io.BytesIO(), io.BytesIO()
    with pd.ExcelWriter(written, engine="openpyxl") as book:
        for name, frame in frames.items():
            frame.to_excel(book, sheet_name=name, index=False, freeze_panes=(1, 0))
    # the time of writing stands in each entry and in the properties; it must not, as the digest goes into dvc.lock
    with zipfile.ZipFile(written) as timed, zipfile.ZipFile(fixed, "w", zipfile.ZIP_DEFLATED) as timeless:
        for entry in timed.namelist():
            content = timed.read(entry)
            if entry == "docProps/core.xml":
                content = re.sub(rb"<dcterms:(created|modified).*?</dcterms:\1>", b"", content)
            timeless.writestr(zipfile.ZipInfo(entry), content, zipfile.ZIP_DEFLATED)
    with replacing(path) as temporary:
        temporary.write_bytes(fixed.getvalue())


def read_csv(path: Path) -> dict[str, npt.NDArray[np.float64]]:
    """Read a CSV of numbers with a header: name -> (n,)."""
    table = pa.csv.read_csv(path)
    return {name: np.array(table[name].to_pylist(), dtype=np.float64) for name in table.column_names}
