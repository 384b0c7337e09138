"""The strict reader of a params file: YAML -> frozen dataclass, every problem with file, line and key.

A reader that lets a misspelt key pass trains with a value nobody chose; so unknown, missing,
duplicated and mistyped keys all stop the program, with the nearest key that would have been right.
"""

import difflib
import json
import math
import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import yaml
from pydantic import TypeAdapter, ValidationError

from recurrent.config.yaml_dialect import Loader, ambiguous

T = TypeVar("T")
LARGEST_FILE = 1 << 17  # PyYAML needs seconds for it
UTF_16 = (b"\xff\xfe", b"\xfe\xff")


class ParamsError(ValueError):
    """A params file that cannot be used; the message has one line per problem."""


def read(path: Path, schema: type[T], *, system: str | None = None) -> T:
    """Read the file at `path` into the dataclass `schema`: the whole of it, or one system's part.

    A file of several systems has two keys: `defaults`, and `systems` with a section for each, which says what
    differs from the defaults. `schema.stands_in` names the keys that only one of the two may have.

    Raises
    ------
    ParamsError
        ``file:line: key: what is wrong, the value, what was expected``, a line for each problem.
    """
    name = path.name
    root, data = parse(name, _text(path))
    if not isinstance(data, dict):
        raise ParamsError(f"{name}: expected keys and values, found {type(data).__name__}")
    lines: dict[tuple[Any, ...], int] = {}
    problems = [f"{name}:{line}: {key}: duplicate key" for line, key in _index(root, (), lines)]
    if system is not None:
        problems += [
            f"{name}:{line}: systems.{key[1]}: a name has letters, digits, - and _ only"
            for key, line in lines.items()
            if key[:1] == ("systems",) and len(key) == 2 and not re.fullmatch(r"[A-Za-z0-9_-]+", key[1])
        ]
        systems, defaults = (_section(name, data, lines, key) for key in ("systems", "defaults"))
        if not isinstance(systems.get(system), dict):
            near = difflib.get_close_matches(system, systems, n=1, cutoff=0.0)
            raise ParamsError(f"{name}: no system {system!r}; the nearest known one is {''.join(near) or 'none'}")
        problems += [f"{name}:{line}: {message}" for line, message in _misplaced(lines, schema, system)]
        data = _merge(defaults, systems[system])
        own = {key[2:]: line for key, line in lines.items() if key[:2] == ("systems", system)}
        lines = {key[1:]: line for key, line in lines.items() if key[:1] == ("defaults",)} | own
    try:
        # JSON, because there pydantic takes a mapping for a dataclass even when it is strict
        settings = TypeAdapter(schema).validate_json(json.dumps(data))
    except ValidationError as error:
        found = [explain(problem, schema, lines) for problem in error.errors() if not is_echo(problem)]
        problems += [f"{name}:{line}: {message}" for line, message in sorted(found)]
    if problems:
        raise ParamsError("\n".join(problems))
    return settings


def _text(path: Path) -> str:
    """Read a text of UTF-8."""
    if not path.exists():
        raise ParamsError(f"{path}: no such file; run from the top folder of the project")
    if not path.is_file() or path.stat().st_size > LARGEST_FILE:
        raise ParamsError(f"{path}: expected a params file, of at most {LARGEST_FILE} bytes")
    content = path.read_bytes()
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        found = "UTF-16" if content.startswith(UTF_16) else f"the byte 0x{content[error.start]:02x}"
        raise ParamsError(f"{path.name}:{line}: found {found}, expected text in UTF-8") from None


def parse(name: str, text: str) -> tuple[Any, Any]:
    """Return the nodes of a YAML text, which know their lines, and the values."""
    try:
        loader = Loader(text)
        root: Any = loader.get_single_node()
        _require_one_meaning(name, root)
        return root, loader.construct_document(root) if root else None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ParamsError(f"{name}:{line}: found {chr(error.character)!r}, expected plain text") from None
    except yaml.MarkedYAMLError as error:
        where = f"{name}:{error.problem_mark.line + 1}" if error.problem_mark else name
        raise ParamsError(f"{where}: not valid YAML: {error.problem}") from None


def _section(name: str, data: dict[str, Any], lines: dict[tuple[Any, ...], int], key: str) -> dict[str, Any]:
    section = data.get(key) or {}
    if not isinstance(section, dict):
        raise ParamsError(f"{name}:{lines[key,]}: {key}: found {section!r:.60}, expected keys and values")
    return section


def _require_one_meaning(name: str, root: Any) -> None:
    """Raise ParamsError where DVC would record another value than a stage reads."""
    found = [
        f"{name}:{node.start_mark.line + 1}: found {node.value:.60}, which YAML 1.1 and DVC's YAML 1.2 may read "
        "differently; expected a plain decimal number, true, false, null, or text in quotes"
        for node in ambiguous(root)
    ]
    if found:
        raise ParamsError("\n".join(found))


def _misplaced(lines: dict[tuple[Any, ...], int], schema: type, system: str) -> Iterator[tuple[int, str]]:
    """Yield (line, text) of the keys that no stage lists in this place: DVC would not see that they change."""
    places = {("defaults",): "defaults", ("systems", system): "systems"}
    stands_in = getattr(schema, "stands_in", {})
    for key, line in lines.items():
        if len(key) == 1 and key[0] not in places.values():
            yield line, f"{key[0]}: unknown key; expected defaults and systems"
        place = places.get(key[:-1])
        if place and stands_in.get(key[-1], place) != place:
            there = "under defaults, for all systems" if place == "systems" else "in the section of each system"
            yield line, f"{'.'.join(key)}: DVC does not track it here; write it {there}"


def _merge(defaults: Any, section: Any) -> Any:
    """Put a section's values in the place of the defaults, section by section."""
    if not (isinstance(defaults, dict) and isinstance(section, dict)):
        return section
    return defaults | {key: _merge(defaults.get(key), value) for key, value in section.items()}


def _index(node: Any, key: tuple[Any, ...], lines: dict[tuple[Any, ...], int]) -> list[tuple[int, str]]:
    """Note the line of every key below `node`; return the duplicate ones."""
    duplicates: list[tuple[int, str]] = []
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            below = (*key, name.value)
            if below in lines:
                duplicates.append((name.start_mark.line + 1, ".".join(below)))
            lines[below] = name.start_mark.line + 1
            duplicates += _index(value, below, lines)
    return duplicates


def is_echo(problem: Any) -> bool:
    """A list with a bad element is also reported as too short; once is enough."""
    return problem["type"] == "too_short" and bool(problem["input"])


def explain(problem: Any, schema: type, lines: dict[tuple[Any, ...], int]) -> tuple[int, str]:
    """Turn one of pydantic's problems into (line, text)."""
    key = tuple(str(part) for part in problem["loc"])
    while key and key not in lines and problem["type"] != "missing":
        key = key[:-1]  # an element of a list, or a branch of a union: name the key that holds it
    line = next((lines[key[:n]] for n in range(len(key), 0, -1) if key[:n] in lines), 1)
    name, value = ".".join(key), problem["input"]
    if problem["type"] == "unexpected_keyword_argument":
        near = difflib.get_close_matches(key[-1], _known(schema, key[:-1]), n=1, cutoff=0.0)
        return line, f"{name}: unknown key; the nearest known key is {'.'.join((*key[:-1], *near))}"
    if problem["type"] in ("missing", "missing_argument"):
        return line, f"{name}: missing"
    if isinstance(value, float) and not math.isfinite(value):
        return line, f"{name}: found {value}, expected a finite number"
    expected = problem["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    return line, f"{name}: found {value!r}, expected: {expected}"


def _known(schema: type, key: tuple[str, ...]) -> list[str]:
    """Names of the keys that the section `key` has."""
    for part in key:
        schema = get_type_hints(schema)[part]
    return [field.name for field in fields(schema)] if is_dataclass(schema) else []
