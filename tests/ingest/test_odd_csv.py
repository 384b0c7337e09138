"""Odd CSV files: each is read as float() and csv read it, or refused in one line with its place; none is half read."""

import csv
import io
import json
import time
from itertools import product

import numpy as np
import pytest

from recurrent.config.schema import RecordingOptions
from recurrent.ingest.csv_stream import CsvFile
from recurrent.ingest.download import DownloadError, File, fetch
from recurrent.ingest.text_table import read_table
from recurrent.sources import recording
from recurrent.storage.meta import SeriesMeta
from recurrent.storage.series import Series

NUMBERS = (
    "0 -0 +0 1 -1 +1 007 0.5 .5 5. -.5 +.5 1e3 1E3 1e+3 1e-3 1.5e2 1e05 0e0 1e22 1e23 5e-324 1e-400 -1e-400 0.1 "
    "2.2250738585072011e-308 1.7976931348623157e308 -1.7976931348623157e308 1e308 1e302 -1e302 9007199254740991 "
    "9007199254740992 -9007199254740992 9007199254740994 9007199254740993.0 0.30000000000000004 123456789012345678.5 "
    "3.14159265358979323846264338327950288 0.00000000000000000000000000000001 1e24 00000000000000000001 "
    "9223372036854775808 18446744073709551616 100000000000000000000 2e0 -0.0 +0.0 -.0 1.e1 .1e1 12345678901234567.0"
).split()
NO_NUMBERS = (
    "x nan NaN NAN inf -inf Infinity 1e999 -1e999 0x1F 0X1p3 1_000 1e 1e+ e5 . + - -. +-1 --1 1.2.3 1,5 1|5 True null "
    "NULL None N/A NA ? * 1f 1d 1L 1j 10% $1 €1 ٣ １ ½ ² Ⅷ −1 1‰ ∞ 9007199254740993 -9007199254740993 1e5.0 0b1 0o7 1h "
    "9007199254740995 18446744073709551615 1000000000000000000000000 12:30 2020-01-01 (1) 1- ''1 'a' =1+1 1&2 \\N #N/A "
    "#DIV/0! ,1 1, 1.5, on off 0x 1__0 _1 1_ 1e1e1 .e1 e ++1 1+ 0,0 nil undefined missing -nan +inf 1.#INF 1#J #REF! "
    "NaT 1/2 1*2 ~1 !1 @1 <1 >1 [1] {1} 1° 1µ 1m 1°C 5e-324x 1²"
).split(" ") + ["1\ufeff", "\u200b1", "1\u200b", "\x7f1", "1\x1b[0m", "", " ", "\t", '""', "' '", "1 2", "1\t2"]
# white space of Unicode, which a table drops around a value and a recording does not
BLANKS = ["1\xa0", "\xa01", "\u20091", "1\u2028", "1\x0b", "1\x0c", "1\x1c", "1\x85"]
PLACES = {"first": 0, "middle": 5, "last": 9}


def refused(path, read):
    """Give the one line by which a file is refused."""
    begin = time.monotonic()
    with pytest.raises(ValueError) as refusal:
        read()
    assert time.monotonic() - begin < 10
    said = str(refusal.value)
    assert said.startswith(str(path)) and "expected" in said and len(said) < 500
    assert len(said.splitlines()) == 1, said
    return said


def by_stream(path):
    """Read x and t of a file as a recording does."""
    blocks = list(CsvFile(path, signal=("x",), target="t", failure_threshold=None).blocks())
    return np.concatenate([signal for signal, _ in blocks])[:, 0], np.concatenate([t for _, t in blocks])[:, 0]


def by_table(path):
    """Read x and t of a file as a table does."""
    table = read_table(path, ["x", "t"])
    return table.numbers("x").to_numpy(), table.numbers("t").to_numpy()


READERS = [by_stream, by_table]


def column(text, place):
    values = [str(i) for i in range(10)]
    values[PLACES[place]] = text
    return values


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("place", PLACES)
def test_every_number_is_what_float_reads(tmp_path, read, place):
    for text, delimiter in product(NUMBERS, ",;\t|" if read is by_stream else ";"):
        for x, t in ((column(text, place), column("3", place)), (column("3", place), column(text, place))):
            path = tmp_path / "f.csv"
            path.write_text("\n".join([f"x{delimiter}t", *map(delimiter.join, zip(x, t, strict=True))]))
            for ours, texts in zip(read(path), (x, t), strict=True):
                assert ours.tolist() == [float(value) for value in texts]


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("place", PLACES)
def test_whatever_else_is_refused_with_its_line(tmp_path, read, place):
    path = tmp_path / "f.csv"
    for text in NO_NUMBERS + (BLANKS if read is by_stream else []):
        path.write_text("\n".join(["x;t", *map(";".join, zip(column(text, place), column("3", "last"), strict=True))]))
        assert refused(path, lambda: read(path)).startswith(f"{path}:{PLACES[place] + 2}: "), text


HEAD = b"x,t\n1,2\n"
FILES = {  # bytes -> None: refused; else the rows that they mean
    **{f"cut after {n}": (b'"x","t"\r\n"1","2"\r\n'[:n], None) for n in range(1, 16) if n not in (9,)},
    **{
        f"byte {b:#04x} in a number": (HEAD + b"3" + bytes([b]) + b"4,5\n", None)
        for b in (*range(9), 11, 12, *range(14, 32))
    },
    **{f"byte {b:#04x} is no UTF-8": (HEAD + bytes([b]) + b",5\n", None) for b in range(128, 256, 8)},
    **{f"{n} fields": (HEAD + b",".join([b"1"] * n) + b"\n", None) for n in (1, 3, 4, 100, 5000)},
    **{f"{n} empty lines first": (b"\n" * n + HEAD, [(1, 2)]) for n in (1, 2, 1000)},
    **{f"{n} empty lines last": (HEAD + b"\r\n" * n, [(1, 2)]) for n in (1, 2, 1000)},
    **{f"{n} empty lines inside": (HEAD + b"\n" * n + b"3,4\n", None) for n in (1, 2, 1000)},
    **{
        f"header {text!r}": (text + b"\n1,2\n", None)
        for text in (b"x", b"X,T", b"x t", b"x,,", b"1,2", b"x,x,t", b"t,t,x", b'"x,t', b"\0", b"x\xff,t")
    },
    "quoted": (b'"x","t"\n"1","2"\n', [(1, 2)]),
    "quote doubled": (b'x,t\n"1""",2\n', None),
    "quote open": (b'x,t\n"1,2\n3,4\n', None),
    "quote inside": (b'x,t\n1"2,3\n', None),
    "line end in quotes": (b'x,t\n"1\n",2\n', None),
    "spaces": (b" x , t \n 1 ,\t2 \n", [(1, 2)]),
    "byte order mark": (b"\xef\xbb\xbfx,t\n1,2\n", [(1, 2)]),
    "two byte order marks": (b"\xef\xbb\xbf\xef\xbb\xbfx,t\n1,2\n", None),
    "Windows": (b"x,t\r\n1,2\r\n", [(1, 2)]),
    "old Mac": (b"x,t\r1,2\r", None),
    "mixed ends": (b"x,t\n1,2\r\n3,4\n", [(1, 2), (3, 4)]),
    "two carriage returns": (b"x,t\n1,2\r\r\n3,4\n", None),
    "UTF-16": ("x,t\n1,2\n".encode("utf-16"), None),
    "UTF-16 unmarked": ("x,t\n1,2\n".encode("utf-16-le"), None),
    "UTF-32": ("x,t\n1,2\n".encode("utf-32"), None),
    "empty": (b"", None),
    "a space": (b" ", None),
    "header alone": (b"x,t\n", None),
    "nothing but delimiters": (b",,,\n,,,\n", None),
    "PNG": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" * 9, None),
    "gzip named .csv": (b"\x1f\x8b\x08\0\0\0\0\0\0\x03x", None),
    "zeros": (bytes(5000), None),
    "JSON": (b'{"x": 1, "t": 2}\n', None),
    "HTML": (b"<!DOCTYPE html>\n<html>404</html>\n", None),
    "comment first": (b"# made by hand\nx,t\n1,2\n", None),
    "comment inside": (HEAD + b"# 3,4\n", None),
    "units row": (b"x,t\nV,s\n1,2\n", None),
    "total row": (HEAD + b"total,2\n", None),
    "trailing delimiter": (b"x,t\n1,2,\n", None),
    "long number": (HEAD + b"1" * 400 + b",2\n", None),
    "long decimal": (HEAD + b"0." + b"1" * 5000 + b",2\n", [(1, 2), (1 / 9, 2)]),
    "long zeros": (HEAD + b"0" * 5000 + b"1,2\n", [(1, 2), (1, 2)]),
    "long text": (HEAD + b"y" * 200_000 + b",2\n", None),
    "long header": (b"x,t," + b"y" * 140_000 + b"\n1,2,3\n", None),
    "Arabic comma": ("x،t\n1،2\n".encode(), None),
}


def test_there_are_enough():
    assert len(NO_NUMBERS) + len(NUMBERS) + len(FILES) > 250


@pytest.mark.parametrize("read", READERS)
def test_files_are_right_or_refused(tmp_path, read):
    path = tmp_path / "f.csv"
    for name, (content, rows) in FILES.items():
        path.write_bytes(content)
        if read is by_table and name in ("mixed ends", "two carriage returns", "line end in quotes"):
            continue  # a table's fields may hold line ends; see tests/sources/test_table.py
        if rows is None:
            refused(path, lambda: read(path))
        else:
            assert list(zip(*map(np.ndarray.tolist, read(path)), strict=True)) == rows, name


def test_what_is_refused_leaves_the_series_before_it(tmp_path):
    options = RecordingOptions(("x",), "t", "", "", None, "keep")
    (tmp_path / "f.csv").write_bytes(HEAD)
    source = recording.read(options, tmp_path / "f.csv")
    source.write(tmp_path / "series")
    before = {path.name: path.read_bytes() for path in (tmp_path / "series").iterdir()}
    for content, rows in FILES.values():
        if rows is None:
            (tmp_path / "f.csv").write_bytes(content)
            refused(tmp_path / "f.csv", lambda: source.write(tmp_path / "series"))
            assert {path.name: path.read_bytes() for path in (tmp_path / "series").iterdir()} == before
            assert {path.name for path in tmp_path.iterdir()} == {"f.csv", "series"}


def rows_that_it_means(text):
    """Give what a CSV means, by Python's csv."""
    return list(csv.reader(io.StringIO(text, newline=""), strict=True))


@pytest.mark.real_data
def test_other_peoples_csv_is_read_right_or_refused(real_data, tmp_path):
    """csv-spectrum and csv-test-data; `bad-` must be refused."""
    right = 0
    for path in sorted((real_data / "odd").glob("csv-*/csv*/*.csv")):
        json_path = path.parents[1] / "json" / f"{path.stem}.json"
        expected = json.loads(json_path.read_text(encoding="utf-8")) if json_path.exists() else None
        wanted = ["foo", "bar", "baz"]
        if expected and isinstance(expected[0], dict):
            wanted, expected = list(expected[0]), [list(row.values()) for row in expected]
        elif expected:
            wanted, expected = expected[0], expected[1:]  # the file has no header: its first row stands for one
        if not expected or wanted == [""]:
            refused(path, lambda: read_table(path, wanted))  # noqa: B023
            continue
        try:
            found = read_table(path, wanted).texts.to_numpy().tolist()
        except ValueError as error:
            assert str(error).startswith(str(path)) and path.stem in ("empty-one-column",)
            continue
        ends = [[value.strip().replace("\r\n", "\n") for value in row] for row in expected]
        assert [[value.replace("\r\n", "\n") for value in row] for row in found] == ends, path
        right += 1
    assert right >= 24


@pytest.mark.real_data
def test_naughty_strings_name_columns_units_and_files(real_data, tmp_path):
    strings = json.loads((real_data / "odd" / "naughty-strings" / "blns.json").read_text(encoding="utf-8"))
    named = placed = 0
    for text in strings:
        path = tmp_path / "f.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([[text, "time to failure"], [1, 2], [3, 4]])
        options = RecordingOptions((text,), "time to failure", text, "s", None, "keep")
        try:
            recording.read(options, path).write(tmp_path / "series")
        except ValueError as error:
            assert str(error).startswith(f"{path}:") and len(str(error).splitlines()) == 1, text
        else:
            meta = Series.open(tmp_path / "series", SeriesMeta).meta
            assert meta.signal == (text,) and meta.units.signal == text
            named += 1
        if "/" not in text and "\0" not in text and text not in ("", ".", "..") and len(text.encode()) < 200:
            (tmp_path / "mirror").mkdir(exist_ok=True)
            (tmp_path / "mirror" / text).write_bytes(b"x")
            file = File(text, "https://example.org/x", None)
            try:
                found = fetch(file, tmp_path / "raw", cache=tmp_path / "cache", mirror=str(tmp_path / "mirror"))
            except (DownloadError, OSError) as error:
                pytest.fail(f"{text!r}: {error}")
            assert found == tmp_path / "raw" / text and found.read_bytes() == b"x"
            (tmp_path / "mirror" / text).unlink()
            placed += 1
    assert named > 450 and placed > 300
