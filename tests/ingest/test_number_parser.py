"""The compiled parser accepts what the plain one reads, to the bit, leaves the rest alone, and stays in bounds."""

import ctypes
import math
import mmap
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from machine import needs_compiler

from recurrent import compiled_c
from recurrent.ingest import number_parser
from recurrent.ingest.csv_block import BlockParser

pytestmark = needs_compiler

DECIMALS = st.builds("{}{}.{}".format, st.sampled_from(["", "-", "+"]), st.integers(0, 10**9), st.integers(0, 10**9))
FIELDS = st.one_of(
    st.integers(-(2**54), 2**54).map(str),
    DECIMALS,
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.from_regex(r"[ \t]?[+-]?([0-9]{1,20}\.?[0-9]{0,20}|\.[0-9]{1,9})([eE][+-]?[0-9]{1,3})?\r?", fullmatch=True),
    st.text(alphabet='01.-+e,x"\r\n \t;\0\ufeff\xe9', max_size=4),
)


def equal(ours, plain):
    return [(a.dtype, a.tobytes()) for a in ours] == [(b.dtype, b.tobytes()) for b in plain]


@settings(max_examples=500)
@given(
    rows=st.lists(st.tuples(FIELDS, FIELDS, FIELDS), min_size=1, max_size=3),
    names=st.sampled_from(["xyz", "xbz", "xyc", "ayz", "abz", "xbc"]),  # a, b and c are not wanted
    is_float=st.lists(st.booleans(), min_size=3, max_size=3),
    ends=st.sampled_from([("\n", "\n"), ("\n", ""), ("\r\n", "\r\n"), ("\r\n", "")]),
)
@example(rows=[("-0", "9007199254740991", "1e22")], names="xyz", is_float=[True, False, True], ends=("\n", ""))
def test_what_is_accepted_is_what_the_plain_parser_reads(rows, names, is_float, ends):
    text = ends[0].join(",".join(row) for row in rows) + ends[1]
    wanted = sorted(set(names) & set("xyz"), reverse=True)
    parser, is_float = BlockParser(",", list(names), wanted), tuple(is_float[: len(wanted)])
    ours = parser._compiled(text.encode(), is_float)
    if ours is not None:
        plain = parser.plain(text.encode(), is_float)
        assert plain.problem is None and plain.is_float == is_float
        assert equal(ours, plain.columns)


@settings(max_examples=800)
@given(digits=st.integers(0, 2**53 - 1), exponent=st.integers(-22, 22), sign=st.sampled_from(["", "-", "+"]))
def test_every_number_that_one_rounding_makes_exact_is_accepted(digits, exponent, sign):
    texts = [f"{sign}{digits}e{exponent}", f"{sign}{digits}E{exponent:+03d}"]
    (found,) = number_parser.parse("\n".join(texts).encode(), ",", "f")
    assert found.tobytes() == np.array([float(text) for text in texts]).tobytes()


def decimal(digits, places):
    shown = str(digits).zfill(places + 1)
    return f"{shown[: len(shown) - places]}.{shown[len(shown) - places :]}"


@settings(max_examples=500)
@given(digits=st.integers(0, 10**19 - 1), places=st.integers(0, 18))
@example(digits=2**53 + 1, places=0)  # a tie
@example(digits=2**63 + 3 * 2**10, places=0)
@example(digits=1204454317609205849, places=18)  # less than 2**-64 above a tie
def test_all_digits_of_a_long_decimal_count(digits, places):
    (found,) = number_parser.parse(decimal(digits, places).encode(), ",", "f")
    assert found.tolist() == [float(decimal(digits, places))]


@settings(max_examples=500)
@given(st.floats(1, 1e9), st.integers(9, 18))
def test_a_hair_beside_the_middle_between_two_doubles(value, places):
    middle = (Fraction(value) + Fraction(math.nextafter(value, math.inf))) / 2
    digits = int(middle * 10 ** (places := min(places, 19 - len(str(int(value))))))
    texts = [decimal(digits + i, places) for i in (0, 1)]
    (found,) = number_parser.parse("\n".join(texts).encode(), ",", "f")
    assert found.tolist() == [float(text) for text in texts]


@given(st.lists(st.floats(0.01, 1e9), min_size=1))
def test_what_repr_writes_is_accepted(values):
    (found,) = number_parser.parse("\n".join(map(repr, values)).encode(), ",", "f")
    assert found.tolist() == values


IN_DOUBT = [
    "-",
    "+",
    ".",
    "-.",
    "--1",
    "+-1",
    "1_0",
    "0x1",
    "1e",
    "1e+",
    "1.5.1",
    "nan",
    "inf",
    "1e18446744073709551617",
]
IN_DOUBT += ["1e23", "1e-23", "1e100", "9007199254740993e1", "9007199254740993e-19"]
IN_DOUBT += ["", " 1", "1 ", '"1"', "1\0", "1\r", "\r", "1" * 20, "18446744073709551617", "0" * 20, "\ufeff1", "٣"]


@pytest.mark.parametrize("kind", "if")
@pytest.mark.parametrize("field", IN_DOUBT)
def test_what_is_not_plain_is_left_alone(field, kind):
    assert number_parser.parse(b"1,1\n1,1\n", ",", kind + "f") is not None
    assert number_parser.parse(f"1,1\n{field},1\n".encode(), ",", kind + "f") is None
    assert number_parser.parse(f"1,1\n1,{field},1\n".encode(), ",", "f" + kind + "f") is None


def test_a_whole_column_takes_no_decimal():
    assert [number_parser.parse(field, ",", "i") for field in (b"1.0", b"1.", b"1e2", b".1")] == [None] * 4


def test_a_whole_column_takes_no_number_that_a_double_cannot_hold():
    (found,) = number_parser.parse(b"9007199254740991\n-9007199254740991", ",", "i")
    assert found.tolist() == [2**53 - 1, 1 - 2**53]
    assert number_parser.parse(b"9007199254740992", ",", "i") is None
    assert number_parser.parse(b"-9007199254740992", ",", "i") is None


@pytest.mark.parametrize(
    "text", [b"1\n", b"1,2,3\n", b"\n", b"1,2\n\n", b"\n1,2\n", b"1,2\n3\n", b"1\n,2\n", b"1,2\r\r\n", b"1;2\n"]
)
def test_lines_of_another_form_are_left_alone(text):
    assert number_parser.parse(text, ",", "if") is number_parser.parse(text, ",", "i ") is None


@pytest.mark.parametrize("delimiter", ",;\t|")
def test_text_that_nobody_wants_is_skipped_unless_it_may_hide_a_line(delimiter):
    block = "\ufeff;é,1\n,2\r\nnan,-3\n".replace(",", delimiter).encode() if delimiter != ";" else b"a;1\n;2\r\n,;-3\n"
    (found,) = number_parser.parse(block, delimiter, " i")
    assert found.tolist() == [1, 2, -3]
    (found,) = number_parser.parse(f"1{delimiter}\r\n2{delimiter}a\n3{delimiter}\r\n".encode(), delimiter, "i ")
    assert found.tolist() == [1, 2, 3]
    for byte in ('"', "\0", "\r"):
        assert number_parser.parse(f"a{byte}{delimiter}1\n".encode(), delimiter, " i") is None
        assert number_parser.parse(f"1{delimiter}a{byte}a\n".encode(), delimiter, "i ") is None


CUT = [
    "1",
    "-",
    "+",
    "1,",
    "1,-",
    "1,2",
    "1,2.",
    "1,2.5",
    "1,2.5e",
    "1,2e-",
    "1,2e-1",
    "1,2\r",
    "1,2.5,",
    "\r",
    "1,2\n3",
]


@pytest.mark.parametrize("text", [f"{start}{cut}\n" for start in ("", "1,2\n") for cut in CUT])
def test_no_byte_outside_the_block_or_the_columns_is_touched(text):
    """The block ends where memory does that must not be read: a step too far ends this process."""
    block, page, canary = text.encode(), mmap.PAGESIZE, 77
    memory = mmap.mmap(-1, 2 * page)
    start = ctypes.addressof(view := (ctypes.c_char * (2 * page)).from_buffer(memory))
    memory[page - len(block) : page] = block
    library, libc = number_parser.library(), ctypes.CDLL(None)
    place = ctypes.c_char_p(start + page - len(block))
    assert libc.mprotect(ctypes.c_void_p(start + page), page, 0) == 0
    for kinds in ("i ", "if", "ff", " f", "if ", "ff "):
        lines = library.lines(place, len(block))
        columns = [np.full(lines + 1, canary, number_parser.KINDS[kind]) for kind in kinds.strip() if kind != " "]
        places = (ctypes.c_void_p * len(columns))(*(column.ctypes.data for column in columns))
        rows = library.parse(place, len(block), b",", kinds.encode(), places)
        assert -1 <= rows <= lines == text.count("\n")
        assert [column[lines] for column in columns] == [canary] * len(columns)
    del view


def test_many_lines_are_counted():
    block = b"\n" * 777 + b"1\n" * 70_000 + b"\xff\x8a" * 300
    assert number_parser.library().lines(block, len(block)) == 70_777


@pytest.fixture
def nothing_loaded(monkeypatch):
    """Nothing is loaded yet, and nothing said, before and after, and no choice of the person who runs the tests."""
    monkeypatch.delenv("RECURRENT_MARCH", raising=False)
    compiled_c.load.cache_clear()
    number_parser.library.cache_clear()
    yield
    compiled_c.load.cache_clear()
    number_parser.library.cache_clear()


def test_what_cannot_be_had_is_said_once_with_the_reason(nothing_loaded, tmp_path, monkeypatch, capfd):
    (tmp_path / "cc").write_text("#!/bin/sh\necho 'cc: no such flag' >&2\nexit 1\n")
    (tmp_path / "cc").chmod(0o700)
    monkeypatch.setenv("CC", str(tmp_path / "cc"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert [number_parser.parse(b"1,2\n", ",", "if") for _ in range(3)] == [None] * 3
    (said,) = capfd.readouterr().err.splitlines()
    assert said.startswith("numbers are read by Arrow instead of the compiled parser: ")
    assert said.endswith("cc failed: cc: no such flag")


def test_nothing_is_said_where_it_can_be_had(nothing_loaded, capfd):
    assert number_parser.parse(b"1,2\n", ",", "if") is not None
    assert capfd.readouterr() == ("", "")
