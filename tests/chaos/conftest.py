"""A small finished project that the tests of this folder may harm."""

import shutil

import pytest


@pytest.fixture(scope="module")
def project(repository, tmp_path_factory):
    """Give a copy of the small finished project under Git and DVC."""
    home = tmp_path_factory.mktemp("harmed") / "project"
    shutil.copytree(repository, home, symlinks=True)
    return home
