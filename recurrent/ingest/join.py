"""Several tables as one: one below the other, or side by side where a key is equal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from recurrent.ingest.text_table import TextTable, read_table

ROWS = "rows"  # how tables are joined that lie one below the other; any other word is a column, the key


def read_tables(paths: Sequence[Path], wanted: Sequence[str], join: str | None) -> list[TextTable]:
    """Read the columns `wanted` of some files: of each file, or, where they are joined by a key, of any one of them.

    Raises
    ------
    ValueError
        Where a column is in none of the files or in two, or a key occurs twice in a file.
    """
    if join in (None, ROWS):
        return [read_table(path, wanted) for path in paths]
    others = [name for name in wanted if name != join]
    tables = [read_table(path, [join], perhaps=others) for path in paths]
    for name in others:
        holders = [str(table.path) for table in tables if name in table.texts]
        if len(holders) != 1:
            found = f"in {' and in '.join(holders)}" if holders else f"in none of {', '.join(map(str, paths))}"
            raise ValueError(f"column {name!r} is {found}, expected in one of the files that are joined by {join!r}")
    for table in tables:
        table.require(~table.texts[join].duplicated(), join, "each key once in a file")
    return tables


def join_tables(tables: Sequence[TextTable], values: Sequence[pd.DataFrame], join: str | None) -> pd.DataFrame:
    """Join what was made of each table's rows: below each other, or the columns of rows whose key is in every file.

    Rows are in the order of the first file, and keep the places of its rows.
    """
    if join in (None, ROWS):
        return pd.concat(values)
    by_key = [of.set_index(table.texts[join]) for table, of in zip(tables, values, strict=True)]
    first = tables[0].texts[join]
    for other in by_key[1:]:
        first = first[first.isin(other.index)]
    if first.empty:
        names = ", ".join(str(table.path) for table in tables)
        raise ValueError(f"no value of column {join!r} is in all of {names}, expected one at least")
    joined = pd.concat([of.loc[first].set_index(first.index) for of in by_key], axis=1)
    return joined.loc[:, ~joined.columns.duplicated()]  # the key, which each has
