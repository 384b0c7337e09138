"""The series on disk: what goes in comes out, in the narrowest dtype, whole or not at all."""

import io
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recurrent.storage.digest import write_sealed
from recurrent.storage.meta import Meta
from recurrent.storage.series import Recording, Series
from recurrent.storage.series_writer import SeriesWriter


@dataclass(frozen=True)
class Note(Meta):
    zebra: int = 1
    ant: tuple[int, ...] = (2,)
    absent: str | None = None


def write(folder: Path, *signals) -> Series[Note]:
    with SeriesWriter(folder) as writer:
        for signal in signals:
            signal = np.asarray(signal).reshape(len(signal), 1)
            writer.append(signal, np.zeros((len(signal), 1)))
        writer.finish(Note())
    return Series.open(folder, Note)


def test_round_trip(tmp_path):
    signal, target = np.arange(6).reshape(3, 2), np.array([[0.1], [0.2], [0.3]])
    group = np.array([7, 7, 8])
    with SeriesWriter(tmp_path / "deep" / "series") as writer:
        writer.append(signal[:2], target[:2], group[:2])
        writer.append(signal[2:], target[2:], group[2:])
        writer.finish(Note(7))
    series = Series.open(tmp_path / "deep" / "series", Note)
    np.testing.assert_array_equal(series.signal, signal)
    np.testing.assert_array_equal(series.target, target)
    np.testing.assert_array_equal(series.group, group)
    assert series.meta == Note(7)
    meta = json.loads((tmp_path / "deep" / "series" / "meta.json").read_text())
    dtype = {"signal": "int16", "target": "float64", "group": "int16"}
    assert set(meta.pop("files")) == {f"{name}.npy" for name in dtype} and meta.pop("digest") == series.digest
    assert meta == {"zebra": 7, "ant": [2], "rows": 3, "dtype": dtype}  # and nothing of what is None
    assert isinstance(series.signal, np.memmap) and not series.signal.flags.writeable


def test_without_group(tmp_path):
    assert write(tmp_path / "s", [1, 2]).group is None


def test_a_recording_writes_all_that_it_has(tmp_path):
    group, known = np.array([4, 4, 5]), np.array([True, False, True])
    Recording(np.arange(3)[:, None], np.arange(3)[:, None] / 2, group, Note(), known).write(tmp_path / "series")
    series = Series.open(tmp_path / "series", Note)
    assert series.group.tolist() == group.tolist() and series.known.tolist() == known.tolist()


def test_blocks_are_rows_of_the_arrays(tmp_path):
    signal, target = np.arange(33).reshape(11, 3), np.arange(22).reshape(11, 2) / 2
    with SeriesWriter(tmp_path / "series") as writer:
        writer.append(signal, target)
        writer.finish(Note())
    blocks = list(Series.open(tmp_path / "series", Note).blocks(4, 1, 10))
    assert [len(of_signal) for of_signal, _ in blocks] == [4, 4, 1]
    for column, expected in enumerate((signal, target)):
        np.testing.assert_array_equal(np.concatenate([block[column] for block in blocks]), expected[1:10])


def test_what_is_truncated_is_gone_and_the_next_rows_follow_what_is_left(tmp_path):
    signal = np.arange(12).reshape(6, 2)
    with SeriesWriter(tmp_path / "series") as writer:
        writer.append(signal[:5], signal[:5])
        writer.truncate(9)
        assert writer.rows == 5
        writer.truncate(3)
        assert writer.rows == 3
        writer.append(signal[5:], signal[5:])
        writer.finish(Note())
    series = Series.open(tmp_path / "series", Note)
    assert series.signal.tolist() == series.target.tolist() == signal[[0, 1, 2, 5]].tolist()


def test_files_are_those_of_np_save_and_do_not_depend_on_the_blocks(tmp_path):
    signal = np.arange(70_000).reshape(-1, 1)
    write(tmp_path / "whole", signal)
    write(tmp_path / "cut", signal[:3], signal[3:3], signal[3:40_000], signal[40_000:])
    saved = io.BytesIO()
    np.save(saved, signal.astype(np.int32))
    assert (tmp_path / "whole/signal.npy").read_bytes() == saved.getvalue()
    for path in (tmp_path / "whole").iterdir():
        assert path.read_bytes() == (tmp_path / "cut" / path.name).read_bytes(), path.name


@pytest.mark.parametrize(
    ("blocks", "dtype"),
    [
        ([[32767], [-32768]], "int16"),
        ([[1], [32768]], "int32"),
        ([[-32769], [1]], "int32"),
        ([[1], [2**31]], "int64"),
        ([[2**62], [-1]], "int64"),
        ([[1], [40_000], [2**40], [0.5]], "float64"),
        ([[0.5], [3]], "float64"),
        ([[2**53], [0.5]], "float64"),
        ([np.array([1.5], np.float32)], "float64"),
        ([np.array([True]), np.array([200], np.uint8)], "int16"),
    ],
)
def test_dtype_is_the_narrowest_that_holds_all(tmp_path, blocks, dtype):
    series = write(tmp_path / "s", *blocks)
    assert series.signal.dtype == dtype
    assert series.signal[:, 0].tolist() == [value for block in blocks for value in np.asarray(block).tolist()]


@given(values=st.lists(st.integers(-(2**40), 2**40) | st.integers(-40_000, 40_000), min_size=2), data=st.data())
def test_any_cut_gives_the_same(tmp_path_factory, values, data):
    folder, cut = tmp_path_factory.mktemp("s"), data.draw(st.integers(1, len(values) - 1))
    whole, parts = write(folder / "whole", values), write(folder / "parts", values[:cut], values[cut:])
    assert whole.signal.dtype == parts.signal.dtype
    assert whole.signal[:, 0].tolist() == parts.signal[:, 0].tolist() == values


def test_refused(tmp_path):
    one = np.ones((1, 1))
    refused = [
        (
            "signal: row 3 holds .*nan",
            [(np.ones((2, 1)), np.ones((2, 1))), (np.array([[1], [np.nan]]), np.ones((2, 1)))],
        ),
        ("target: row 0 holds .*inf", [(one, one * np.inf)]),
        ("unequal length", [(np.ones((2, 1)), one)]),
        ("1 dimensions|expected 2 dimensions", [(np.ones(1), one)]),
        (r"rows of shape \(2,\)", [(one, one), (np.ones((1, 2)), one)]),
        (r"row 1: got \['signal', 'target', 'group'\]", [(one, one), (one, one, np.ones(1, int))]),
        (r"2\*\*53", [(np.array([[2**53 + 1]]), one), (one * 0.5, one)]),
        (r"2\*\*53", [(one * 0.5, one), (np.array([[-(2**53) - 1]]), one)]),
        ("64 bits", [(np.array([[2**64 - 1]], np.uint64), one)]),
        ("dtype <U1", [(np.array([["a"]]), one)]),
        ("no rows", [(np.ones((0, 1)), np.ones((0, 1)))]),
        ("no rows", []),
    ]
    for message, blocks in refused:
        with pytest.raises(ValueError, match=message), SeriesWriter(tmp_path / "s") as writer:
            for block in blocks:
                writer.append(*block)
            writer.finish(Note())
        assert not list(tmp_path.iterdir()), message


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_failure_leaves_nothing_and_keeps_the_old(tmp_path, error):
    folder = tmp_path / "s"
    for old in ([], [5]):
        if old:
            write(folder, old)
        with pytest.raises(error), SeriesWriter(folder) as writer:
            writer.append(np.ones((1, 1)), np.ones((1, 1)))
            assert len(list(tmp_path.iterdir())) == 1 + len(old)  # the temporary folder lies beside it
            raise error
        assert [path.name for path in tmp_path.iterdir()] == ["s"] * len(old)
    assert Series.open(folder, Note).signal.tolist() == [[5]]


def test_replaces_a_series_but_nothing_else(tmp_path):
    write(tmp_path / "s", [1, 2])
    assert write(tmp_path / "s", [3]).signal.tolist() == [[3]]
    assert [path.name for path in tmp_path.iterdir()] == ["s"]
    (tmp_path / "s" / "diary.txt").write_text("dear")
    with pytest.raises(ValueError, match="holds diary.txt"):
        write(tmp_path / "s", [4])
    assert (tmp_path / "s" / "diary.txt").read_text() == "dear"


def test_finish_is_not_forgotten(tmp_path):
    with pytest.raises(ValueError, match="finish"), SeriesWriter(tmp_path / "s") as writer:
        writer.append(np.ones((1, 1)), np.ones((1, 1)))
    assert not list(tmp_path.iterdir())


def test_meta_is_sorted(tmp_path):
    write(tmp_path / "s", [1])
    text = (tmp_path / "s" / "meta.json").read_text()
    assert text.index("ant") < text.index("dtype") < text.index("rows") < text.index("zebra")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"zebra": "1"}, "zebra: Input should be a valid integer, found '1'"),
        ({"ant": [2, 0.5]}, "ant.1: Input should be a valid integer"),
        ({"bee": 1}, "bee: Unexpected keyword argument"),
    ],
)
def test_a_meta_of_another_kind_is_refused_by_key(tmp_path, change, message):
    write(tmp_path / "s", [1])
    path = tmp_path / "s" / "meta.json"
    values = json.loads(path.read_text()) | change
    for key in ("files", "digest"):
        del values[key]
    write_sealed(path, values, (tmp_path / "s").glob("*.npy"))
    with pytest.raises(ValueError, match=f"meta.json: {message}"):
        Series.open(tmp_path / "s", Note)


@pytest.mark.parametrize("name", ["signal.npy", "target.npy", "meta.json"])
@pytest.mark.parametrize("harm", ["bit", "cut", "empty", "gone"])
def test_open_names_the_damaged_file_and_the_cure(tmp_path, name, harm):
    write(tmp_path / "s", [1, 2, 3])
    path = tmp_path / "s" / name
    content = bytearray(path.read_bytes())
    content[len(content) - 4] ^= 1
    path.write_bytes({"bit": bytes(content), "cut": content[:-4], "empty": b"", "gone": b""}[harm])
    if harm == "gone":
        path.unlink()
    with pytest.raises(ValueError, match=rf"{name}(: damaged.* delete it and| is missing;) run dvc repro"):
        Series.open(tmp_path / "s", Note)


def test_known_labels_are_kept_beside_the_target(tmp_path):
    rows, known = np.arange(4.0)[:, None], np.array([True, False, True, True])
    with SeriesWriter(tmp_path / "s") as writer:
        writer.append(rows[:2], rows[:2], known=known[:2])
        writer.append(rows[2:], rows[2:], known=known[2:])
        writer.finish(Note())
    assert Series.open(tmp_path / "s", Note).known.astype(bool).tolist() == known.tolist()
    assert write(tmp_path / "s", [1, 2]).known is None and not (tmp_path / "s" / "known.npy").exists()
