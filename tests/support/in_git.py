"""What has been committed: a run leaves other metrics and pictures in the workspace, and DVC stages them by itself."""

import io
import subprocess
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def git(*arguments: str) -> bytes:
    """Run git in this checkout; skip the test where there is no Git or this folder is no checkout of its own."""
    try:
        top = subprocess.run(["git", "rev-parse", "--show-toplevel"], cwd=ROOT, capture_output=True)
    except FileNotFoundError:
        pytest.skip("no git on the path")
    if top.returncode or Path(top.stdout.decode().rstrip("\n")) != ROOT:
        pytest.skip("this folder is not under Git, so nothing tells what was committed from what was made")
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=True).stdout


def checkout(folder: Path) -> Path:
    """Write the last commit into an empty folder."""
    with zipfile.ZipFile(io.BytesIO(git("archive", "--format=zip", "HEAD"))) as archive:
        archive.extractall(folder)
    return folder
