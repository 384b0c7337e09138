"""The same bytes in every language, in a clone of any name, with a home that cannot be written, and without /proc."""

import json
import os
import shlex
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
# the path of the clone in each language
LANGUAGES = {"tr_TR.UTF-8": "a b 'c' $d", "de_DE.UTF-8": "İstanbul Straße"}
APART = ["unshare", "--mount", *(["--map-root-user"] if os.geteuid() else [])]
HIDDEN = {
    "no /proc": "mount -t tmpfs none /proc",
    "read-only home": 'mkdir "$PWD/home"; mount -t tmpfs -o ro none "$PWD/home"; export HOME="$PWD/home"; '
    "unset XDG_CACHE_HOME",
}


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
def expected(tmp_path_factory):
    return made(tmp_path_factory.mktemp("expected"), os.environ | {"LC_ALL": "C.UTF-8"})


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_same_bytes(tmp_path, expected, language):
    home = tmp_path / LANGUAGES[language]
    home.mkdir()
    build = ["localedef", "-i", language.partition(".")[0], "-f", "UTF-8", str(tmp_path / language)]
    if shutil.which("localedef"):  # the machine may lack the language
        subprocess.run(build, check=False, capture_output=True)
    if not (tmp_path / language).exists():
        language = "C.UTF-8"  # the folder is still another
    assert made(home, os.environ | {"LC_ALL": language, "LOCPATH": str(tmp_path)}) == expected


@pytest.mark.parametrize("without", HIDDEN)
def test_the_same_bytes_on_an_odd_system(tmp_path, expected, without):
    try:
        tried = subprocess.run([*APART, "sh", "-c", "mount -t tmpfs none /mnt"], capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("no unshare on the path")
    if tried.returncode:
        pytest.skip(f"nothing may be mounted here: {tried.stderr.strip()}")
    before = [*APART, "sh", "-c", f'{HIDDEN[without]}; exec "$@"', shlex.quote(without)]
    assert made(tmp_path, os.environ, before) == expected
