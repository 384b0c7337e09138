"""The shape of the project, held by syntax trees: who imports whom, what a stage is, that dvc.yaml tells the truth."""

import ast
import dataclasses
import importlib
import re
import shlex
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import PurePosixPath

import pytest
import yaml
from source_tree import (
    CELLS,
    CODE,
    ROOT,
    STAGES,
    belong,
    closure,
    code_of,
    constants,
    covers,
    files_in_git,
    files_of,
    has_code,
    imported,
    is_code,
    name,
    sections_of,
    tree,
)

from recurrent.train.history import HISTORY_COLUMNS

DVC = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))

# a folder (or a lone module) of recurrent/ -> what it may import of ours; each line names only lines above it
LAYERS = {
    "numerics": (),
    "compiled_c": (),
    "config": (),
    "storage": (),
    "plot": (),
    "ingest": ("compiled_c", "storage"),
    "sources": ("config", "ingest", "numerics", "storage"),
    "window": ("numerics", "storage"),
    "cells": ("compiled_c",),
    "network": ("cells", "compiled_c", "numerics", "storage", "window"),
    "train": ("config", "network", "numerics", "storage", "window"),
    "evaluate": ("network", "numerics", "storage", "window"),
    "predict": ("ingest", "network", "numerics", "storage", "window"),
}
MAY_IMPORT = {
    "torch": (
        "recurrent/cells/*",
        "recurrent/network/*",
        "recurrent/train/*",
        "stages/train.py",
    ),
    "safetensors": ("recurrent/network/model_file.py",),
    "matplotlib": ("recurrent/plot/*",),
    "argparse": ("recurrent/config/stage.py", "stages/export.py", "stages/predict.py"),
    "onnx": ("recurrent/network/onnx_file.py",),
    "openpyxl": (),  # pandas calls it
    "pandas": (
        *("recurrent/ingest/text_table.py", "recurrent/ingest/join.py"),
        *("recurrent/sources/*", "recurrent/storage/tables.py"),
    ),
    "sklearn": ("recurrent/evaluate/trees.py", "recurrent/evaluate/words.py"),
    "threadpoolctl": ("recurrent/evaluate/trees.py",),
    "scipy": ("recurrent/evaluate/words.py",),
    **dict.fromkeys(("pooch", "requests", "urllib"), ("recurrent/ingest/download.py",)),
    "pickle": (),
    **dict.fromkeys(("reports", "benchmarks", "dvc", "vl_convert"), ()),  # read results, make none
}


def entries(stage, *kinds):
    listed = [entry for kind in kinds for entry in DVC["stages"][stage].get(kind, [])]
    return {next(iter(entry)) if isinstance(entry, dict) else entry for entry in listed}


def test_the_table_of_layers_points_down():
    for i, (module, allowed) in enumerate(LAYERS.items()):
        assert set(allowed) <= set(list(LAYERS)[:i]), module


def test_the_page_on_architecture_names_what_there_is():
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    cells = [
        [re.findall(r"`(\w+)`", cell) for cell in row.split("|")[1:3]] for row in page.splitlines() if "| `" in row
    ]
    assert {one: tuple(allowed) for ours, allowed in cells for one in ours} == LAYERS
    named = re.findall(r"\b(?:recurrent|stages|tests)/[\w/.]*\w", page)
    assert len(named) > 20 and [path for path in named if not (ROOT / path).exists()] == []


def folder(path):
    """Name the folder or lone module of recurrent/ that a file belongs to."""
    return path.relative_to(ROOT).with_suffix("").parts[1]


@pytest.mark.parametrize("path", [path for path in CODE if path.parts[-2:] != ("recurrent", "__init__.py")], ids=name)
def test_imports_point_down(path):
    ours = {file for other in imported(path) for file in files_of(other) if has_code(file)}
    if path.parent.name == "stages":
        assert {file.name for file in ours if file.parent == path.parent} <= {"__init__.py"}
    else:
        assert not {file for file in ours if file.parent.name == "stages"}
        assert {folder(file) for file in ours} <= {folder(path), *LAYERS[folder(path)]}


def test_no_imports_go_in_a_circle():
    reached = {path: {file for other in imported(path) for file in files_of(other) if has_code(file)} for path in CODE}
    for path in CODE:
        todo, seen = list(reached[path] - {path}), set()
        while todo:
            file = todo.pop()
            assert file != path, f"{name(path)} imports itself by way of others"
            if file not in seen:
                seen.add(file)
                todo += reached[file] - {file}


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_heavy_or_special_packages_stay_where_they_belong(package):
    users = {name(path) for path in CODE if any(other.split(".")[0] == package for other in imported(path))}
    assert {user for user in users if not any(fnmatch(user, place) for place in MAY_IMPORT[package])} == set()


@pytest.mark.parametrize("stage", sorted(set(STAGES) - {"train", "evaluate"}))
def test_stages_without_a_network_start_without_torch(stage):
    assert [
        name(path) for path in closure(f"stages.{stage}") if "torch" in {i.split(".")[0] for i in imported(path)}
    ] == []


def test_stages_start_without_pandas():
    code = f"import sys; from stages import {', '.join(STAGES)}; sys.exit('pandas' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


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
    params = yaml.safe_load((ROOT / "systems" / "params.yaml").read_text(encoding="utf-8"))
    assert constants(path) & {"quake", *params["systems"], *(cell.stem for cell in CELLS)} == set()


def test_the_library_names_no_path_of_the_project():
    texts = {text for path in CODE if "recurrent" in path.parts for text in constants(path)}
    assert {text for text in texts if re.match(r"(data|metrics|plots)/", str(text))} == set()


@pytest.mark.parametrize("stage", DVC["stages"])
def test_code_deps_are_the_folders_of_the_scripts_imports(stage):
    """Folders, and single files of the menus: together they hold every import, and none holds nothing of them."""
    code, listed = code_of(stage), {dep for dep in entries(stage, "deps") if is_code(dep)}
    if "recurrent/sources/_contract.py" in code:  # it imports the source by its name
        code |= {name(file) for file in closure("recurrent.sources.recording") if has_code(file)}
    cell = {"recurrent/cells/${model.cell}.py"} if any(dep.startswith("recurrent/cells/") for dep in listed) else set()
    assert cell <= listed
    assert {path for path in code if not any(covers(dep, path) for dep in listed)} == set()
    assert {dep for dep in listed - cell if not any(covers(dep, path) for path in code)} == set()
    assert not {"recurrent", "recurrent/cells", "recurrent/sources", "stages"} & listed


@pytest.mark.parametrize("stage", DVC["stages"])
def test_params_are_the_fields_of_the_dataclass(stage):
    assert entries(stage, "params") == sections_of(stage)


@pytest.mark.parametrize("stage", DVC["stages"])
def test_the_command_runs_the_script_of_its_name_on_the_paths_that_are_declared(stage):
    python, option, module, *paths = shlex.split(DVC["stages"][stage]["cmd"])
    assert "${" not in DVC["stages"][stage]["cmd"]  # a shell would read the user's value
    declared = {path for path in entries(stage, "deps", "outs", "metrics", "plots") if not is_code(path)}
    declared -= {"${ingest.csv}"}  # the stage reads it from its params
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


@pytest.mark.parametrize("path", sorted((ROOT / "tests").rglob("*.py")), ids=name)
def test_a_test_imports_no_other_test(path):
    assert [other for other in imported(path) if other.startswith(("test_", "conftest", "tests."))] == []


def test_no_file_of_code_is_longer_than_250_lines():
    files = [path for path in files_in_git() if path.suffix in (".py", ".c", ".h")]
    lines = {name(path): len(path.read_bytes().splitlines()) for path in files}
    assert {path: n for path, n in lines.items() if n > 250 and not path.startswith("tests/")} == {}


def branches(path):
    """Yield the conditions that a file branches on."""
    for node in ast.walk(tree(path)):
        if isinstance(node, (ast.If, ast.IfExp, ast.While)):
            yield node.test
        yield from getattr(node, "ifs", ())


LIBRARY = [path for path in CODE if path.parts[-2:] != ("recurrent", "__init__.py")]


@pytest.mark.parametrize("path", LIBRARY, ids=name)
def test_only_the_task_branches_on_the_task(path):
    """Whether a target is a class is asked once, where the task is made; a meta's keys are attributes."""
    asked = [test for test in branches(path) if "classes" in {getattr(n, "attr", "") for n in ast.walk(test)}]
    asked += [test for test in branches(path) if "classes" in {getattr(n, "id", "") for n in ast.walk(test)}]
    assert not asked or name(path) == "recurrent/network/task.py", [ast.unparse(test) for test in asked]
    keys = [node for node in ast.walk(tree(path)) if isinstance(node, ast.Subscript)]
    keys = [node for node in keys if "meta" in (getattr(node.value, "id", ""), getattr(node.value, "attr", ""))]
    assert [ast.unparse(node) for node in keys if isinstance(node.slice, ast.Constant)] == []


@pytest.mark.parametrize("path", [path for path in LIBRARY if path not in CELLS], ids=name)
def test_nothing_branches_on_the_name_of_a_cell(path):
    names = {cell.stem for cell in CELLS}
    compared = {n.value for test in branches(path) for n in ast.walk(test) if isinstance(n, ast.Constant)}
    assert compared & names == set()


def test_no_file_names_a_folder_of_one_machine():
    machine = re.compile(rb"(?<![\w.])/(?:work|root)/")
    assert [name(path) for path in files_in_git() if machine.search(path.read_bytes())] == []
