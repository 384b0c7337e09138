"""What takes its place is on the disk before it does, so that a power cut leaves the old or the new, whole."""

import os

import pytest

from recurrent.storage import atomic
from recurrent.storage.atomic import replacing


@pytest.fixture
def calls(monkeypatch):
    """What the block under test asks of the disk, in order: paths that wait, and names that change."""
    made = []
    usual = os.replace
    monkeypatch.setattr(atomic, "to_disk", lambda path: made.append(("to disk", path.name)))
    monkeypatch.setattr(os, "replace", lambda a, b: (made.append(("renamed", b.name)), usual(a, b)))
    return made


def test_a_file_is_on_the_disk_before_it_takes_its_place_and_its_name_after(calls, tmp_path):
    with replacing(tmp_path / "a.csv") as temporary:
        temporary.write_text("1")
        assert calls == []
    assert calls == [("to disk", temporary.name), ("renamed", "a.csv"), ("to disk", tmp_path.name)]


def test_so_is_every_file_of_a_folder(calls, tmp_path):
    with replacing(tmp_path / "series", folder=True) as temporary:
        for name in ("a.npy", "b.npy"):
            (temporary / name).write_text("1")
    written, last = calls[:3], calls[3:]
    assert sorted(written) == sorted([("to disk", "a.npy"), ("to disk", "b.npy"), ("to disk", temporary.name)])
    assert written[2] == ("to disk", temporary.name)
    assert last == [("renamed", "series"), ("to disk", tmp_path.name)]


@pytest.mark.parametrize("folder", [False, True])
def test_to_disk_waits_for_a_file_and_for_a_folder(tmp_path, monkeypatch, folder):
    path = tmp_path / "a"
    path.mkdir() if folder else path.write_text("1")
    waited = []
    monkeypatch.setattr(os, "fsync", lambda file: waited.append(os.fstat(file).st_ino))
    atomic.to_disk(path)
    assert waited == [path.stat().st_ino]


def test_a_temporary_that_somebody_still_writes_is_left_alone(tmp_path):
    with replacing(tmp_path / "a.csv") as temporary:
        temporary.write_text("1")
        atomic.remove_abandoned(tmp_path)
        assert temporary.exists()
    (tmp_path / ".b.csv.123.tmp").write_text("half")
    atomic.remove_abandoned(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]
