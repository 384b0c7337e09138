"""The same bytes in another language, in a clone of any name, with a home that cannot be written, and without /proc."""

import json
import os
import shutil
import subprocess
import sys

import pytest
import small_project
from small_project import DVC, ROOT, arguments, products

STAGES = """
import importlib, json, locale, sys
from recurrent.config.stage import run
locale.setlocale(locale.LC_ALL, "")  # fails where the language is not there
for stage, words in json.loads(sys.argv[1]).items():
    sys.argv = [stage, *words]
    run(importlib.import_module(f"stages.{stage}").main)
"""
# Turkish has an i of its own, German a decimal comma; both write the names of files in letters that ASCII lacks
LANGUAGES = {"tr_TR.UTF-8": ("LANG", "LC_CTYPE", "LC_COLLATE"), "de_DE.UTF-8": ("LC_NUMERIC", "LC_TIME")}
FOLDER = "İstanbul Straße, a b 'c' $d"
APART = ["unshare", "--mount", *(["--map-root-user"] if os.geteuid() else [])]
# what cannot be read or written: /proc, and the home with its cache
HIDDEN = """
mount -t tmpfs none /proc
mkdir "$PWD/home"; mount -t tmpfs -o ro none "$PWD/home"; export HOME="$PWD/home"; unset XDG_CACHE_HOME
exec "$@"
"""


def made(home, environment, before=()):
    """Run all stages in a copy of the code at `home`, in one process; give what they make."""
    for folder in ("stages", "recurrent"):
        shutil.copytree(ROOT / folder, home / folder, ignore=shutil.ignore_patterns("__pycache__"))
    small_project.write_params(home, {})
    words = json.dumps({stage: arguments(stage) for stage in DVC})
    command = [*before, sys.executable, "-c", STAGES, words]
    environment = {name: value for name, value in environment.items() if name != "DVC_ROOT"} | {"DVC_STAGE": "train"}
    done = subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return {path: content for stage in DVC for path, content in products(home, stage).items()}


@pytest.fixture(scope="module")
def expected(repository):
    return {path: content for stage in DVC for path, content in products(repository, stage).items()}


def test_the_same_bytes_in_another_language(tmp_path, expected):
    home = tmp_path / FOLDER
    home.mkdir()
    chosen = {"LOCPATH": str(tmp_path)}
    for language, categories in LANGUAGES.items():
        if shutil.which("localedef"):  # the machine may lack the language
            build = ["localedef", "-i", language.partition(".")[0], "-f", "UTF-8", str(tmp_path / language)]
            subprocess.run(build, check=False, capture_output=True)
        there = language if (tmp_path / language).exists() else "C.UTF-8"  # the folder is still another
        chosen |= dict.fromkeys(categories, there)
    environment = {name: value for name, value in os.environ.items() if name != "LC_ALL"}
    assert made(home, environment | chosen) == expected


def test_the_same_bytes_without_proc_and_with_a_home_that_cannot_be_written(tmp_path, expected):
    try:
        tried = subprocess.run([*APART, "sh", "-c", "mount -t tmpfs none /mnt"], capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("no unshare on the path")
    if tried.returncode:
        pytest.skip(f"nothing may be mounted here: {tried.stderr.strip()}")
    assert made(tmp_path, os.environ, [*APART, "sh", "-ec", HIDDEN, "sh"]) == expected
