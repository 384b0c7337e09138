"""The same bytes in every language and in a clone of any name."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import small_project
from small_project import ROOT, arguments, products

STAGES = ("simulate", "ingest", "window")
HOMES = ["usual", "a b 'c' $d", "İstanbul Straße"]
LOCALES = ["C", "tr_TR.UTF-8", "de_DE.UTF-8"]


@pytest.fixture(scope="module")
def locales(tmp_path_factory):
    """Build the locales, which the machine may lack, in a folder of their own."""
    folder = tmp_path_factory.mktemp("locales")
    for name in LOCALES[1:]:
        command = ["localedef", "-i", name.partition(".")[0], "-f", "UTF-8", str(folder / name)]
        if shutil.which("localedef"):
            subprocess.run(command, check=False, capture_output=True)
    return folder


def made(home, environment):
    """Run the first stages in a copy of the code at `home`; give what they make."""
    for folder in ("stages", "recurrent"):
        shutil.copytree(ROOT / folder, home / folder, ignore=shutil.ignore_patterns("__pycache__"))
    small_project.write_params(home, {})
    found = {}
    for stage in STAGES:
        command = [sys.executable, "-m", f"stages.{stage}", *arguments(stage)]
        done = subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        found |= products(home, stage)
    return found


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    return made(tmp_path_factory.mktemp("expected"), os.environ | {"LC_ALL": "C.UTF-8"})


@pytest.mark.parametrize(("home", "language"), list(zip(HOMES, LOCALES, strict=True)))
def test_the_same_bytes(tmp_path, locales, expected, home, language):
    (tmp_path / home).mkdir()
    if language != "C" and not Path(locales / language).exists():
        language = "C.UTF-8"  # the folder is still another
    assert made(tmp_path / home, os.environ | {"LC_ALL": language, "LOCPATH": str(locales)}) == expected
