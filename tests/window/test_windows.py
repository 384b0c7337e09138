"""From a series to windows: every number by hand, no window across a boundary, nothing of the future."""

import re
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seeds import rng
from small_windows import bounds, write_series
from small_windows import cut as cut_series

from recurrent.storage.meta import SeriesMeta, SourceMeta, Units
from recurrent.storage.series import Series
from recurrent.storage.series_writer import SeriesWriter
from recurrent.window import steps
from recurrent.window.meta import PARTS
from recurrent.window.part import Part
from recurrent.window.split import in_time
from recurrent.window.windows import Windows

# five cycles, whose parts under 60/20/20 are rows 0..17, 18..24 and 25..30
FAILURES, ROWS = (4, 11, 18, 25), 31


def cut(folder, signal, *, target=None, failures=(), **params) -> Windows:
    return cut_series(folder, write_series(folder, signal, target, failures=tuple(failures)), **params)


def part_of(begin, end, *sizes) -> Part:
    return Part(np.array([[begin, end]]), np.array([begin]), None, *sizes, horizon=0, one_window_per_group=False)


@pytest.mark.parametrize(
    ("statistic", "expected"),
    [
        ("mean", [2, 7, 1]),
        ("std", [1, 2, 4]),
        ("max", [3, 9, 5]),
        ("log_mean", np.log([2, 7, 1])),
        ("log_std", np.log([1, 2, 4])),
    ],
)
def test_statistics_by_hand(tmp_path, statistic, expected):
    series = write_series(tmp_path, [1, 3, 5, 9, -3, 5])
    [(features, _)] = steps.aggregate(series, 2, (statistic,))
    np.testing.assert_allclose(features[:, 0], expected, rtol=1e-15)


def test_statistics_of_16_bits_do_not_overflow(tmp_path):
    [(features, _)] = steps.aggregate(write_series(tmp_path, [-32768, 1]), 2, ("max", "std"))
    assert features.tolist() == [[32768, 16384.5]]


def test_each_statistic_has_all_columns_in_order(tmp_path):
    signal = np.c_[np.arange(12), 100 + 2 * np.arange(12)]
    windows = cut(tmp_path, signal, samples_per_step=2, seq_len=1, batch_size=1, statistics=("max", "mean"))
    assert [*windows.meta.features] == ["max of c0", "max of c1", "mean of c0", "mean of c1"]
    assert windows.steps.signal[:2].tolist() == [[1, 102, 0.5, 101], [3, 106, 2.5, 105]]


def test_blocks_leave_no_trace(tmp_path, monkeypatch):
    signal = rng(0).integers(-9, 9, (103, 2))
    found = []
    for rows in (1, 3, 10, 64, 1 << 20):
        monkeypatch.setattr(steps, "BLOCK_ROWS", rows)
        cut(tmp_path, signal, samples_per_step=3, statistics=("mean", "std", "max"))
        found.append([path.read_bytes() for path in sorted((tmp_path / "windows").iterdir())])
    assert all(files == found[0] for files in found)


@pytest.mark.parametrize("rows", [2, 1 << 20])
def test_the_logarithm_of_a_constant_stretch_is_refused_by_row(tmp_path, monkeypatch, rows):
    monkeypatch.setattr(steps, "BLOCK_ROWS", rows)
    with pytest.raises(ValueError, match=r"rows 4 to 5: log_std is \[-inf\]"):
        cut(tmp_path, [1, 2, 1, 2, 7, 7, 1, 2, 1, 2], samples_per_step=2, seq_len=1, statistics=("log_std",))
    assert not (tmp_path / "windows").exists()


def test_a_step_has_the_label_of_its_last_sample_and_leftovers_are_dropped(tmp_path):
    windows = cut(tmp_path, np.ones(14), target=np.arange(14) / 4, samples_per_step=4, seq_len=1, batch_size=1,
                  statistics=("mean",))  # fmt: skip
    assert windows.steps.target[:, 0].tolist() == [0.75, 1.75, 2.75]


def test_single_samples_stay_integers(tmp_path):
    windows = cut(tmp_path, np.arange(20) - 5)
    assert windows.steps.signal.dtype == np.int16 and windows.steps.signal[:, 0].tolist() == [*range(-5, 15)]


@pytest.mark.parametrize(
    ("cycles", "train", "validation"), [(3, 1, 1), (4, 2, 1), (5, 3, 1), (6, 4, 1), (10, 6, 2), (100, 60, 20)]
)
def test_parts_meet_at_failures_60_20_20(cycles, train, validation):
    failures = [7 * i for i in range(1, cycles)]
    limits = in_time(rows=7 * cycles, failures=failures, samples_per_step=1, fractions=(0.6, 0.2))
    assert [end // 7 for _, end in limits] == [train, train + validation, cycles]
    assert [begin // 7 for begin, _ in limits] == [0, train, train + validation]


def test_fewer_than_three_cycles_are_refused():
    with pytest.raises(ValueError, match="2 cycles .* contiguous"):
        in_time(rows=10, failures=[5], samples_per_step=1, fractions=(0.6, 0.2))


@pytest.mark.parametrize(("rows", "samples"), [(2, 1), (8, 3)])
def test_fewer_than_three_steps_are_refused(rows, samples):
    with pytest.raises(ValueError, match="2 steps: record more; three parts need at least 3"):
        in_time(rows=rows, failures=[], samples_per_step=samples, fractions=(0.6, 0.2))


@given(
    lengths=st.lists(st.integers(1, 40), min_size=3, max_size=12),
    samples=st.integers(1, 9),
    fractions=st.sampled_from([(0.6, 0.2), (0.1, 0.1), (0.45, 0.45), (0.9, 0.05), (0.05, 0.9)]),
)
def test_a_step_that_straddles_parts_belongs_to_neither(lengths, samples, fractions):
    *failures, rows = np.cumsum(lengths).tolist()
    limits = in_time(rows=rows, failures=failures, samples_per_step=samples, fractions=fractions)
    # every cycle belongs to one part: that of its rows in steps of one sample
    plain = in_time(rows=rows, failures=failures, samples_per_step=1, fractions=fractions)
    assert [0, *(end for _, end in plain)] == [*(begin for begin, _ in plain), rows]
    for (begin, end), (first, last) in zip(limits, plain, strict=True):
        assert first < last and first in (0, *failures) and last in (*failures, rows)
        whole = [s for s in range(rows // samples) if first <= s * samples and (s + 1) * samples <= last]
        assert [*range(begin, end)] == whole


def test_contiguous_where_there_are_no_failures_and_meta_says_so(tmp_path):
    windows = cut(tmp_path, np.arange(20), split="failures")
    assert windows.meta.split == "contiguous"
    assert [bounds(windows, name) for name in PARTS] == [(0, 12), (12, 16), (16, 20)]
    (tmp_path / "quake").mkdir()
    assert cut(tmp_path / "quake", np.arange(ROWS), failures=FAILURES, split="failures").meta.split == "failures"


@given(begin=st.integers(0, 9), steps=st.integers(0, 60), seq=st.integers(1, 12), stride=st.integers(1, 9),
       batch=st.integers(1, 9))  # fmt: skip
def test_windows_are_all_that_fit(begin, steps, seq, stride, batch):
    part = part_of(begin, begin + steps, seq, stride, batch)
    fitting = [first for first in range(begin, begin + steps, stride) if first + seq <= begin + steps]
    assert part.windows == len(fitting)
    assert part.batches == len(range(0, len(fitting), batch))
    if fitting:
        assert part.describe().windows_in_last_batch == (len(fitting) - 1) % batch + 1


@pytest.mark.parametrize(("stride", "batch_size"), [(1, 2), (2, 3), (5, 1)])
def test_windows_of_train_lie_inside_it_and_final_labels_in_their_part(tmp_path, stride, batch_size):
    windows = cut(tmp_path, np.arange(ROWS), failures=FAILURES, split="failures", stride=stride, batch_size=batch_size)
    for name, (first, last) in zip(PARTS, [(0, 17), (18, 24), (25, 30)], strict=True):
        signal = windows.gather(name, np.arange(windows.parts[name].windows)).signal
        labels = range(first + 2 if name == "train" else first, last + 1, stride)
        expected = [[label - 2, label - 1, label] for label in labels]
        assert signal[:, :, 0].tolist() == expected


@pytest.mark.parametrize("horizon", [0, 2])
@pytest.mark.parametrize("stride", [1, 3])
def test_validation_and_test_forecast_the_same_rows_at_every_length(tmp_path, stride, horizon):
    """Every stride-th row from the part's first on, whatever the windows read before it."""
    params = {"failures": (12, 30, 41, 52), "split": "failures", "stride": stride, "horizon": horizon}
    for seq_len in (1, 2, 9, 15):
        windows = cut(tmp_path, np.arange(63), seq_len=seq_len, batch_size=1, **params)
        assert [bounds(windows, name) for name in PARTS] == [(0, 41), (41, 52), (52, 63)]
        assert windows.labels("train")[:, 0].tolist() == [*range(seq_len - 1 + horizon, 41, stride)]
        for name, (begin, end) in {"validation": (41, 52), "test": (52, 63)}.items():
            assert windows.labels(name)[:, 0].tolist() == [*range(begin, end, stride)]
            batch = windows.gather(name, np.arange(windows.parts[name].windows))
            assert (batch.signal[:, :, 0] == batch.labels[:, :, 0] - horizon).all()
            counted = np.ones(batch.labels.shape[:2], bool) if batch.known is None else batch.known
            assert (counted == (batch.labels[..., 0] >= begin)).all()


@pytest.mark.parametrize(
    ("seq_len", "validation", "test"),
    [
        (3, [20, 22, 26], [28, 30, 34, 36, 38]),
        (5, [20, 22], [28, 30, 36, 38]),
        (6, [22], [30, 37, 39]),
    ],
)
def test_no_window_reads_what_lies_before_its_group(tmp_path, seq_len, validation, test):
    """Groups of 8 rows; validation begins at the fifth row of group 2, test at that of group 3."""
    series = write_series(tmp_path, np.arange(40), group=np.repeat(np.arange(5), 8))
    windows = cut_series(tmp_path, series, seq_len=seq_len, stride=2, fractions=(0.5, 0.2), batch_size=1)
    assert [bounds(windows, name) for name in PARTS] == [(0, 20), (20, 28), (28, 40)]
    for name, expected in {"validation": validation, "test": test}.items():
        assert windows.labels(name)[:, 0].tolist() == expected
        assert (windows.last_steps(name) % 8 >= seq_len - 1).all()


@given(data=st.data())
def test_a_window_without_a_known_final_label_does_not_exist(data):
    known = np.array(data.draw(st.lists(st.booleans(), min_size=1, max_size=40)))
    seq_len, stride, batch = (data.draw(st.integers(1, most)) for most in (6, 4, 4))
    begin = data.draw(st.integers(0, len(known)))
    usual = Part(np.array([[begin, len(known)]]), np.array([0]), None, seq_len, stride, batch, 0, False)
    part = replace(usual, known=known)
    ends = [first + seq_len - 1 for first in usual.spans(np.arange(usual.windows))[0].tolist()]
    first, lengths = part.spans(np.arange(part.windows))
    assert (first + lengths - 1).tolist() == [end for end in ends if known[end]]


def test_a_value_too_large_to_be_squared_is_refused_with_its_rows_and_what_to_do(tmp_path):
    signal = np.where(np.arange(60) == 44, 1e37, 1.0)
    with pytest.raises(ValueError) as refusal:
        cut_series(tmp_path, write_series(tmp_path, signal), samples_per_step=3, statistics=("max",))
    said = str(refusal.value)
    assert "rows 42 to 44" in said and "[1.e+37], expected a number from -1e+36 to 1e+36; choose another" in said
    assert said.endswith(" a larger samples_per_step or another unit")


def test_so_is_a_target(tmp_path):
    series = write_series(tmp_path, np.ones(60), np.where(np.arange(60) == 44, -1e37, 1.0))
    with pytest.raises(ValueError, match=r"^target, rows 42 to 44: it is \[-1.e\+37\], expected"):
        cut_series(tmp_path, series, samples_per_step=3, statistics=("max",))


def test_a_column_too_small_to_be_squared_is_refused_with_its_largest_value(tmp_path):
    series = write_series(tmp_path, np.linspace(-3e-31, 2e-31, 60))
    with pytest.raises(ValueError, match=r"^a column has values up to 3e-31 only, expected some of at least 1e-30, "):
        cut_series(tmp_path, series)
    assert not (tmp_path / "windows").exists()


def test_labels_of_whole_numbers_are_decimals_whose_differences_hold(tmp_path):
    """-30000 - 30000 is no number of 16 bits."""
    target = np.where(np.arange(90) % 2, 30000, -30000).astype(np.int16)
    labels = cut_series(tmp_path, write_series(tmp_path, target, target)).labels("test")
    assert labels.dtype == np.float64 and set(np.diff(labels[:, 0])) == {60000, -60000}


@pytest.mark.parametrize("samples_per_step", [1, 3])
def test_labels_that_are_not_known_do_not_count(tmp_path, samples_per_step):
    known = rng(0).random(240) > 0.2
    series = write_series(tmp_path, rng(1).normal(size=240), known=known)
    statistics = ("none",) if samples_per_step == 1 else ("mean",)
    windows = cut_series(tmp_path, series, samples_per_step=samples_per_step, statistics=statistics)
    known = known[samples_per_step - 1 :: samples_per_step]
    assert windows.steps.known.tolist() == known.tolist()
    for name in PARTS:
        part, last = windows.parts[name], windows.last_steps(name)
        begin, end = bounds(windows, name)
        assert last.tolist() == [row for row in range(begin + 2 if name == "train" else begin, end) if known[row]]
        batch = windows.gather(name, np.arange(part.windows))
        rows = last[:, None] + np.arange(-2, 1)
        assert (batch.known == known[rows] & (rows >= begin)).all() and not batch.known.all()
        assert batch.weight == pytest.approx(batch.known.sum() / 3)
        assert (batch.signal == windows.steps.signal[rows]).all()
        assert batch.final_step().known is None and batch[:2].known.shape == (2, 3)
    with pytest.raises(ValueError, match="the windows of train are not evenly spaced"):
        windows.array("train")


def test_a_part_without_a_known_label_is_refused(tmp_path):
    series = write_series(tmp_path, np.arange(40), known=np.arange(40) < 32)
    with pytest.raises(ValueError, match="test has no label that is known and has 3 steps before it"):
        cut_series(tmp_path, series)


def test_train_and_validation_together_for_a_refit(tmp_path):
    windows = cut(tmp_path, np.arange(ROWS), failures=FAILURES, split="failures")
    both = windows.with_validation()
    assert both.last_steps("train").tolist() == [*range(2, 25)]
    assert both.last_steps("test").tolist() == windows.last_steps("test").tolist() == [*range(25, 31)]


def test_array_is_a_view_of_shape_batches_batch_seq_features(tmp_path):
    windows = cut(tmp_path, rng(0).integers(0, 99, (60, 2)), stride=2, batch_size=4)
    for name, batches in {"train": 4, "validation": 1, "test": 1}.items():  # 17, 6 and 6 windows
        assert (array := windows.array(name)).shape == (batches, 4, 3, 2)
        assert np.shares_memory(array, windows.steps.signal) and not array.flags.writeable
        signal = windows.gather(name, np.arange(batches * 4)).signal
        np.testing.assert_array_equal(array.reshape(-1, 3, 2), signal)


def test_batches_give_every_window_once_and_padding_is_marked(tmp_path):
    windows = cut(tmp_path, np.arange(35), batch_size=4)  # 19, 7 and 7 windows
    for name, reals in {"train": [4, 4, 4, 4, 3], "validation": [4, 3]}.items():
        batches = [*windows.batches(name)]
        assert [batch.n_valid for batch in batches] == reals
        assert all(batch.signal.shape == batch.labels.shape == (4, 3, 1) for batch in batches)
        assert (batches[-1].signal[reals[-1] :] == batches[-1].signal[reals[-1] - 1]).all()  # padded with the last one
        begin = bounds(windows, name)[0] - (0 if name == "train" else 2)
        firsts = np.concatenate([batch.valid().signal[:, 0, 0] for batch in batches])
        assert firsts.tolist() == [*range(begin, begin + sum(reals))]
        labels = np.concatenate([batch.valid().actual[:, -1] for batch in batches])
        np.testing.assert_array_equal(labels, windows.labels(name))
        assert windows.last_steps(name).tolist() == labels[:, 0].tolist()
        assert windows.meta.splits[0][name].windows_in_last_batch == reals[-1]


@settings(max_examples=50)
@given(data=st.data(), split=st.sampled_from(["failures", "contiguous"]))
def test_what_a_refusal_suggests_works(tmp_path_factory, data, split):
    lengths = data.draw(st.lists(st.integers(6, 60), min_size=3, max_size=8))
    *failures, rows = np.cumsum(lengths).tolist()
    folder = tmp_path_factory.mktemp("w")
    draw = {"seq_len": (1, 12), "samples_per_step": (1, 9), "stride": (1, 3), "batch_size": (1, 20)}
    params = {name: data.draw(st.integers(*bounds), label=name) for name, bounds in draw.items()}
    params |= {"failures": failures, "split": split, "statistics": ("mean",)}
    for _ in range(3):
        try:
            cut(folder, np.arange(rows), **params)
        except ValueError as error:
            ways = [(name, int(number)) for name, number in re.findall(r"(\w+) (?:up to )?(\d+)(?= or|$)", str(error))]
            if str(error).endswith("try: a longer recording"):  # then nothing else may
                for samples in range(1, params["samples_per_step"]):
                    with pytest.raises(ValueError, match="too few"):
                        cut(folder, np.arange(rows), **params | {"samples_per_step": samples})
                return
            name, number = data.draw(st.sampled_from(ways), label="way")
            assert 1 <= number < params[name]
            params[name] = number
        else:
            return
    pytest.fail(f"three suggestions did not do: {params}")  # one for the parts, one for the batch, none left


def test_refusals_name_the_part_and_numbers(tmp_path):
    fractions = {"fractions": (9 / 22, 7 / 22), "batch_size": 4}
    with pytest.raises(ValueError, match=r"train has 9 steps, .* seq_len 10; try: seq_len up to 9"):
        cut(tmp_path, np.arange(22), seq_len=10, **fractions)
    with pytest.raises(ValueError, match=r"train has 3 windows, .*window.batch_size 4; .*window.batch_size up to 3"):
        cut(tmp_path, np.arange(23), seq_len=7, **fractions)


@pytest.mark.parametrize("changed", [0, 8, 17, 18, 30, 41])
def test_a_sample_changes_the_windows_that_hold_it_and_no_earlier_one(tmp_path, changed):
    signal = rng(0).normal(size=42)
    params = {"samples_per_step": 2, "statistics": ("mean", "std"), "failures": (20, 30), "split": "failures"}
    (tmp_path / "other").mkdir()
    before = cut(tmp_path, signal, **params)
    signal[changed] += 1
    after = cut(tmp_path / "other", signal, **params)
    for name in PARTS:
        last = before.last_steps(name)
        old, new = (w.gather(name, np.arange(len(last))).signal for w in (before, after))
        holds = (last - 2 <= changed // 2) & (changed // 2 <= last)
        np.testing.assert_array_equal((old != new).any(axis=(1, 2)), holds)


def test_memory_stays_flat(tmp_path):
    def peak(rows, **params):
        with SeriesWriter(tmp_path / "series") as writer:
            for first in range(0, rows, 1 << 20):
                values = np.arange(first, min(first + (1 << 20), rows), dtype=np.int64)[:, None]
                writer.append(values % 30_000, values / 8)
            source = SourceMeta("made up", "")
            writer.finish(SeriesMeta(("x",), ("t",), (None,), Units("V", "s"), (), False, source))
        series = Series.open(tmp_path / "series", SeriesMeta)
        tracemalloc.start()
        cut_series(tmp_path, series, **params)
        try:
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    for params in ({"samples_per_step": 100, "statistics": ("mean", "log_std")}, {}):
        assert peak(8_000_000, **params) < peak(2_200_000, **params) + 5e6


def test_open_says_where_there_are_no_windows(tmp_path):
    with pytest.raises(ValueError, match="nowhere"):
        Windows.open(tmp_path / "nowhere")
    write_series(tmp_path, [1, 2])
    with pytest.raises(ValueError, match="series/meta.json: splits: Field required"):
        Windows.open(tmp_path / "series")


@pytest.mark.parametrize(("statistic", "advice"), [("mean", "window.samples_per_step 1"), ("std", "seq_len up to 3")])
def test_no_samples_per_step_is_advised_that_the_statistic_refuses(tmp_path, statistic, advice):
    with pytest.raises(ValueError, match=f"try: .*{advice}$"):
        cut(tmp_path, np.arange(10), samples_per_step=2, seq_len=4, statistics=(statistic,))


@pytest.mark.parametrize(("rows", "apart"), [(120, 24), (150, 30)])
def test_a_validation_of_few_windows_apart_is_named(tmp_path, rows, apart):
    """Windows of 4 steps at a stride of 2: every other one shares no step."""
    series = write_series(tmp_path, np.arange(rows), known=np.arange(rows) != 7)
    windows = cut_series(tmp_path, series, seq_len=4, stride=2, fractions=(0.1, 0.8))
    assert windows.parts["validation"].windows_apart == apart
    few = f"Validation has only {apart} windows that share no step, fewer than 30"
    unknown, *others = windows.doubts()
    assert unknown == f"1 of {rows} labels are not known: neither learnt nor scored"
    assert [text.startswith(few) for text in others] == [True] * (apart < 30)
    assert windows.summary().endswith("\n".join(windows.doubts()))


def test_a_shortened_batch_counts_its_own_windows(tmp_path):
    windows = cut(tmp_path, np.arange(40), batch_size=4)
    (*_, last) = windows.batches("train")
    for kept in (1, 2, 4):
        head = last[:kept]
        assert head.n_valid == (kept if kept < 4 else last.n_valid)
        assert len(head.valid().labels) == len(head.valid().signal) == min(kept, last.n_valid if kept == 4 else kept)
