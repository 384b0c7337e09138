"""What several tests share."""

import gc
import os
import shutil
from pathlib import Path

import in_git
import pytest
from filelock import FileLock
from hypothesis import HealthCheck, settings
from seeds import SEED

# which cases a property is tried on must not hang on the day, nor its success on how busy the machine is
settings.register_profile(
    "steady", derandomize=SEED == 0, database=None, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("steady")


# what is imported before the first test stays, so it is not searched for cycles, neither then nor ever again
gc.disable()


def pytest_collection_finish():
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session", autouse=True)
def power_stays_on():
    """Wait for the disk in the stages' own processes only: most tests write small files, and none cuts the power."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda file: None)
        yield


@pytest.fixture
def real_data() -> Path:
    """Give the folder of real data beside the repository; its terms keep it out of Git."""
    folder = Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no real data: {folder} is absent")
    return folder


@pytest.fixture(scope="session")
def committed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder that holds the last commit and nothing that a run has made since; nobody may change it."""
    return in_git.checkout(tmp_path_factory.mktemp("committed"))


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small finished project under Git and DVC, with EXPERIMENTS; nobody may change it.

    It is made once in a run of the tests, and each of its processes reads a copy.
    """
    own = tmp_path_factory.mktemp("repository") / "project"
    base = tmp_path_factory.getbasetemp()
    first = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "first_repository"
    with FileLock(first.with_suffix(".lock")):
        if first.exists():
            shutil.copytree(first, own, symlinks=True)
        else:
            from small_project import make_repository  # torch, which the process that shares out the tests never needs

            make_repository(own)
            shutil.copytree(own, first.with_suffix(".copy"), symlinks=True)
            first.with_suffix(".copy").rename(first)
    return own
