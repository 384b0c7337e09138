"""What every source of the menu shares: how it is found by name, the file it reads, what it says of its rows.

A source is a file here with `Options`, `files(options)` and `read(options, raw)`.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field, TypeAdapter, ValidationError

from recurrent.config.schema import Name, Section
from recurrent.ingest.download import File
from recurrent.storage.series import Array

# A source is a file here that has a line "class Options".
NAMES = tuple(
    sorted(p.stem for p in Path(__file__).parent.glob("[!_]*.py") if "\nclass Options" in p.read_text("utf-8"))
)


def get_source(source: Mapping[str, Any]) -> tuple[Any, Any]:
    """Give the module `source["name"]`, with its `files` and `read`, and its Options of the other keys.

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
    try:  # by way of JSON, where strict types still take a list for a tuple
        return module, TypeAdapter(module.Options).validate_json(json.dumps(keys))
    except ValidationError as error:
        known = list(module.Options.__dataclass_fields__)
        problems = [_explained(problem, known) for problem in error.errors()]
        raise ValueError("\n".join(problems)) from error


def _explained(problem: Any, known: list[str]) -> str:
    key = str(problem["loc"][0])
    if problem["type"] == "unexpected_keyword_argument":
        nearest = difflib.get_close_matches(key, known, n=1, cutoff=0.0)
        return f"source.{key}: unknown key; the nearest known key is source.{''.join(nearest)}"
    if problem["type"] in ("missing", "missing_argument"):
        return f"source.{key}: missing"
    expected = problem["msg"].removeprefix("Input should be ")
    return f"source.{key}: found {problem['input']!r}, expected: {expected}"


Url = Annotated[str, Field(pattern="^https?://")]
Checksum = Annotated[str, Field(pattern="^([0-9a-f]{32}|[0-9a-f]{64})$")]


@dataclass(frozen=True)
class RawFile(Section):
    """One file: downloaded under the name `file` into a folder; where `url` is null, your own, wherever it lies."""

    file: Name
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
    observed: Sequence[int | None],
    units: tuple[str, str],
    time_unit: str,
    md5: str = "",
    notes: Sequence[str] = (),
    failures: Sequence[int] = (),
    countdown: bool = False,
    **optional: Any,
) -> dict[str, Any]:
    """Put together what `Recording` describes; `units` are of signal and target, `md5` of the raw file."""
    return {
        "signal": list(signal),
        "target": list(target),
        "observed": list(observed),
        "units": dict(zip(("signal", "target"), units, strict=True)),
        "time_unit": time_unit,
        "failures": list(failures),
        "countdown": countdown,
        "source": {"name": name, "md5": md5, "notes": list(notes)},
        **optional,
    }


def correlations(columns: Mapping[str, Array]) -> dict[str, Any]:
    """Correlate columns (n,) pairwise over the rows where both are known; constant columns have none and are left out.

    Raises
    ------
    ValueError
        Two columns that are never known together, or then constant.
    """
    varying = {name: column for name, column in columns.items() if len(np.unique(column[np.isfinite(column)])) > 1}
    values = [[_correlation(a, b) for b in varying.values()] for a in varying.values()]
    return {"names": list(varying), "values": values}


def _correlation(a: Array, b: Array) -> float:
    known = np.isfinite(a) & np.isfinite(b)
    a, b = a[known] - a[known].mean(), b[known] - b[known].mean()
    scale = np.sqrt((a**2).sum() * (b**2).sum())
    if not scale > 0:
        raise ValueError("two columns are never known together, or then constant: no correlation")
    return float(np.clip((a * b).sum() / scale, -1, 1))
