"""Groups, folds, horizons, whole groups and relative views: every number by hand, nothing across a border."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seeds import rng
from sklearn.model_selection import train_test_split
from small_windows import bounds, cut, write_series

from recurrent.evaluate import baselines
from recurrent.window.meta import PARTS
from recurrent.window.split import group_spans
from recurrent.window.steps import SMALLEST

LENGTHS = (4, 2, 5, 3, 4, 6, 4, 5, 3, 4)  # rows of ten groups
GROUP = np.repeat(np.arange(10), LENGTHS)


def everything(windows, part, **params):
    return windows.gather(part, np.arange(windows.parts[part].windows), **params)


def grouped(folder, *, split="groups", group=GROUP, fractions=(0.5, 0.2), **params):
    """Windows whose signal is the row that it stood in, whose label is 100 more."""
    rows = np.arange(len(group))
    return cut(folder, write_series(folder, rows, rows + 100, group=group), split=split, fractions=fractions, **params)


def members(windows, part) -> list:
    """The groups in a part, each once for every stretch that it has there."""
    return [int(windows.steps.group[begin]) for begin, _ in windows.parts[part].group_spans]


@pytest.mark.parametrize("horizon", [0, 1, 2])
@pytest.mark.parametrize("stride", [1, 2])
def test_the_label_lies_horizon_steps_later_inside_its_part(tmp_path, horizon, stride):
    windows = cut(tmp_path, write_series(tmp_path, np.arange(30)), horizon=horizon, stride=stride)
    for name, (begin, end) in zip(PARTS, [(0, 18), (18, 24), (24, 30)], strict=True):
        batch = everything(windows, name)
        # train's windows lie inside it; the others forecast each stride-th row of their part
        labels = range(begin + 2 + horizon if name == "train" else begin, end, stride)
        firsts = [label - 2 - horizon for label in labels]
        assert batch.signal[..., 0].tolist() == [[first, first + 1, first + 2] for first in firsts]
        assert (batch.labels == batch.signal + horizon).all()
        assert windows.labels(name)[:, 0].tolist() == [first + 2 + horizon for first in firsts]
        assert everything(windows, name, all_steps=False).labels.tolist() == batch.labels[:, -1:].tolist()


def test_whole_recordings_are_train_validation_and_test(tmp_path):
    series = write_series(tmp_path, np.arange(46), recordings=(0, 9, 21, 31))
    windows = cut(tmp_path, series, split="recordings", fractions=(0.5, 0.25))
    assert [bounds(windows, name) for name in PARTS] == [(0, 21), (21, 31), (31, 46)]


@pytest.mark.parametrize("horizon", [0, 2])
def test_no_window_and_no_label_leaves_its_group(tmp_path, horizon):
    windows = grouped(tmp_path, seq_len=2, horizon=horizon, split="contiguous", fractions=(0.6, 0.2))
    found = 0
    for name in PARTS:
        batch, part = everything(windows, name), windows.parts[name]
        rows = np.concatenate([batch.signal, batch.labels[:, -1:] - 100], axis=1)[..., 0]
        assert (GROUP[rows] == GROUP[rows[:, :1]]).all()
        assert np.isin(rows if name == "train" else rows[:, -1:], part.steps).all()
        found += len(rows)
    if not horizon:  # parts are rows 0 to 23, 24 to 31 and 32 to 39, which meet at a group and inside one
        assert found == 39 - 9  # pairs of neighbours, less nine borders of groups


def test_a_horizon_that_leaves_no_window_is_refused(tmp_path):
    series = write_series(tmp_path, np.arange(30))
    with pytest.raises(ValueError, match="train has 2 steps, too few for one window of seq_len 3; .* seq_len up to 2"):
        cut(tmp_path, series, horizon=16)


@pytest.mark.parametrize("horizon", [0, 1])
@pytest.mark.parametrize("seq_len", [3, 4, 9])
def test_a_whole_group_is_one_window_of_its_last_steps_padded_with_the_last(tmp_path, horizon, seq_len):
    windows = grouped(tmp_path, seq_len=seq_len, one_window_per_group=True, horizon=horizon)
    assert sorted(sum((members(windows, name) for name in PARTS), [])) == [*range(10)]
    for name in PARTS:
        batch = everything(windows, name)
        ends = np.cumsum(LENGTHS)[members(windows, name)]
        for i, end in enumerate(ends.tolist()):
            length = min(LENGTHS[members(windows, name)[i]] - horizon, seq_len)
            rows = np.arange(end - horizon - length, end - horizon)
            assert batch.signal[i, :length, 0].tolist() == rows.tolist()
            assert (batch.signal[i, length:] == rows[-1]).all()
            assert batch.labels[i, :length, 0].tolist() == (rows + 100 + horizon).tolist()
            assert (len(rows) if batch.lengths is None else batch.lengths[i]) == length
        assert batch.at_final_step(batch.labels)[:, 0, 0].tolist() == (ends + 99).tolist()
        assert windows.labels(name)[:, 0].tolist() == (ends + 99).tolist()
        assert everything(windows, name, all_steps=False).labels[:, 0, 0].tolist() == (ends + 99).tolist()


def test_groups_of_one_length_need_no_lengths(tmp_path):
    even = grouped(tmp_path, group=np.repeat(np.arange(10), 4), seq_len=4, one_window_per_group=True)
    assert even.equal_length and all(everything(even, name).lengths is None for name in PARTS)
    (tmp_path / "uneven").mkdir()
    assert not grouped(tmp_path / "uneven", seq_len=4, one_window_per_group=True).equal_length


@pytest.mark.parametrize("seed", [0, 1, 42])
@pytest.mark.parametrize("share", [0.2, 0.25, 0.31])
def test_the_test_groups_are_those_of_scikit_learn(tmp_path, seed, share):
    windows = grouped(tmp_path, seq_len=2, seed=seed, fractions=(0.9 - share, 0.1))
    _, expected = train_test_split(np.arange(10), test_size=share, random_state=seed)
    assert members(windows, "test") == expected.tolist()
    assert len(members(windows, "validation")) == max(1, round((10 - len(expected)) * 0.1 / (1 - share)))
    assert sorted(sum((members(windows, name) for name in PARTS), [])) == [*range(10)]


@settings(max_examples=25)
@given(folds=st.integers(2, 10), repeats=st.integers(1, 3), seed=st.integers(0, 5))
def test_each_group_judges_once_a_repeat_and_never_stands_in_two_parts(tmp_path_factory, folds, repeats, seed):
    params = {"split": "folds", "folds": folds, "repeats": repeats, "seed": seed}
    windows = grouped(tmp_path_factory.mktemp("w"), seq_len=2, batch_size=1, **params)
    judges = []
    assert len(windows.splits) == folds * repeats
    for one in windows.splits:
        parts = {name: members(one, name) for name in PARTS}
        assert sorted(sum(parts.values(), [])) == [*range(10)]
        judges.append(parts["test"])
        for name in PARTS:  # and the copied rows are those of the groups
            rows = [range(begin, end) for begin, end in (np.cumsum(LENGTHS)[g] + [-LENGTHS[g], 0] for g in parts[name])]
            assert one.steps.signal[one.parts[name].steps, 0].tolist() == [row for group in rows for row in group]
    for repeat in range(repeats):
        assert sorted(sum(judges[repeat * folds : (repeat + 1) * folds], [])) == [*range(10)]
    if repeats > 1 and folds < 10:
        assert {frozenset(judge) for judge in judges[:folds]} != {frozenset(judge) for judge in judges[folds:]}


def test_every_group_of_each_group_is_split_in_time(tmp_path):
    group = np.repeat([7, 3], [10, 20])
    windows = grouped(tmp_path, split="each_group", group=group, fractions=(0.6, 0.2), seq_len=1, batch_size=1)
    limits = [[bounds(one, name) for name in PARTS] for one in windows.splits]
    assert limits == [[(0, 6), (6, 8), (8, 10)], [(10, 22), (22, 26), (26, 30)]]
    assert [set(members(one, name)) for one in windows.splits for name in PARTS] == [{7}] * 3 + [{3}] * 3


def test_given_parts_are_taken_as_they_are(tmp_path):
    parts = {"train": (0, 11), "validation": (11, 24), "test": (24, 40)}
    series = write_series(tmp_path, np.arange(40), group=GROUP, parts=parts)
    windows = cut(tmp_path, series, split="given", seq_len=2)
    assert {name: bounds(windows, name) for name in PARTS} == parts


@pytest.mark.parametrize(
    ("meta", "params", "message"),
    [
        ({}, {"split": "given"}, "window.split is given, but the data set fixes no parts"),
        ({}, {"split": "groups"}, "window.split is groups, but the rows have no groups"),
        ({}, {"one_window_per_group": True}, "window.one_window_per_group is true, but the rows have no groups"),
        ({"group": GROUP}, {"split": "folds", "folds": 11}, "window.folds is 11, but there are only 10 groups"),
        ({"group": GROUP[:9]}, {"split": "groups"}, "3 groups are too few for three parts"),
        (
            {"group": GROUP},
            {"samples_per_step": 2, "statistics": ("mean",)},
            "window.samples_per_step is 2, expected 1 where rows have groups",
        ),
        ({"group": np.r_[GROUP, 0]}, {"split": "groups"}, "group 0 appears in several places"),
        (
            {},
            {"relative_to_first": True},
            "window.relative_to_first needs targets that are also input .* targets are t, the input columns c0",
        ),
        (
            {"target_columns": (0,)},
            {"predict_change": True, "samples_per_step": 2, "statistics": ("mean",)},
            "window.predict_change",
        ),
    ],
)
def test_a_series_that_cannot_be_cut_so_is_refused(tmp_path, meta, params, message):
    series = write_series(tmp_path, np.arange(len(meta.get("group", GROUP))), **meta)
    with pytest.raises(ValueError, match="^" + message):
        cut(tmp_path, series, **{"seq_len": 1, "fractions": (0.3, 0.3)} | params)
    assert not (tmp_path / "windows").exists()


def test_group_spans_are_the_rows_of_each_group():
    assert group_spans(np.array([5, 5, 2, 9, 9, 9])).tolist() == [[0, 2], [2, 3], [3, 6]]


VIEWS = [{"relative_to_first": True}, {"predict_change": True}, {"relative_to_first": True, "predict_change": True}]


def walk(folder, **params):
    """Two columns that are read, the second of them learnt, and a third quantity that is the first of the targets."""
    signal = rng(0).uniform(1, 9, (60, 2)).round(2)
    series = write_series(folder, signal, signal[:, [1, 0]], target_columns=(1, 0), target_names=("t", "u"))
    return signal, cut(folder, series, horizon=2, **params)


@pytest.mark.parametrize("all_steps", [True, False])
@pytest.mark.parametrize("view", VIEWS, ids=lambda view: "+".join(view))
def test_views_by_hand_and_undone(tmp_path, view, all_steps):
    signal, windows = walk(tmp_path, **view)
    for name in PARTS:
        batch, part = everything(windows, name, all_steps=all_steps), windows.parts[name]
        firsts = windows.last_steps(name) - 2
        assert len(firsts) == part.windows == len(part.steps) - (4 if name == "train" else 0)
        seen = signal[firsts[:, None] + np.arange(3)]
        wanted, now = signal[firsts[:, None] + np.arange(3) + 2][..., [1, 0]], seen[..., [1, 0]]
        first = now[:, :1]
        if not all_steps:
            wanted, now = wanted[:, -1:], now[:, -1:]
        expected = {
            ("relative_to_first",): wanted / first - 1,
            ("predict_change",): wanted - now,
            ("relative_to_first", "predict_change"): (wanted - now) / first,
        }[tuple(view)]
        np.testing.assert_allclose(batch.labels, expected, atol=1e-12)
        np.testing.assert_allclose(
            batch.signal, seen / seen[:, :1] - 1 if "relative_to_first" in view else seen, atol=1e-12
        )
        np.testing.assert_allclose(batch.inverse_transform(batch.labels), wanted, rtol=1e-13)
        np.testing.assert_allclose(batch.actual, wanted, rtol=1e-13)
        np.testing.assert_allclose(batch.final_step().actual[:, 0], windows.labels(name), rtol=1e-13)


def test_views_of_padded_windows_are_undone_at_their_ends(tmp_path):
    rows = np.arange(len(GROUP)) + 1.0
    series = write_series(tmp_path, rows, rows**2, group=GROUP, target_columns=(0,))
    params = {"one_window_per_group": True, "relative_to_first": True, "predict_change": True, "seq_len": 9}
    windows = cut(tmp_path, series, split="groups", fractions=(0.5, 0.2), **params)
    for name in PARTS:
        for all_steps in (True, False):
            end = everything(windows, name, all_steps=all_steps).final_step()
            np.testing.assert_allclose(end.actual[:, 0], windows.labels(name), rtol=1e-13)


def test_a_base_of_zero_is_refused_with_column_and_step(tmp_path):
    signal = np.ones((60, 2))
    signal[44, 1] = 0
    series = write_series(tmp_path, signal, signal[:, :1], target_columns=(0,))
    windows = cut(tmp_path, series, relative_to_first=True, stride=2)
    with pytest.raises(
        ValueError, match="none of c1 is 0 in step 44, the first of a window, which window.relative_to_first"
    ):
        everything(windows, "validation")
    everything(windows, "test")  # where there is none


def test_the_smallest_base_is_divided_by(tmp_path):
    signal = np.where(np.arange(60) == 44, SMALLEST, 1.0)
    series = write_series(tmp_path, signal, signal, target_columns=(0,))
    windows = cut(tmp_path, series, relative_to_first=True, stride=2)
    scaled = everything(windows, "validation").signal[:, :, 0]
    assert 1 / SMALLEST - 1 in scaled[:, 1]


def test_padded_batches_mark_what_is_real_and_first_leaves_it_out(tmp_path):
    windows = grouped(tmp_path, seq_len=9, one_window_per_group=True, batch_size=3, fractions=(0.4, 0.2))
    batches = [*windows.batches("test")]  # four groups
    assert [batch.n_valid for batch in batches] == [3, 1]
    last = batches[-1]
    assert len(last.signal) == 3 and len(last[:1].signal) == len(last[:1].labels) == 1


def spans(one) -> dict[str, list]:
    return {name: one.parts[name].stretches.tolist() for name in PARTS}


def test_each_block_of_cycles_tests_once_and_validation_lies_before_it(tmp_path):
    """Cycles of 10 rows; the first and the last are cut off by the recording's ends."""
    series = write_series(tmp_path, np.arange(80), failures=tuple(range(10, 80, 10)))
    windows = cut(tmp_path, series, split="cycles", folds=4, fractions=(0.5, 0.25))
    assert [spans(one) for one in windows.splits] == [
        {"train": [[20, 60]], "validation": [[60, 80]], "test": [[0, 20]]},
        {"train": [[40, 80]], "validation": [[0, 20]], "test": [[20, 40]]},
        {"train": [[0, 20], [60, 80]], "validation": [[20, 40]], "test": [[40, 60]]},
        {"train": [[0, 40]], "validation": [[40, 60]], "test": [[60, 80]]},
    ]
    ends = [one.last_steps("train").tolist() for one in windows.splits]
    assert ends[2] == [*range(2, 20), *range(62, 80)]  # no window reads across the test block
    assert windows.splits[0].last_steps("test").tolist() == [*range(2, 20)]  # nothing lies before the recording
    assert [one.last_steps("test").tolist() for one in windows.splits[1:]] == [
        [*range(n, n + 20)] for n in (20, 40, 60)
    ]


def test_blocks_of_cycles_leave_steps_of_two_parts_out(tmp_path):
    series = write_series(tmp_path, np.arange(80), failures=tuple(range(10, 80, 10)))
    params = {"seq_len": 2, "samples_per_step": 4, "statistics": ("mean",), "fractions": (0.5, 0.25)}
    one = cut(tmp_path, series, split="cycles", folds=8, **params).splits[3]
    assert spans(one) == {"train": [[0, 2], [10, 20]], "validation": [[3, 7]], "test": [[8, 10]]}


@pytest.mark.parametrize(("failures", "folds"), [((10, 20), 4), ((10, 20), 1), ((10,), 2), ((), 2)])
def test_too_few_cycles_for_the_folds_are_refused(tmp_path, failures, folds):
    series = write_series(tmp_path, np.arange(30), failures=failures)
    with pytest.raises(
        ValueError, match=rf"window.folds is {folds}, expected at least 2, .* {len(failures) + 1} cycles"
    ):
        cut(tmp_path, series, split="cycles", folds=folds)


def test_a_rolling_origin_tests_what_follows_a_growing_train(tmp_path):
    windows = cut(tmp_path, write_series(tmp_path, np.arange(100)), split="rolling_origin", folds=2)
    assert [spans(one) for one in windows.splits] == [
        {"train": [[0, 60]], "validation": [[60, 80]], "test": [[80, 90]]},
        {"train": [[0, 67]], "validation": [[67, 90]], "test": [[90, 100]]},
    ]
    (tmp_path / "one").mkdir()
    contiguous = cut(tmp_path / "one", write_series(tmp_path / "one", np.arange(100)))
    assert spans(cut(tmp_path, write_series(tmp_path, np.arange(100)), split="rolling_origin")) == spans(contiguous)


def test_the_clock_takes_intervals_on_both_sides_of_the_test_block(tmp_path):
    """Intervals between failures in train are 3 before and 7 after the block that tests, in which they are 5."""
    lengths = (4, 3, 9, 5, 5, 7, 4)
    target = np.concatenate([np.arange(n, 0, -1) for n in lengths])
    series = write_series(
        tmp_path, np.zeros(len(target)), target, failures=tuple(np.cumsum(lengths)[:-1].tolist()), countdown=True
    )
    one = cut(tmp_path, series, split="cycles", folds=3, fractions=(0.8, 0.05), seq_len=1).splits[1]
    assert spans(one) == {"train": [[0, 7], [26, 37]], "validation": [[7, 16]], "test": [[16, 26]]}
    assert baselines.clock(one, "test")[0].tolist() == [5]  # of 3 and 7
