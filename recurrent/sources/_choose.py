"""The `source` of a stanza -> the module of that name and its options, checked."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

# A source is a file here that has a line "class Options".
NAMES = tuple(
    sorted(p.stem for p in Path(__file__).parent.glob("[!_]*.py") if "\nclass Options" in p.read_text("utf-8"))
)


def choose(source: Mapping[str, Any]) -> tuple[Any, Any]:
    """Give the module `source["name"]`, with its `files` and `load`, and its Options of the other keys.

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
