"""Both params files stand as DVC writes them, so a value that `dvc exp run -S` changes is one line of the diff."""

import difflib
import shutil

import pytest
from dvc.utils.hydra import apply_overrides
from in_git import ROOT

FILES = {
    "params.yaml": ["seed=7", "seq_len=200", "ingest.target_unit=ms", "train.target_delta=0", "plot.dpi=90"],
    "systems/params.yaml": [
        "systems.sine.seq_len=25",
        "systems.p4581.train.learning_rate=0.01",
        "systems.grades.window.batch_size=16",
        "defaults.train.patience=5",
    ],
}


def changed(folder, name, *overrides):
    """Let DVC change a copy; give the lines that differ: (removed, added)."""
    copy = folder / "params.yaml"
    shutil.copy(ROOT / name, copy)
    apply_overrides(copy, list(overrides))
    before, after = (path.read_text(encoding="utf-8").splitlines() for path in (ROOT / name, copy))
    lines = [line for line in difflib.ndiff(before, after) if line[0] in "-+"]
    return [[line[2:] for line in lines if line[0] == sign] for sign in "-+"]


@pytest.mark.parametrize(("name", "override"), [(name, override) for name in FILES for override in FILES[name]])
def test_one_value_is_one_line(tmp_path, name, override):
    removed, added = changed(tmp_path, name, override)
    assert len(removed) == len(added) == 1, (removed, added)
    assert override.split("=")[1] in added[0]


def test_a_list_is_a_line_for_each_item(tmp_path):
    removed, added = changed(tmp_path, "params.yaml", "window.statistic=[log_std,max]")
    assert (removed, [line.strip() for line in added]) == ([], ["- max"])
