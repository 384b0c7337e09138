"""What every source of the menu shares: how it is found by name, the file it reads, what it says of its rows.

A source is a file here with `Options`, `files(options)` and `read(options, raw)`, which gives a `Recording` or
something else with its `write(folder)` and `summary()`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, make_dataclass
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

import numpy as np
from pydantic import Field, TypeAdapter, ValidationError

from recurrent.config.fields import FileName, Section
from recurrent.config.reader import explain, is_echo
from recurrent.ingest.download import File
from recurrent.storage.meta import Correlations, RowCounts, SeriesMeta, SourceMeta, Units, columns_of
from recurrent.storage.npy import Array

# A source is a file here that has a line "class Options".
NAMES = tuple(
    sorted(p.stem for p in Path(__file__).parent.glob("[!_]*.py") if "\nclass Options" in p.read_text("utf-8"))
)


def get_source(source: Mapping[str, Any]) -> tuple[Any, Any]:
    """Return the module `source["name"]`, with its `files` and `read`, and its Options of the other keys.

    Raises
    ------
    ValueError
        A line for each problem: ``source.key: what was found, what was expected``.
    """
    keys = dict(source)
    name = keys.pop("name", None)
    if name not in NAMES:
        raise ValueError(f"source.name: found {name!r}, expected one of {', '.join(NAMES)}")
    module = import_module(f"recurrent.sources.{name}")
    schema = make_dataclass("Params", [("source", module.Options)])
    try:  # by way of JSON, where strict types still take a list for a tuple
        return module, TypeAdapter(schema).validate_json(json.dumps({"source": keys})).source
    except ValidationError as error:
        lines = {("source", key): 0 for key in keys}
        found = [explain(problem, schema, lines)[1] for problem in error.errors() if not is_echo(problem)]
        raise ValueError("\n".join(found)) from error


Url = Annotated[str, Field(pattern="^https?://")]
Checksum = Annotated[str, Field(pattern="^([0-9a-f]{32}|[0-9a-f]{64})$")]


@dataclass(frozen=True)
class RawFile(Section):
    """One file: downloaded under the name `file` into a folder; where `url` is null, your own, wherever it lies."""

    file: FileName
    url: Url | None
    checksum: Checksum | None

    def files(self) -> tuple[File, ...]:
        return () if self.url is None else (File(self.file, self.url, self.checksum),)

    def path(self, raw: Path) -> Path:
        return raw if self.url is None else raw / self.file


def series_meta(
    name: str,
    *,
    signal: Sequence[str],
    target: Sequence[str],
    units: tuple[str, str],
    time_unit: str,
    target_columns: tuple[int | None, ...] | None = None,
    md5: str = "",
    failures: Sequence[int] = (),
    countdown: bool = False,
    classes: Sequence[str] | None = None,
    vocabulary: Sequence[str] | None = None,
    groups: Sequence[str] | None = None,
    parts: dict[str, tuple[int, int]] | None = None,
    correlations: Correlations | None = None,
    counts: RowCounts | None = None,
) -> SeriesMeta:
    """Return what `SeriesMeta` describes, of a source `name` whose raw file has this `md5`.

    `units` are of signal and target; a target is measured by the column of the same name if `target_columns` is None.
    """
    return SeriesMeta(
        signal=tuple(signal),
        target=tuple(target),
        target_columns=columns_of(signal, target) if target_columns is None else target_columns,
        units=Units(*units),
        failures=tuple(failures),
        countdown=countdown,
        source=SourceMeta(name, md5),
        time_unit=time_unit,
        classes=_tuple(classes),
        vocabulary=_tuple(vocabulary),
        groups=_tuple(groups),
        parts=parts,
        correlations=correlations,
        counts=counts,
    )


def row_counts(
    read: int,
    *,
    unit: str = "rows",
    dropped: Mapping[str, int] = MappingProxyType({}),
    added: Mapping[str, int] = MappingProxyType({}),
    noted: Mapping[str, float] = MappingProxyType({}),
) -> RowCounts:
    """Return what `RowCounts` describes, without reasons that do not occur."""

    def occurring(found: Mapping[str, Any]) -> dict[str, Any]:
        return {why: n for why, n in found.items() if n}

    return RowCounts(unit, read, occurring(dropped), occurring(added), occurring(noted))


def _tuple(names: Sequence[str] | None) -> tuple[str, ...] | None:
    return None if names is None else tuple(names)


def complete_cycles(rows: int, failures: Sequence[int], last_cycle: str) -> tuple[int, list[int], dict[str, int]]:
    """Leave out the rows after the last failure, if `last_cycle` is drop: their countdown runs to the file's end.

    Where a recording was cut, nothing fails at its end, so these labels are no times to failure.

    Returns
    -------
    rows that are kept, the failures that another row follows, and how many rows were left out for what

    Raises
    ------
    ValueError
        Where there is no failure.
    """
    if last_cycle == "keep":
        return rows, list(failures), {}
    if not failures:
        raise ValueError("last_cycle is drop, but the target has no failure: set last_cycle to keep")
    *earlier, last = failures
    return last, earlier, {"after_the_last_failure": rows - last}


def correlations(columns: Mapping[str, Array]) -> Correlations:
    """Correlate columns (n,) pairwise over the rows where both are known; constant columns have none and are left out.

    Raises
    ------
    ValueError
        Two columns without rows in which both are known and vary.
    """
    varying = {name: column for name, column in columns.items() if len(np.unique(column[np.isfinite(column)])) > 1}
    values = (tuple(_correlation(a, b) for b in varying.values()) for a in varying.values())
    return Correlations(tuple(varying), tuple(values))


def _correlation(a: Array, b: Array) -> float:
    known = np.isfinite(a) & np.isfinite(b)
    a, b = a[known] - a[known].mean(), b[known] - b[known].mean()
    scale = np.sqrt((a**2).sum() * (b**2).sum())
    if not scale > 0:
        raise ValueError("two columns have no rows in which both are known and vary: no correlation")
    return float(np.clip((a * b).sum() / scale, -1, 1))
