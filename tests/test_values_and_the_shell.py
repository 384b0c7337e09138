"""What a user may set reaches a stage as it is: a file name with a space works, and no shell ever reads a value."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
INJECTION = "'$(touch pwned)/../a.csv'"
WITHOUT = ("DVC_ROOT", "DVC_STAGE", "PYTHONDONTWRITEBYTECODE")
ROWS = "acoustic_data,time_to_failure\n12,1.5\n6,1.4\n8,0.01\n3,1.5\n"


@pytest.fixture
def project(tmp_path):
    """The code, both pipelines and their params, under DVC without Git."""
    for folder in ("stages", "recurrent"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for home, source in ((tmp_path, ROOT), (tmp_path / "systems", ROOT / "systems")):
        (home / ".dvc").mkdir(parents=True)
        (home / ".dvc" / "config").write_text("[core]\nno_scm = true\nanalytics = false\ncheck_update = false\n")
        for name in ("dvc.yaml", "params.yaml"):
            shutil.copy(source / name, home)
    (tmp_path / "my file.csv").write_text(ROWS)
    return tmp_path


def repro(home, *words):
    environment = {key: value for key, value in os.environ.items() if key not in WITHOUT}
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment["PATH"]])
    command = [sys.executable, "-m", "dvc", "repro", "--single-item", *words]
    done = subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, timeout=200)
    return done.returncode, done.stdout + done.stderr


def set_value(home, value, *keys):
    file = home / "params.yaml"
    tree = section = yaml.safe_load(file.read_text(encoding="utf-8"))
    for key in keys[:-1]:
        section = section[key]
    section[keys[-1]] = value
    file.write_text(json.dumps(tree), encoding="utf-8")  # PyYAML would write a text such as 07690 without quotes


def untouched(project):
    return not [path for path in project.rglob("*") if path.name == "pwned"]


def test_a_file_name_with_a_space_is_a_file_name(project):
    set_value(project, "my file.csv", "ingest", "csv")
    code, said = repro(project, "ingest")
    assert code == 0, said
    assert (project / "data" / "quake" / "series" / "meta.json").is_file()


def test_a_file_of_a_system_may_have_a_space_and_its_code_stays_as_it_is(project):
    (project / "my gauge.csv").write_bytes((ROOT / "systems" / "example.csv").read_bytes())
    set_value(project / "systems", "../my gauge.csv", "systems", "tide_gauge", "raw")
    code, said = repro(project / "systems", "ingest@tide_gauge")
    assert code == 0, said
    assert (project / "systems" / "data" / "tide_gauge" / "series" / "meta.json").is_file()
    # a __pycache__ would be another digest of a folder that lies outside the root of systems/
    assert [path for path in (project / "recurrent").rglob("__pycache__") if path.parent.name != "recurrent"] == []


@pytest.mark.parametrize("there", [False, True])
def test_a_recordings_name_is_never_a_command(project, there):
    set_value(project, INJECTION, "ingest", "csv")
    if there:
        (project / "'$(touch pwned)").mkdir()
        (project / "a.csv'").write_text(ROWS)
    code, said = repro(project, "ingest")
    assert (code == 0) == there, said
    assert untouched(project)


def test_what_a_system_reads_is_never_a_command(project):
    set_value(project / "systems", INJECTION, "systems", "tide_gauge", "raw")
    code, said = repro(project / "systems", "ingest@tide_gauge")
    assert code != 0, said
    assert untouched(project)


@pytest.mark.parametrize("stage", ["fetch", "ingest"])
def test_the_name_of_a_system_is_never_a_command(project, stage):
    section = yaml.safe_load((ROOT / "systems" / "params.yaml").read_text(encoding="utf-8"))["systems"]["tide_gauge"]
    shutil.copy(ROOT / "systems" / "example.csv", project / "systems")
    set_value(project / "systems", {"x'$(touch pwned)'$(touch pwned)": section}, "systems")
    code, said = repro(project / "systems", stage)
    assert code != 0 and "a name has letters, digits, - and _ only" in said
    assert untouched(project)
