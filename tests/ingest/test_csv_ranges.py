"""A CSV that workers read range by range gives what one process gives: values, failures, checksum, errors."""

import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recurrent.ingest import csv_ranges, line_blocks
from recurrent.ingest.csv_ranges import RangedCsvFile
from recurrent.ingest.csv_stream import CsvError, CsvFile
from recurrent.ingest.workers import Workers

HERE = Workers(None, 2)  # calls run in this process, when their answer is asked for
LINES = (
    *(
        b"1,9",
        b"-0,8",
        b"3,7.5",
        b"0.5,7",
        b"70000,6",
        b"+2,5.25\r",
        b'"4",5',
        b" 5 , 4.5 ",
        b"1,0.5",
        b"1,0.25",
        b"1,0",
    ),
    *(b"", b"\r", b"abc,1", b"1,-1", b"1,2,3", b"9007199254740993,1", b"1e16,1", b"1," + b"0" * 40 + b"3"),
)


def outcome(file):
    """What reading a file gives, or how it fails."""
    try:
        blocks = list(file.blocks())
    except CsvError as error:
        return str(error), file.md5
    columns = [np.concatenate(column).astype(np.float64).tobytes() for column in zip(*blocks, strict=True)]
    return columns, file.rows, file.failures, file.columns, file.line, file.md5


def both(path, *, block_bytes, range_blocks, threshold=0.5):
    """The outcome in one process, and with workers."""
    options = {"signal": ("x",), "target": "t", "failure_threshold": threshold, "block_bytes": block_bytes}
    one, ranged = CsvFile(path, **options), RangedCsvFile(path, **options)
    ranged.workers, ranged.range_blocks = HERE, range_blocks
    return outcome(one), outcome(ranged)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("ranges")


@given(
    lines=st.lists(st.sampled_from(LINES), max_size=40),
    head=st.sampled_from((b"x,t\n", b"\n\r\nx,t\n", b"\xef\xbb\xbfx;t\n", b"x,u\n", b"\xff\xfex,t\n", b"")),
    last=st.sampled_from((b"", b"\n", b"\n\r\n\n")),
    block_bytes=st.integers(1, 60),
    range_blocks=st.integers(1, 5),
    threshold=st.sampled_from((None, 0.5)),
)
def test_the_outcome_is_that_of_one_process(folder, lines, head, last, block_bytes, range_blocks, threshold):
    (folder / "f.csv").write_bytes(head + b"\n".join(lines) + last)
    one, ranged = both(folder / "f.csv", block_bytes=block_bytes, range_blocks=range_blocks, threshold=threshold)
    assert one == ranged


@given(
    cycles=st.lists(st.integers(1, 9), min_size=1, max_size=8),
    block_bytes=st.integers(1, 60),
    range_blocks=st.integers(1, 5),
)
def test_failures_are_found_wherever_ranges_meet(folder, cycles, block_bytes, range_blocks):
    times = [left for length in cycles for left in range(length - 1, -1, -1)]
    (folder / "f.csv").write_text("x,t\n" + "".join(f"{i},{time}\n" for i, time in enumerate(times)))
    one, ranged = both(folder / "f.csv", block_bytes=block_bytes, range_blocks=range_blocks)
    assert one == ranged and one[1] == len(times)
    assert one[2] == [i for i in range(1, len(times)) if times[i] > times[i - 1]]


@pytest.mark.parametrize("empty", [b"\n", b"\r\n\n", b"\n" * 9])
def test_empty_lines_are_held_against_a_file_when_more_follows(tmp_path, empty):
    for rest in (b"1,2\n", b"", b"abc\n"):
        (tmp_path / "f.csv").write_bytes(b"x,t\n" + b"1,9\n" * 5 + empty + rest)
        for size in range(1, 30):
            for blocks in (1, 2, 3):
                one, ranged = both(tmp_path / "f.csv", block_bytes=size, range_blocks=blocks)
                assert one == ranged
                assert (f"{tmp_path / 'f.csv'}:7: an empty line" in str(one[0])) == bool(rest)


def test_a_line_without_end_is_refused_in_the_same_place(tmp_path, monkeypatch):
    monkeypatch.setattr(line_blocks, "LINE_BYTES", 100)
    monkeypatch.setattr(line_blocks, "SEARCH_BYTES", 7)
    for length in (90, 100, 101, 150, 400):
        (tmp_path / "f.csv").write_bytes(b"x,t\n" + b"1,2\n" * 20 + b"1" * length + b",1\n" + b"1,1\n" * 20)
        for size in (1, 7, 64, 1000):
            one, ranged = both(tmp_path / "f.csv", block_bytes=size, range_blocks=3)
            assert one == ranged


def test_only_what_does_not_follow_is_read_again(tmp_path, monkeypatch):
    """A failure at a border, and a column whose first decimal comes late, cost a range or two, not the file."""
    read_here, usual = [], CsvFile._settled

    def settled(file, lines):
        read_here.extend([lines] if getattr(file, "workers", None) else [])
        return usual(file, lines)

    monkeypatch.setattr(CsvFile, "_settled", settled)
    rows = [f"{i if i < 900 else i + 0.5},{(2000 - i) % 500}\n" for i in range(2000)]
    (tmp_path / "f.csv").write_text("x,t\n" + "".join(rows))
    one, ranged = both(tmp_path / "f.csv", block_bytes=100, range_blocks=2)
    assert one == ranged and len(one[2]) == 4 and one[1] == 2000
    # the first block; that with the first decimal, and those under way then; failures, if they are at a border
    assert 2 <= len(read_here) <= 1 + 1 + 4 + 4


def test_a_file_that_changes_is_refused(tmp_path):
    path = tmp_path / "f.csv"
    path.write_text("x,t\n" + "1,2\n" * 1000)
    file = RangedCsvFile(path, signal=("x",), target="t", failure_threshold=None, block_bytes=100)
    file.workers, file.range_blocks = HERE, 2
    blocks = file.blocks()
    next(blocks)
    os.utime(path, ns=(0, 0))
    with pytest.raises(CsvError, match="f.csv:.*(written to while|changed since)"):
        list(blocks)
    assert file.md5 == ""


def test_packed_files_are_read_by_one_process(tmp_path, monkeypatch):
    import gzip

    monkeypatch.setattr(csv_ranges, "_read", None)
    (tmp_path / "f.csv.gz").write_bytes(gzip.compress(b"x,t\n" + b"1,2\n" * 1000))
    one, ranged = both(tmp_path / "f.csv.gz", block_bytes=100, range_blocks=2)
    assert one == ranged and one[1] == 1000
