"""A new system is one file in recurrent/sources/ and one section; for a plain CSV, the section alone."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import source_tree as shape
from seeds import rng

from recurrent.storage.tables import read_csv

SOURCE = '''"""A damped oscillation: 0.99^i sin(i / 5), 100 above zero."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recurrent.storage.series import Recording
from recurrent.config.fields import Count, Section
from recurrent.sources._contract import series_meta


@dataclass(frozen=True)
class Options(Section):
    """Keys of the source."""

    rows: Count


def files(options: Options) -> tuple:
    """Name the files to download: none."""
    return ()


def read(options: Options, raw: Path) -> Recording:
    """Compute it."""
    i = np.arange(options.rows)[:, None]
    value = 100 + 0.99**i * np.sin(i / 5)
    meta = series_meta("damped", signal=["height"], target=["height"], units=("m", "m"), time_unit="row")
    return Recording(value, value, None, meta)
'''
SECTIONS = """
  damped:
    raw: data/raw/damped
    seq_len: 8
    source: {name: damped, rows: 300}
    window: {}
    model: {cell: gru, hidden_size: 4}
    train: {max_epochs: 2}
    evaluate: {free_running: 4}

  own:
    raw: ../mine/my table.csv
    seq_len: 6
    source:
      name: table
      file: table.csv
      url: null
      checksum: null
      join: null
      signal: [wind, power]
      target: [power]
      time: hour
      time_format: null
      group: turbine
      holes: stop
      signal_unit: SI
      target_unit: kW
      time_unit: h
      failure_threshold: null
      last_cycle: keep
    window: {split: groups, horizon: 2, batch_size: 8}
    model: {cell: manual, hidden_size: 4, readout: last}
    train: {max_epochs: 2}
    evaluate: {free_running: 0, excel: true}
"""


@pytest.fixture(scope="session")
def project(tmp_path_factory):
    """A copy of what git has, the two systems added, and both run by DVC."""
    home = tmp_path_factory.mktemp("project")
    for path in shape.files_in_git():
        copy = home / path.relative_to(shape.ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    shutil.rmtree(home / "tests")
    for dvc in (home / ".dvc", home / "systems" / ".dvc"):
        (dvc / "config").write_text("[core]\n    no_scm = true\n    analytics = false\n    check_update = false\n")
    (home / "systems" / "dvc.lock").unlink(missing_ok=True)
    (home / "recurrent" / "sources" / "damped.py").write_text(SOURCE)
    with (home / "systems" / "params.yaml").open("a", encoding="utf-8") as file:
        file.write(SECTIONS)
    (home / "mine").mkdir()
    random = rng(0)
    lines = [
        f"T{i},{hour},{wind:.3f},{wind**3:.3f}" for i in range(8) for hour, wind in enumerate(random.uniform(2, 5, 20))
    ]
    (home / "mine" / "my table.csv").write_text("\n".join(["turbine,hour,wind,power", *lines]) + "\n")
    environment = {key: value for key, value in os.environ.items() if key not in ("DVC_ROOT", "PYTHONPATH")}
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment["PATH"]])
    command = [sys.executable, "-m", "dvc", "repro", "plot@damped", "evaluate@own"]
    done = subprocess.run(command, cwd=home / "systems", env=environment, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr
    return home


def scores(project, name):
    return json.loads((project / "systems" / "metrics" / f"{name}.json").read_text())


def test_a_source_of_its_own(project):
    found = scores(project, "damped")
    assert {"median", "persistence", "drift", "ridge"} < set(found["baselines"])
    assert found["baselines"]["ridge"]["mae"] < 1e-3  # a linear recurrence of two steps
    assert found["free_running"]["steps"] == 4
    rows = read_csv(project / "systems" / "data" / "damped" / "predictions" / "predictions.csv")
    # 300 rows, of which the last 45 test; each forecast one step ahead
    assert rows["time"].tolist() == [*range(255, 300)]
    np.testing.assert_allclose(rows["actual"], 100 + 0.99 ** rows["time"] * np.sin(rows["time"] / 5))
    pictures = {path.stem for path in (project / "systems" / "plots" / "damped" / "pictures").glob("*.png")}
    assert pictures == {"training", "forecast", "error", "attribution", "error_by_lead_time", "free_running_overview"}


def test_a_csv_of_its_own(project):
    found = scores(project, "own")
    assert found["counts"]["test_windows"] == 2 * (20 - 6 - 2 + 1)  # two turbines of eight
    rows = read_csv(project / "systems" / "data" / "own" / "predictions" / "predictions.csv")
    assert len(set(rows["group"].tolist())) == 2
    about = json.loads((project / "systems" / "data" / "own" / "predictions" / "meta.json").read_text())
    assert (about["target"], about["unit"]) == (["power"], "kW")
    assert (project / "systems" / "data" / "own" / "predictions" / "predictions.xlsx").is_file()


def test_the_new_source_and_the_params_file_are_all_that_differs(project):
    def read(home):
        code = [path for folder in ("recurrent", "stages") for path in (home / folder).rglob("*")]
        files = [path for path in (*code, *home.glob("systems/*.yaml"), home / "dvc.yaml") if path.is_file()]
        return {path.relative_to(home).as_posix(): path.read_bytes() for path in files if path.suffix != ".pyc"}

    before, after = read(shape.ROOT), read(project)
    differing = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    assert differing == {"recurrent/sources/damped.py", "systems/params.yaml"}
