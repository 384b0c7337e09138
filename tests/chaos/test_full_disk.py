"""A disk that is full, and not only says so: each stage on a small file system of its own with too little room."""

import shutil
import subprocess
from contextlib import suppress

import pytest
from small_project import DVC, clear, products, run_here

PAGE = 4096
GROWS = "history.csv"  # a row per epoch, while the stage lasts


@pytest.fixture(scope="module")
def disk(project, tmp_path_factory):
    """Mount a small disk and give the copy of the project on it."""
    place = tmp_path_factory.mktemp("disk")
    try:
        options = ["-t", "tmpfs", "-o", "size=64m"]
        mounted = subprocess.run(["mount", *options, "tmpfs", place], capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("no mount on the path")
    if mounted.returncode:
        pytest.skip(f"no disk may be mounted here: {mounted.stderr.strip()}")
    try:
        shutil.copytree(project, place / "project", ignore=shutil.ignore_patterns(".git", "cache"))
        yield place / "project"
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


def fill(disk, room):
    """Leave that many bytes, in whole pages."""
    filler = disk.parent / "filler"
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(1 << 20))
    with filler.open("r+b") as file:
        file.truncate(max(0, filler.stat().st_size - room))


@pytest.mark.parametrize("share", [0, 0.7])
@pytest.mark.parametrize("stage", DVC)
def test_a_full_disk_is_named_and_the_rerun_ends_in_the_same_bytes(disk, stage, share, monkeypatch, capsys):
    whole = products(disk, stage)
    pages = sum(-(-len(content) // PAGE) for content in whole.values())
    clear(disk, stage)
    fill(disk, int(share * pages) * PAGE)
    code, said = run_here(stage, disk, monkeypatch, capsys)
    assert code == 1 and said.count("\n") == 1, said
    assert "No space left on device; free some space there" in said and "/" in said.split(": No space")[0]
    left = {path: content for path, content in products(disk, stage).items() if not path.endswith(GROWS)}
    assert all(whole[path] == content for path, content in left.items())
    assert not list(disk.glob("**/.*.tmp"))
    (disk.parent / "filler").unlink()
    clear(disk, stage)
    assert run_here(stage, disk, monkeypatch, capsys) == (0, "")
    assert products(disk, stage) == whole
