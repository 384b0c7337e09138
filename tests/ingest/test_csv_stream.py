"""The CSV reader: every value as float() reads it, every problem named by line, wherever the blocks are cut."""

import csv
import gzip
import hashlib
import os
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest
import zstandard
from changed_files import CHANGES
from hypothesis import given
from hypothesis import strategies as st

from recurrent.ingest import line_blocks, number_parser
from recurrent.ingest.csv_block import BlockParser
from recurrent.ingest.csv_stream import CsvError, CsvFile

HEADER = b"x,t\n"
BLOCK_SIZES = (1, 7, 64, 1 << 21)


@pytest.fixture(scope="module", params=["compiled", "arrow"], autouse=True)
def fast_parser(request):
    """Run every test with the compiled parser, where there is a compiler, and as on a machine without."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "arrow":
            patch.setattr(number_parser, "library", lambda: None)
        yield request.param


def read(path, *, signal=("x",), target="t", failure_threshold=0.5, **options):
    source = CsvFile(path, signal=signal, target=target, failure_threshold=failure_threshold, **options)
    blocks = list(source.blocks())
    return source, np.concatenate([s for s, _ in blocks]), np.concatenate([t for _, t in blocks])


def put(folder, content, name="f.csv"):
    (folder / name).write_bytes(content)
    return folder / name


BAD = {
    "word": (HEADER + b"1,2\nabc,1\n", 3, "'x' holds 'abc'"),
    "empty value": (HEADER + b"1,\n", 2, "'t' holds ''"),
    "spaces only": (HEADER + b"1,2\n ,1\n", 3, "'x' holds ''"),
    "nan": (HEADER + b"1,2.5\n1,NaN\n", 3, "'t' holds 'NaN'"),
    "NULL": (HEADER + b"NULL,2\n", 2, "'x' holds 'NULL'"),
    "inf": (HEADER + b"1.5,2\n-inf,1\n", 3, "'x' holds '-inf'"),
    "overflow": (HEADER + b"1.5,2\n1e999,2\n", 3, "'x' holds '1e999'"),
    "hexadecimal": (HEADER + b"1,2\n0x1F,2\n", 3, "'x' holds '0x1F'"),
    "underscore": (HEADER + b"1_000,2\n", 2, "'x' holds '1_000'"),
    "exponent cut": (HEADER + b"1,2e\n", 2, "'t' holds '2e'"),
    "boolean": (HEADER + b"true,2\n", 2, "'x' holds 'true'"),
    "other digits": (HEADER + "٣,2\n".encode(), 2, "'x' holds '٣'"),
    "not UTF-8": (HEADER + b"1\xe9,2\n", 2, r"'x' holds '1\\xe9'"),
    "too few fields": (HEADER + b"1,2\n1\n1,2\n", 3, "1 fields, '1', expected 2"),
    "too many fields": (HEADER + b"1,2\n1,2,3\n", 3, "3 fields, '1,2,3', expected 2"),
    "decimal comma": (b"x;t\n1;2,5\n", 2, "'t' holds '2,5'"),
    "empty line": (HEADER + b"1,2\n\n1,1\n", 3, "an empty line"),
    "empty line under the header": (HEADER + b"\r\n1,2\n", 2, "an empty line"),
    "stray quote": (HEADER + b'1,2\n"3,1\n1,1\n', 3, "'\"3,1'"),
    "text after quote": (HEADER + b'"3"4,1\n', 2, "quotes"),
    "second header": (HEADER + b"1,2\n" + HEADER, 3, "'x' holds 'x'"),
    "second byte order mark": (HEADER + b"1,2\n\xef\xbb\xbf1,1\n", 3, r"'x' holds '\ufeff1'"),
    "NUL": (HEADER + b"1,2\n1,\0\0\n", 3, r"b'\x00' inside"),
    "NUL elsewhere": (b"x,t,name\n.5,.5,a\n.5,.5,\0\n", 3, r"b'\x00' inside"),
    "carriage return inside": (HEADER + b"1,2\n1,2\r1,1\n", 3, r"b'\r' inside b'1,2\r1,1'"),
    "old Mac": (b"x,t\r1,2\r1,1\r", 1, r"b'\r' inside b'x,t\r1,2\r1,1'"),
    "negative time": (HEADER + b"1,2\n1,-0.25\n", 3, "'t' holds -0.25"),
    "rise": (HEADER + b"1,2\n1,1.5\n1,1.75\n", 4, "holds 1.75 after 1.5, expected a time"),
    "bound": (HEADER + b"1,0.51\n1,9\n", 3, "rises only after at most 0.5"),
    "rise of integers": (HEADER + b"0,2\n0,0\n0,1\n1,2.5\n", 5, "holds 2.5 after 1,"),
    "rise at a border": (HEADER + b"1,2\n1,3\n", 3, "holds 3 after 2,"),
    "first of two problems": (HEADER + b"1,2\n1,3\nabc,1\n", 3, "holds 3 after 2"),
    "no such column": (b"x,time\n1,2\n", 1, "no column 't', found ['x', 'time']"),
    "misspelt column": (b"x,tt\n1,2\n", 1, "did you mean 'tt'?"),
    "twice": (b"x,t,x\n1,2,3\n", 1, "2 columns 'x'"),
    "no header": (b"12,1.4691\n6,1.4690\n", 1, "no header but numbers, '12,1.4691'"),
    "unknown delimiter": (b"\n\nx^t\n1^2\n", 3, "no column 'x', found ['x^t']"),
    "UTF-16": ("x,t\n1,2\n".encode("utf-16"), 1, "UTF-16"),
    "binary": (b"\x89PNG\r\n\x1a\n\0\0", 1, "PNG"),
    "empty file": (b"", None, "an empty file"),
    "empty lines only": (b"\n\r\n\n", None, "an empty file"),
    "header only": (HEADER + b"\n", None, "a header without rows"),
}


@pytest.mark.parametrize("size", BLOCK_SIZES)
@pytest.mark.parametrize("case", BAD)
def test_bad_file_is_refused_by_line_and_value(tmp_path, case, size):
    content, line, found = BAD[case]
    path = put(tmp_path, content)
    with pytest.raises(CsvError) as refusal:
        read(path, block_bytes=size)
    message = str(refusal.value)
    assert message.startswith(f"{path}: " if line is None else f"{path}:{line}: ")
    assert found in message and "expected" in message


GOOD = {
    "plain": HEADER + b"1,2\n-3,1.5\n",
    "no last newline": HEADER + b"1,2\n-3,1.5",
    "carriage returns": b"x,t\r\n1,2\r\n-3,1.5\r\n",
    "byte order mark": b"\xef\xbb\xbfx,t\n1,2\n-3,1.5\n",
    "empty lines before and after": b"\n\r\n" + HEADER + b"1,2\n-3,1.5\n\n\r\n\n",
    "semicolons": b"x;t\n1;2\n-3;1.5\n",
    "tabs": b"x\tt\n1\t2\n-3\t1.5\n",
    "bars": b"x|t\n1|2\n-3|1.5\n",
    "spaces": b" x , t \n 1 , 2 \n -3\t, 1.5\n",
    "quoted": b'"x","t"\n"1",2\n-3,"1.5"\n',
    "plus": HEADER + b"+1,2\n-3,+1.5\n",
    "unnamed index": b",x,t\n0,1,2\n1,-3,1.5\n",
    "other columns": b'a,t,b,b,x\n\xe9,2,,NaN,1\n"a,b",1.5,0x,,-3\n',
}


@pytest.mark.parametrize("size", BLOCK_SIZES)
@pytest.mark.parametrize("case", GOOD)
def test_good_file_is_read(tmp_path, case, size):
    source, signal, target = read(put(tmp_path, GOOD[case]), block_bytes=size)
    assert (source.rows, source.failures) == (2, [])
    assert signal.dtype == np.int64 and signal.tolist() == [[1], [-3]]
    assert target.dtype == np.float64 and target.tolist() == [[2.0], [1.5]]
    assert source.columns[-1] in ("t", "x")
    assert source.md5 == hashlib.md5(GOOD[case]).hexdigest()


TEXT = HEADER + b"".join(b"%d,%.4f\n" % (i % 90, 9 - i * 1e-4) for i in range(9000))


def packed(folder, name):
    if name.endswith(".zip"):
        with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("inside.csv", TEXT)
    else:
        pack = gzip.compress if name.endswith(".gz") else zstandard.ZstdCompressor(write_checksum=True).compress
        put(folder, pack(TEXT[:999]) + pack(TEXT[999:]), name)  # two members, as `cat` makes them
    return folder / name


@pytest.mark.parametrize("name", ["f.csv.gz", "f.csv.zst", "f.zip"])
def test_packed_file(tmp_path, name):
    path = packed(tmp_path, name)
    _, signal, target = read(put(tmp_path, TEXT, "plain.csv"))
    source, signal_packed, target_packed = read(path, block_bytes=5000)
    np.testing.assert_array_equal(signal_packed, signal)
    np.testing.assert_array_equal(target_packed, target)
    assert source.rows == 9000 and source.md5 == hashlib.md5(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("name", ["f.csv.gz", "f.csv.zst", "f.zip"])
def test_damaged_packed_file(tmp_path, name):
    content = packed(tmp_path, name).read_bytes()
    half = len(content) // 2
    for damaged in (content[:-9], content[:half] + bytes(20) + content[half + 20 :], b"plain text"):
        with pytest.raises(CsvError, match=f"{name}.*damaged"):
            read(put(tmp_path, damaged, name))


def test_zip_holds_one_file(tmp_path):
    with zipfile.ZipFile(tmp_path / "f.zip", "w") as archive:
        archive.writestr("a.csv", TEXT)
        archive.writestr("b.csv", TEXT)
    with pytest.raises(CsvError, match=r"f.zip: 2 files inside \['a.csv', 'b.csv'\], expected exactly one"):
        read(tmp_path / "f.zip")


def test_no_file(tmp_path):
    with pytest.raises(CsvError, match="none.csv: No such file"):
        read(tmp_path / "none.csv")
    with pytest.raises(CsvError, match="Is a directory"):
        read(tmp_path)


def test_endless_line(tmp_path, monkeypatch):
    monkeypatch.setattr(line_blocks, "LINE_BYTES", 100)
    with pytest.raises(CsvError, match=r"f.csv:3: no line end in 100 bytes"):
        read(put(tmp_path, HEADER + b"1,2\n" + b"1" * 300 + b",1\n"), block_bytes=16)
    with pytest.raises(CsvError, match=r"f.csv:5: no line end in 100 bytes"):
        read(put(tmp_path, HEADER + b"1,2\n\n\n" + b"1" * 300), block_bytes=16)
    with pytest.raises(CsvError, match="old Mac"):
        read(put(tmp_path, b"x,t\r" + b"1,2\r" * 100), block_bytes=16)


@pytest.mark.parametrize("size", range(4, 50))  # a border between blocks at every line, and inside every line
def test_failures(tmp_path, size):
    path = put(tmp_path, HEADER + b"1,0.75\n1,0.5\n1,9\n1,9\n1,0\n1,0.25\n1,7\n")
    assert read(path, block_bytes=size)[0].failures == [2, 5, 6]
    assert read(put(tmp_path, HEADER + b"1,-2\n1,7\n"), failure_threshold=None)[0].failures == []


@pytest.mark.parametrize("size", BLOCK_SIZES)
def test_a_column_is_whole_until_it_is_not(tmp_path, size):
    path = put(tmp_path, b"a,b,t\n1,4,1\n2,5.5,1\n3,9007199254740994,1\n")
    _, signal, target = read(path, signal=("b", "a"), block_bytes=size)
    assert signal.tolist() == [[4.0, 1.0], [5.5, 2.0], [9007199254740994.0, 3.0]]
    assert signal.dtype == np.float64 and target.dtype == np.int64
    beyond = put(tmp_path, b"x,t\n1,1\n9007199254740994,1\n", "beyond.csv")
    assert read(beyond, block_bytes=size)[1].tolist() == [[1.0], [9007199254740994.0]]
    _, signal, target = read(path, signal=("a",), target="a", failure_threshold=None, block_bytes=size)
    assert signal.dtype == np.int64 and signal.tolist() == target.tolist() == [[1], [2], [3]]


@pytest.mark.parametrize("size", [1, 9, 30, 100, 1000])
@pytest.mark.parametrize("row", [1, 20, 199])
def test_a_block_is_whole_numbers_until_the_first_decimal(tmp_path, size, row):
    lines = [b"-0,%d" % (300 - i) for i in range(200)]  # -0 is 0 as an integer, -0.0 as a float
    lines[row] = b"0.5,%d" % (300 - row)
    path = put(tmp_path, b"x,t\r\n" + b"\r\n".join(lines))
    source = CsvFile(path, signal=("x", "t"), target="t", failure_threshold=0.5, block_bytes=size)
    begin = 0
    for signal, target in source.blocks():
        end = begin + len(signal)
        assert signal.dtype == (np.float64 if end > row else np.int64) and target.dtype == np.int64
        expected = [0.5 if i == row else -0.0 if end > row else 0 for i in range(begin, end)]
        assert signal[:, 0].tobytes() == np.array(expected, signal.dtype).tobytes()
        begin = end
    assert begin == 200


def test_of_two_problems_the_one_further_up_is_named(tmp_path, monkeypatch):
    path = put(tmp_path, HEADER + b"1,2\n" * 3 + b"first,2\n" + b"second,2\n" + b"1" * 300)
    monkeypatch.setattr(line_blocks, "LINE_BYTES", 100)
    for size in BLOCK_SIZES:
        with pytest.raises(CsvError, match=r"f.csv:5: column 'x' holds 'first'"):
            read(path, block_bytes=size)


@pytest.mark.parametrize("bad", [b"first,2\n", b"1,99\n", b"\n1,2\n"])
def test_a_problem_leaves_no_thread_to_the_garbage_collector(tmp_path, bad):
    before = set(threading.enumerate())
    path = put(tmp_path, HEADER + b"1,2\n" * 9 + bad + b"1,2\n" * 99)
    with pytest.raises(CsvError) as refusal:
        read(path, block_bytes=8)
    assert refusal.tb is not None  # which holds every frame, and what is not closed in them
    assert set(threading.enumerate()) <= before


def test_reading_twice_gives_the_same(tmp_path):
    source, signal, _ = read(put(tmp_path, TEXT))
    again = np.concatenate([s for s, _ in source.blocks()])
    assert source.rows == len(again) and (again == signal).all()


NUMBERS = st.one_of(
    st.integers(-(10**20), 10**20).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.from_regex(r"[ \t]?[+-]?([0-9]{1,25}\.?[0-9]{0,25}|\.[0-9]{1,9})([eE][+-]?[0-9]{1,2})?[ \t]?", fullmatch=True),
)


@given(texts=st.lists(NUMBERS, min_size=1, max_size=20), size=st.integers(1, 200))
def test_every_number_is_what_float_reads(tmp_path_factory, texts, size):
    path = put(tmp_path_factory.mktemp("f"), b"x\n" + "\n".join(texts).encode())
    # an integer is not rounded without a word
    lost = [i for i, t in enumerate(texts) if t.strip().lstrip("+-").isdigit() and int(t) != float(t)]
    if lost:
        with pytest.raises(CsvError, match=rf":{lost[0] + 2}: column 'x' holds .* expected an integer that float64"):
            read(path, target="x", failure_threshold=None, block_bytes=size)
    else:
        _, signal, _ = read(path, target="x", failure_threshold=None, block_bytes=size)
        assert signal[:, 0].tolist() == [float(text) for text in texts]


@pytest.mark.parametrize("rows", [b"1\n9007199254740993", b"0.5\n9007199254740993", b"1\n-9007199254740993\n0.5"])
def test_an_integer_that_float64_would_change_is_refused(tmp_path, rows):
    with pytest.raises(CsvError, match=r"f.csv:3: column 'x' holds '-?9007199254740993', expected an integer that"):
        read(put(tmp_path, b"x\n" + rows), target="x", failure_threshold=None)


def test_a_pipe_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "f.csv")  # to open it would wait for a writer
    with pytest.raises(CsvError, match="f.csv: a pipe, a socket or a device, expected a file"):
        read(tmp_path / "f.csv")
    with pytest.raises(CsvError, match="zero: a pipe"):
        read(Path("/dev/zero"))


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_millions_of_empty_lines_take_no_time(tmp_path, end):
    path = put(tmp_path, end * 4_000_000 + HEADER + b"1,2\n" + end * 4_000_000)
    assert read(path)[0].rows == 1  # minutes, where each line copies what follows it
    with pytest.raises(CsvError, match=r"f.csv:4000003: an empty line"):
        read(put(tmp_path, end * 4_000_000 + HEADER + b"1,2\n" + end * 4_000_000 + b"1,2\n"))
    with pytest.raises(CsvError, match=r"f.csv:5: b'\\r' inside b'\\r'"):  # the line \r\r\n is not empty
        read(put(tmp_path, HEADER + b"1,2\n1,2\n1,2\n\r\r\n\n\n"))


def test_a_header_of_any_length_is_read_or_refused_with_the_reason(tmp_path):
    names = b",".join(b"column%d" % i for i in range(9000))
    assert read(put(tmp_path, names + b",x,t\n" + b"1," * 9001 + b"1\n"))[0].rows == 1
    with pytest.raises(
        CsvError, match=r"f.csv:1: a header of 13\d{4} bytes, b'x,t,x{50,}.*'\.\.\., expected at most 131072$"
    ):
        read(put(tmp_path, b"x,t," + b"x" * 132_000 + b"\n1,2,3\n"))
    with pytest.raises(CsvError, match="no column 'x', found .* and 8990 more"):
        read(put(tmp_path, names + b"\n"))


@given(
    content=st.text(alphabet='01.-e,x"\r\n \t;\0\ufeff', max_size=60),
    size=st.integers(1, 70),
)
def test_any_text_is_read_or_refused_the_same_wherever_blocks_are_cut(tmp_path_factory, content, size):
    path = put(tmp_path_factory.mktemp("f"), b"x,t\n1,2\n" + content.encode())

    def outcome(**options):
        try:
            source, signal, target = read(path, **options)
        except CsvError as error:
            return str(error)
        return source.failures, signal.tolist(), target.tolist()

    whole, cut = outcome(), outcome(block_bytes=size)
    assert whole == cut
    if not isinstance(whole, str):  # no line is lost
        assert len(whole[1]) == 1 + len(content.rstrip("\r\n").split("\n")) - (not content.rstrip("\r\n"))


def test_fast_and_plain_parser_agree(tmp_path, monkeypatch):
    path = put(tmp_path, TEXT)
    fast = read(path)
    monkeypatch.setattr(BlockParser, "parse", BlockParser.plain)
    plain = read(path)
    for a, b in zip(fast[1:], plain[1:], strict=True):
        assert a.dtype == b.dtype and a.tobytes() == b.tobytes()


def test_the_fast_parser_is_used(tmp_path, monkeypatch, fast_parser):
    lines = {"plain": [], "_arrow": []}

    def counted(name, parse):
        return lambda self, block, real: lines[name].append(block.count(b"\n")) or parse(self, block, real)

    for name in lines:
        monkeypatch.setattr(BlockParser, name, counted(name, getattr(BlockParser, name)))
    compiled = fast_parser == "compiled" and number_parser.library() is not None
    read(put(tmp_path, TEXT), block_bytes=10_000)
    assert lines["plain"] == [1]  # the first row, which has a decimal, tried as one of integers before
    assert lines["_arrow"][0] == 1 and sum(lines["_arrow"][1:]) == (0 if compiled else 9000)


def test_progress_is_quiet_off_a_terminal(tmp_path, capfd):
    read(put(tmp_path, TEXT), progress=True)
    assert capfd.readouterr().err == ""


@pytest.mark.real_data
def test_real_laboratory_data_bit_for_bit(real_data):
    path = real_data / "lanl" / "train_first_150000.csv"
    with path.open(newline="") as file:
        rows = list(csv.reader(line for line in file if line.strip()))
    source, signal, target = read(path, signal=("acoustic_data",), target="time_to_failure", failure_threshold=0.01)
    assert source.columns == rows[0] and source.rows == 149_999 and source.failures == []
    assert source.md5 == "43a16aaaffb82dbc5a95f8ac34f84ae5"
    assert signal.dtype == np.int64 and signal[:, 0].tolist() == [int(row[0]) for row in rows[1:]]
    assert target.tobytes() == np.array([float(row[1]) for row in rows[1:]]).tobytes()


@pytest.mark.parametrize("change", CHANGES)
def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path, change):
    path = tmp_path / "a.csv"
    path.write_text("s,longer\n" + "1,2\n" * 10_000 + "\n")
    alter, message = CHANGES[change]
    source = CsvFile(path, signal=("s",), target="longer", failure_threshold=None, block_bytes=1 << 12)
    blocks = source.blocks()
    next(blocks)
    alter(path)
    with pytest.raises(CsvError, match=f"a.csv:.*{message}"):
        list(blocks)
    assert source.md5 == ""
