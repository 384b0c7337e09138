"""The project's files, and what their syntax trees say: which files exist, who imports whom, what code a stage runs."""

import ast
import dataclasses
import importlib
from functools import cache
from pathlib import Path, PurePosixPath

from in_git import git

ROOT = Path(__file__).parents[2]
COMMANDS = {"export", "predict"}  # beside the pipeline, with options of its own
STAGES = sorted({path.stem for path in (ROOT / "stages").glob("[!_]*.py")} - COMMANDS)
CELLS = sorted((ROOT / "recurrent" / "cells").glob("[!_]*.py"))
CODE = sorted(path for folder in ("recurrent", "stages") for path in (ROOT / folder).rglob("*.py"))


# what Settings works out for a stage -> the section of params.yaml that it comes from
DERIVED = {"raw": "ingest", "source": "ingest"}


def sections_of(stage):
    """Name the sections of params.yaml that a stage reads."""
    fields = dataclasses.fields(importlib.import_module(f"stages.{stage}").Params)
    return {DERIVED.get(field.name, field.name) for field in fields}


def name(path):
    """Give the path of a file inside the project."""
    return path.relative_to(ROOT).as_posix()


@cache
def tree(path):
    """Give the syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def imported(path):
    """Name what a file imports; a relative import is an error."""
    names = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            assert not node.level, f"{name(path)}:{node.lineno}: a relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def files_of(dotted):
    """Give the files of ours that the import of a dotted name runs."""
    parts = dotted.split(".")
    bases = [ROOT.joinpath(*parts[:n]) for n in range(1, len(parts) + 1)]
    return {file for base in bases for file in (base.with_suffix(".py"), base / "__init__.py") if file.is_file()}


def closure(dotted):
    """Give the files of ours that a module runs, itself included."""
    found, todo = set(), files_of(dotted)
    while todo:
        path = todo.pop()
        found.add(path)
        todo |= {file for other in imported(path) for file in files_of(other)} - found
    return found


def has_code(path):
    """Say whether a file is more than a docstring."""
    if path == ROOT / "recurrent" / "__init__.py":
        return False  # it says to Python what not to write, and changes no result
    return path.suffix == ".c" or any(not isinstance(node, ast.Expr) for node in tree(path).body)


def constants(path):
    """Give the literals of a file."""
    return {node.value for node in ast.walk(tree(path)) if isinstance(node, ast.Constant)}


def code_of(stage):
    """Files of ours that a stage's script may run, the cells but for the one that params.yaml names."""
    files = closure(f"stages.{stage}")
    files |= {source for file in files for source in file.parent.glob("*.c") if source.name in constants(file)}
    if ROOT / "recurrent" / "network" / "forecaster.py" in files:  # it imports the cell by its name in params.yaml
        files |= {file for cell in CELLS for file in closure(f"recurrent.cells.{cell.stem}")} - set(CELLS)
    return {name(file) for file in files if has_code(file)}


def covers(dep, path):
    """Say whether a dependency is a file or a folder that it lies in."""
    return PurePosixPath(path).is_relative_to(dep)


def is_code(dep):
    """Say whether a dependency is code and not data."""
    return PurePosixPath(dep).parts[0] in ("recurrent", "stages")


def from_the_top(dep):
    """Name a dependency of systems/dvc.yaml as one of dvc.yaml."""
    return dep.removeprefix("../")


def belong(path, other):
    """Say whether two paths are the same or one lies directly in the other."""
    path, other = PurePosixPath(path), PurePosixPath(other)
    return path == other or path.parent == other or other.parent == path


def files_in_git():
    """Give the files that Git has or would add."""
    listed = git("ls-files", "-z", "--cached", "--others", "--exclude-standard")
    paths = [ROOT / path for path in listed.decode().split("\0") if path]
    return [path for path in paths if path.is_file()]
