"""What the tests of the reports share."""

import shutil

import pytest


@pytest.fixture
def project(repository, tmp_path, monkeypatch):
    """A copy to work in."""
    shutil.copytree(repository, tmp_path / "project", symlinks=True)
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "project"
