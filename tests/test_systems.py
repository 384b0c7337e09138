"""systems/params.yaml is read strictly, and systems/dvc.yaml tells the truth."""

import dataclasses
import importlib
import re
import shlex
from pathlib import Path, PurePosixPath

import pytest
import source_tree as shape
import yaml
from dvc.repo import Repo
from in_git import git

from recurrent.config.reader import ParamsError, read
from recurrent.config.schema import System
from recurrent.sources._contract import NAMES, get_source

ROOT = Path(__file__).parents[1]
FILE = ROOT / "systems" / "params.yaml"
TEXT = FILE.read_text(encoding="utf-8")
PARAMS = yaml.safe_load(TEXT)
DVC = yaml.safe_load((ROOT / "systems" / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
SYSTEMS = list(PARAMS["systems"])
SECTIONS = ("desc", "cmd", "params", "deps", "outs", "metrics")
PRIVATE = {path for path in shape.CODE if path.parent.name == "sources" and path.name.startswith("_")}

SMALL = """\
defaults:
  seed: 0
  window: {samples_per_step: 1, statistic: none, stride: 1, batch_size: 4, split: contiguous, train_fraction: 0.6,
           validation_fraction: 0.2, folds: 1, repeats: 1, seed: 0, horizon: 1, one_window_per_group: false,
           relative_to_first: false, predict_change: false}
  model: {hidden_size: 4, num_layers: 1, input: values, embedding_size: 4, dropout: 0.0, readout: all_steps,
          residual: none, residual_penalties: [1.0]}
  train: {best_by: loss, loss: mse, learning_rate: 0.01, learning_rate_decay: 1.0, weight_decay: 0.0,
          gradient_clip: 1.0, target_delta: 0.0, patience: 5, max_epochs: 2, backend: auto, threads: 1, processes: 1,
          members: 1, refit: false, input_noise: 0.0, labels: actual}
  evaluate: {ridge_penalties: [1.0], moving_average: 3, season: [], excel: false}
  plot:
    dpi: 50
systems:
  wave:
    raw: data/raw/wave
    seq_len: 5
    source: {name: sine, rows: 90}
    model: {cell: rnn}
    train:
      loss: mae
    evaluate: {free_running: 0}
"""


def problems(folder, text, system="wave"):
    (folder / "params.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ParamsError) as caught:
        read(folder / "params.yaml", System, system=system)
    return str(caught.value).splitlines()


def line_of(text, words):
    return text[: text.index(words)].count("\n") + 1


def changed(old, new):
    assert SMALL.count(old) == 1
    return SMALL.replace(old, new)


def test_a_section_takes_what_it_does_not_say_from_the_defaults(tmp_path):
    (tmp_path / "p.yaml").write_text(SMALL)
    found = read(tmp_path / "p.yaml", System, system="wave")
    assert (found.train.loss, found.train.learning_rate, found.window.horizon) == ("mae", 0.01, 1)
    assert (found.model.cell, found.model.hidden_size, found.seq_len, found.seed) == ("rnn", 4, 5, 0)
    assert found.source == {"name": "sine", "rows": 90}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("      loss: mae", "      loss: l1", "train.loss: found 'l1', expected: "),
        ("    dpi: 50", "    dpi: 5", "plot.dpi: found 5, expected: "),
        ("      loss: mae", "      los: mae", "train.los: unknown key; the nearest known key is train.loss"),
        ("    dpi: 50", "    dpi: 50\n    dpu: 3", "plot.dpu: unknown key; the nearest known key is plot.dpi"),
        ("    seq_len: 5", "    seq_len: 0", "seq_len: found 0, expected: "),
        ("    raw: data/raw/wave", "    raw: ''", "raw: found '', expected: "),
        ("      loss: mae", "      loss: mae\n      loss: mse", "systems.wave.train.loss: duplicate key"),
        ("    source: {name: sine, rows: 90}", "    source: {rows: 9}", "source: found {'rows': 9}, expected: needs"),
    ],
)  # fmt: skip
def test_a_problem_is_named_with_the_line_of_the_section_or_of_the_default(tmp_path, old, new, message):
    text = changed(old, new)
    (found,) = problems(tmp_path, text)
    assert found.startswith(f"params.yaml:{line_of(text, new.splitlines()[-1])}: {message}")


@pytest.mark.parametrize("key", ["    model: {cell: rnn}\n", "    seq_len: 5\n", "    evaluate: {free_running: 0}\n"])
def test_what_neither_says_is_missing(tmp_path, key):
    (found,) = problems(tmp_path, changed(key, ""))
    names = {"model": "model.cell", "seq_len": "seq_len", "evaluate": "evaluate.free_running"}
    assert re.fullmatch(rf"params\.yaml:\d+: {names[key.strip().split(':')[0]]}: missing", found)


DEFAULTS = yaml.safe_load(SMALL)["defaults"]


@pytest.mark.parametrize("key", [f"{a}.{b}" for a in DEFAULTS if a != "seed" for b in DEFAULTS[a]])
def test_no_knob_has_a_default_in_the_code(tmp_path, key):
    section, name = key.split(".")
    data = yaml.safe_load(SMALL)
    del data["defaults"][section][name]
    data["systems"]["wave"]["train"] = {}
    assert f": {key}: missing" in "\n".join(problems(tmp_path, yaml.safe_dump(data)))


@pytest.mark.parametrize("name", ["$(touch pwned)", "a b", "../wave", "it's", "ü"])
def test_a_name_of_a_system_is_refused_that_a_shell_or_a_path_would_take_apart(tmp_path, name):
    text = changed("  wave:\n", f'  "{name}":\n')
    (found,) = problems(tmp_path, text, name)
    assert found == f"params.yaml:{line_of(text, name)}: systems.{name}: a name has letters, digits, - and _ only"


def test_an_unknown_system_is_named_with_the_nearest(tmp_path):
    assert problems(tmp_path, SMALL, "wafe") == ["params.yaml: no system 'wafe'; the nearest known one is wave"]
    assert problems(tmp_path, "seed: 0\n") == ["params.yaml: no system 'wave'; the nearest known one is none"]


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_section_and_its_source_is_valid(system):
    section = read(FILE, System, system=system)
    module, options = get_source(section.source)
    files = module.files(options)
    assert section.source["name"] in NAMES and all(file.url.startswith("https://") for file in files)
    assert all(file.checksum for file in files)
    # DVC stops where a section that it lists is missing
    assert {"source", "window", "model", "train", "evaluate"} <= set(PARAMS["systems"][system])
    assert section.raw == f"data/raw/{system}" or not files
    assert section.raw.startswith("data/raw/") or (FILE.parent / section.raw).is_file()


@pytest.mark.parametrize("key", [f"{a}.{b}" for a, v in PARAMS["defaults"].items() if isinstance(v, dict) for b in v])
def test_every_default_has_a_comment(key):
    section, name = key.split(".")
    body = TEXT[TEXT.index(f"\n  {section}:") :]
    assert re.search(rf"\n    {name}: [^\n]*# \w", body) or key == "evaluate.free_running"


def own_params(stage):
    fields = dataclasses.fields(importlib.import_module(f"stages.{stage}").Params)
    sections = {
        "defaults": set(PARAMS["defaults"]),
        "section": {name for system in SYSTEMS for name in PARAMS["systems"][system]},
    }
    found = {f"defaults.{field.name}" for field in fields if field.name in sections["defaults"]}
    return found | {f"systems.${{key}}.{field.name}" for field in fields if field.name in sections["section"]}


def entries(stage, *kinds):
    listed = [entry for kind in kinds for entry in DVC[stage]["do"].get(kind, [])]
    return {shape.from_the_top(next(iter(entry)) if isinstance(entry, dict) else entry) for entry in listed}


@pytest.mark.parametrize("stage", DVC)
def test_params_are_the_fields_of_the_dataclass_in_defaults_and_section(stage):
    listed = DVC[stage]["do"]["params"]
    assert set(listed) == own_params(stage)
    assert len(listed) == len(own_params(stage))
    # and no section has a section that no stage lists
    read_by_some = {key.rpartition(".")[2] for one in DVC for key in own_params(one)}
    assert {name for system in SYSTEMS for name in PARAMS["systems"][system]} <= read_by_some


@pytest.mark.parametrize("stage", DVC)
def test_code_deps_are_the_imports_of_the_script(stage):
    code, listed = shape.code_of(stage), {dep for dep in entries(stage, "deps") if shape.is_code(dep)}
    menus = {dep for dep in listed if "${item." in dep}
    if "recurrent/sources/_contract.py" in code:  # it imports the source by its name in params.yaml
        files = {file for source in NAMES for file in shape.closure(f"recurrent.sources.{source}")}
        public = {path for path in files if path.parent.name == "sources" and path not in PRIVATE}
        code |= {shape.name(file) for file in files - public if shape.has_code(file)}
        assert menus == {"recurrent/sources/${item.source.name}.py"}
    else:
        with_a_cell = "recurrent/cells/kernels" in listed
        assert menus == ({"recurrent/cells/${item.model.cell}.py"} if with_a_cell else set())
    assert {path for path in code if not any(shape.covers(dep, path) for dep in listed)} == set()
    assert {dep for dep in listed - menus if not any(shape.covers(dep, path) for path in code)} == set()


@pytest.mark.parametrize("stage", DVC)
def test_the_command_runs_the_script_of_its_name_on_the_paths_that_are_declared(stage):
    assert "${" not in DVC[stage]["do"]["cmd"]  # a shell would read the user's value
    assert DVC[stage]["foreach"] == "${systems}" and set(DVC[stage]["do"]) <= {*SECTIONS}
    *start, a, project = shlex.split(DVC[stage]["do"]["cmd"])[:8]
    assert start == ["cd", "..", "&&", "python", "-m", f"stages.{stage}"]
    assert (a, project) == ("--project", "systems")
    paths = [path.replace("{system}", "${key}") for path in shlex.split(DVC[stage]["do"]["cmd"])[8:]]
    declared = {path for path in entries(stage, "deps", "outs", "metrics") if not shape.is_code(path)}
    declared -= {"${item.raw}"}  # the stage reads it from its params
    assert [path for path in paths if not any(shape.belong(path, other) for other in declared)] == []
    assert [other for other in declared if not any(shape.belong(path, other) for path in paths)] == []


def test_what_a_stage_reads_another_one_makes():
    made = {path for stage in DVC for path in entries(stage, "outs", "metrics")}
    wanted = {path for stage in DVC for path in entries(stage, "deps") if not shape.is_code(path)}
    assert wanted - made == {"${item.raw}"} and "data/raw/${key}" in made
    assert all("${key}" in path for path in made)


def test_dvc_loads_a_stage_of_each_kind_for_every_system():
    git("rev-parse", "HEAD")  # DVC runs in a checkout only
    with Repo(str(FILE.parent)) as repo:
        stages = repo.stage.load_all(str(FILE.with_name("dvc.yaml")))
        assert {stage.addressing.partition(":")[2] for stage in stages} == {f"{a}@{b}" for a in DVC for b in SYSTEMS}
        sources = {
            str(dep) for stage in stages for dep in stage.deps if PurePosixPath(str(dep)).parent.name == "sources"
        }
        cells = {PurePosixPath(str(dep)).stem for stage in stages for dep in stage.deps if "/cells/" in str(dep)}
    assert {PurePosixPath(path).stem for path in sources} >= {PARAMS["systems"][s]["source"]["name"] for s in SYSTEMS}
    assert cells - {"kernels"} == {PARAMS["systems"][system]["model"]["cell"] for system in SYSTEMS}


NEUTRAL = [path for path in shape.CODE if path.parent.name != "sources"]


@pytest.mark.parametrize("path", NEUTRAL, ids=shape.name)
def test_no_stage_and_no_module_but_the_sources_names_a_system_or_a_source(path):
    # the schema names the source whose options the section ingest of params.yaml holds
    own = {"recording"} if shape.name(path) == "recurrent/config/schema.py" else set()
    assert (shape.constants(path) - own).isdisjoint({*SYSTEMS, *NAMES, "quake"})
