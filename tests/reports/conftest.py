"""What the tests of the reports share."""

import shutil
import sys

import pytest
from processes import command
from small_project import EXPERIMENTS


@pytest.fixture(scope="session")
def report_page(repository, tmp_path_factory):
    """The report on the experiments."""
    path = tmp_path_factory.mktemp("written") / "report.html"
    command(repository, sys.executable, "-m", "reports.report", *EXPERIMENTS, "--out", str(path))
    return path


@pytest.fixture
def project(repository, tmp_path, monkeypatch):
    """A copy to work in."""
    shutil.copytree(repository, tmp_path / "project", symlinks=True)
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "project"
