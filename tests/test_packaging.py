"""What `pip install .` installs: every module of the library and of the stages, and the C files that they compile."""

import warnings
from fnmatch import fnmatch
from pathlib import Path

import pytest
from setuptools.config.pyprojecttoml import read_configuration

ROOT = Path(__file__).parents[1]
FILES = [
    path.relative_to(ROOT)
    for folder in ("recurrent", "stages")
    for path in (ROOT / folder).rglob("*")
    if path.is_file() and "__pycache__" not in path.parts
]


@pytest.fixture(scope="module")
def configured():
    """Return setuptools' own reading of pyproject.toml, with the packages that it finds."""
    with warnings.catch_warnings(action="error"):
        return read_configuration(ROOT / "pyproject.toml")["tool"]["setuptools"]


def test_every_folder_with_modules_is_a_package_and_no_other_folder_is(configured):
    assert set(configured["packages"]) == {".".join(path.parent.parts) for path in FILES if path.suffix == ".py"}


def test_every_other_file_is_installed_beside_the_module_that_reads_it(configured):
    patterns = configured["package-data"][""]  # setuptools' name for "*": all packages
    others = [path for path in FILES if path.suffix != ".py"]
    assert {path.name for path in others} >= {"number_parser.c", "recurrence.c"}
    assert [path for path in others if not any(fnmatch(path.name, pattern) for pattern in patterns)] == []
