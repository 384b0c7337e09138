"""The shape of the project, held by syntax trees: who imports whom, what a stage is, that dvc.yaml tells the truth."""

import ast
import dataclasses
import importlib
import re
import shlex
from fnmatch import fnmatch
from functools import cache
from pathlib import Path, PurePosixPath

import pytest
import yaml
from in_git import git

from recurrent.training import HISTORY_COLUMNS

ROOT = Path(__file__).parents[1]
DVC = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
STAGES = sorted(path.stem for path in (ROOT / "stages").glob("[!_]*.py"))
CELLS = sorted((ROOT / "recurrent" / "cells").glob("[!_]*.py"))
CODE = sorted(path for folder in ("recurrent", "stages") for path in (ROOT / folder).rglob("*.py"))

# a module or a folder of recurrent/ -> what it may import of ours; each line names only lines above it
LAYERS = {
    "numerics": (),
    "params": (),
    "settings": (),
    "system_settings": ("settings",),
    "metrics": ("numerics",),
    "figures": (),
    "tables": (),
    "checkpoint": (),
    "adam": ("numerics",),
    "compiler": (),
    "kernels": ("compiler",),
    "series": (),
    "download": (),
    "sources": ("compiler", "download", "numerics", "series", "settings"),
    "scaling": ("numerics", "series"),
    "saved": ("scaling",),
    "steps": ("numerics", "series"),
    "splitting": ("series",),
    "windowing": ("series", "splitting"),
    "cutting": ("series", "splitting", "steps", "windowing"),
    "baselines": ("metrics", "numerics", "windowing"),
    "cells": ("kernels",),
    "forecaster": ("cells", "saved", "scaling", "series"),
    "prediction": ("compiler", "forecaster", "kernels", "saved", "series"),
    "evaluation": ("baselines", "metrics", "numerics", "prediction", "splitting", "windowing"),
    "forecasts": ("baselines", "evaluation", "windowing"),
    "free_running": ("evaluation", "metrics", "numerics", "prediction", "windowing"),
    "training": ("adam", "forecaster", "numerics", "saved", "scaling", "series", "settings", "steps", "windowing"),
    "history": ("training",),
}
MAY_IMPORT = {
    "torch": (
        "recurrent/cells/*",
        "recurrent/kernels/*",
        *(f"recurrent/{name}.py" for name in ("adam", "forecaster", "prediction", "training", "checkpoint", "history")),
        "stages/train.py",
    ),
    "safetensors": ("recurrent/saved.py",),
    "matplotlib": ("recurrent/figures/*",),
    "argparse": ("stages/__init__.py",),
    "openpyxl": ("recurrent/sources/_columns.py", "recurrent/tables.py"),
    "sklearn": ("recurrent/baselines.py",),
    "scipy": ("recurrent/baselines.py",),
    "urllib": ("recurrent/download.py",),
    "pickle": (),
    **dict.fromkeys(("reports", "benchmarks", "dvc", "vl_convert"), ()),  # read results, make none
}


def name(path):
    return path.relative_to(ROOT).as_posix()


@cache
def tree(path):
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def imported(path):
    names = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            assert not node.level, f"{name(path)}:{node.lineno}: a relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def files_of(dotted):
    parts = dotted.split(".")
    bases = [ROOT.joinpath(*parts[:n]) for n in range(1, len(parts) + 1)]
    return {file for base in bases for file in (base.with_suffix(".py"), base / "__init__.py") if file.is_file()}


def closure(dotted):
    found, todo = set(), files_of(dotted)
    while todo:
        path = todo.pop()
        found.add(path)
        todo |= {file for other in imported(path) for file in files_of(other)} - found
    return found


def has_code(path):
    return path.suffix == ".c" or any(not isinstance(node, ast.Expr) for node in tree(path).body)


def constants(path):
    return {node.value for node in ast.walk(tree(path)) if isinstance(node, ast.Constant)}


def entries(stage, *kinds):
    listed = [entry for kind in kinds for entry in DVC["stages"][stage].get(kind, [])]
    return {next(iter(entry)) if isinstance(entry, dict) else entry for entry in listed}


def code_of(stage):
    files = closure(f"stages.{stage}")
    files |= {source for file in files for source in file.parent.glob("*.c") if source.name in constants(file)}
    if ROOT / "recurrent" / "cells" / "__init__.py" in files:  # it imports the cell by its name in params.yaml
        files |= {file for cell in CELLS for file in closure(f"recurrent.cells.{cell.stem}")} - set(CELLS)
        return {"recurrent/cells/${model.cell}.py"} | {name(file) for file in files if has_code(file)}
    return {name(file) for file in files if has_code(file)}


def belong(path, other):
    path, other = PurePosixPath(path), PurePosixPath(other)
    return path == other or path.parent == other or other.parent == path


def test_the_table_of_layers_points_down():
    for i, (module, allowed) in enumerate(LAYERS.items()):
        assert set(allowed) <= set(list(LAYERS)[:i]), module


@pytest.mark.parametrize("path", [path for path in CODE if path.parts[-2:] != ("recurrent", "__init__.py")], ids=name)
def test_imports_point_down(path):
    ours = {file for other in imported(path) for file in files_of(other)}
    modules = {file.relative_to(ROOT).with_suffix("").parts[1] for file in ours if has_code(file)}
    if path.parent.name == "stages":
        assert {file.name for file in ours if file.parent == path.parent} <= {"__init__.py"}
    else:
        folder = path.relative_to(ROOT).with_suffix("").parts[1]
        assert not {file for file in ours if file.parent.name == "stages"}
        assert modules <= {*LAYERS[folder], *({folder} if path.parent.name == folder else ())}


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_heavy_or_special_packages_stay_where_they_belong(package):
    users = {name(path) for path in CODE if any(other.split(".")[0] == package for other in imported(path))}
    assert {user for user in users if not any(fnmatch(user, place) for place in MAY_IMPORT[package])} == set()


@pytest.mark.parametrize("stage", sorted(set(STAGES) - {"train", "evaluate"}))
def test_stages_without_a_network_start_without_torch(stage):
    assert [
        name(path) for path in closure(f"stages.{stage}") if "torch" in {i.split(".")[0] for i in imported(path)}
    ] == []


@pytest.mark.parametrize("path", CELLS, ids=name)
def test_every_cell_file_has_a_class_cell(path):
    assert "Cell" in {node.name for node in tree(path).body if isinstance(node, ast.ClassDef)}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_says_what_goes_in_and_out_and_is_short(stage):
    module = tree(ROOT / "stages" / f"{stage}.py")
    main = next(node for node in module.body if isinstance(node, ast.FunctionDef) and node.name == "main")
    statements = sum(isinstance(node, ast.stmt) for part in main.body[1:] for node in ast.walk(part))
    assert "->" in ast.get_docstring(module)
    assert ast.get_docstring(main)
    assert statements <= 20


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_has_frozen_params_without_defaults_and_its_main_takes_them(stage):
    module = importlib.import_module(f"stages.{stage}")
    assert module.Params.__dataclass_params__.frozen
    missing = dataclasses.MISSING
    assert all(field.default is field.default_factory is missing for field in dataclasses.fields(module.Params))
    assert list(module.main.__annotations__.items())[0] == ("params", module.Params)


@pytest.mark.parametrize("path", [path for path in CODE if path.parent.name == "stages"], ids=name)
def test_a_stage_never_names_a_system_or_a_cell(path):
    systems = {PurePosixPath(path).stem for stage in DVC["stages"] for path in entries(stage, "metrics")}
    assert constants(path).isdisjoint({*systems, *(cell.stem for cell in CELLS)})


def test_the_library_names_no_path_of_the_project():
    texts = {text for path in CODE if "recurrent" in path.parts for text in constants(path)}
    assert {text for text in texts if re.match(r"(data|metrics|plots)/", str(text))} == set()


@pytest.mark.parametrize("stage", DVC["stages"])
def test_code_deps_are_the_imports_of_the_script(stage):
    assert {dep for dep in entries(stage, "deps") if dep.endswith((".py", ".c"))} == code_of(stage)


@pytest.mark.parametrize("stage", DVC["stages"])
def test_params_are_the_fields_of_the_dataclass(stage):
    fields = dataclasses.fields(importlib.import_module(f"stages.{stage}").Params)
    assert entries(stage, "params") == {field.name for field in fields}


@pytest.mark.parametrize("stage", DVC["stages"])
def test_the_command_runs_the_script_of_its_name_on_the_paths_that_are_declared(stage):
    python, option, module, *paths = shlex.split(DVC["stages"][stage]["cmd"])
    declared = {path for path in entries(stage, "deps", "outs", "metrics", "plots") if not path.endswith((".py", ".c"))}
    assert (python, option, module) == ("python", "-m", f"stages.{stage}")
    assert [path for path in paths if not any(belong(path, other) for other in declared)] == []
    assert [other for other in declared if not any(belong(path, other) for path in paths)] == []


@pytest.mark.parametrize("plot", DVC["plots"], ids=lambda plot: plot if isinstance(plot, str) else next(iter(plot)))
def test_a_plot_names_a_product_and_columns_it_has(plot):
    columns = {"history.csv": HISTORY_COLUMNS, "predictions.csv": ("time", "actual", "predicted")}
    products = {product for stage in DVC["stages"] for product in entries(stage, "outs", "metrics", "plots")}
    about = {} if isinstance(plot, str) else next(iter(plot.values()))
    for path, wanted in about.get("y", {plot: []} if isinstance(plot, str) else {}).items():
        assert any(PurePosixPath(path).is_relative_to(product) for product in products), path
        wanted = {about["x"], *([wanted] if isinstance(wanted, str) else wanted)} if about else set()
        assert wanted <= set(columns.get(PurePosixPath(path).name, ()))


def files_in_git():
    listed = git("ls-files", "-z", "--cached", "--others", "--exclude-standard")
    paths = [ROOT / path for path in listed.decode().split("\0") if path]
    return [path for path in paths if path.is_file()]


def test_no_file_of_python_is_longer_than_300_lines():
    lines = {name(path): len(path.read_bytes().splitlines()) for path in files_in_git() if path.suffix == ".py"}
    assert {path: n for path, n in lines.items() if n > 300 and not path.startswith("tests/")} == {}


def test_no_file_names_a_folder_of_one_machine():
    machine = re.compile(rb"(?<![\w.])/(?:work|root)/")
    assert [name(path) for path in files_in_git() if machine.search(path.read_bytes())] == []
