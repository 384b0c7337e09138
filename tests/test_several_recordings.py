"""Several recordings: train on some, test on others. None reaches into another one, from the CSV to the scores."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from seeds import SEED
from small_project import run_stages
from small_windows import bounds, cut, write_series

from recurrent.evaluate import baselines, prediction_tables
from recurrent.network.model_file import model_paths
from recurrent.sources import fault
from recurrent.storage.meta import SeriesMeta
from recurrent.storage.series import Series
from recurrent.storage.tables import read_csv, write_csv
from recurrent.train.labels import shares_of_cycles
from recurrent.window.meta import PARTS
from recurrent.window.windows import Windows

INGEST = ("ingest",)
TO_SCORES = ("ingest", "window", "train", "evaluate")
SEVERAL = {"ingest.csv": "experiments", "window.split": "recordings"}


def simulate(path, seed, cycles=6):
    """Record a small fault; like LANL's it begins with a failure and ends just before another."""
    path.parent.mkdir(exist_ok=True)
    blocks = fault.simulate(cycles=cycles, sample_rate=100.0, gain_spread=0.15, wander=0.05, seed=SEED + seed)
    write_csv(path, ({"acoustic_data": sound, "time_to_failure": time} for sound, time in blocks))


@pytest.fixture
def experiments(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate("abc"):
        simulate(tmp_path / "experiments" / f"{name}.csv", number)
    return tmp_path / "experiments"


def series() -> Series[SeriesMeta]:
    return Series.open(Path("data/quake/series"), SeriesMeta)


def windows() -> Windows:
    return Windows.open(Path("data/quake/windows"))


def models(splits):
    paths = model_paths(Path("data/quake/model/forecaster.safetensors"), splits, 1)
    return [path.read_bytes() for [path] in paths]


def test_ingest_puts_them_one_after_the_other_and_leaves_nothing_out(experiments):
    alone = []
    for name in "abc":
        run_stages({"ingest.csv": f"experiments/{name}.csv"}, INGEST)
        alone.append((np.array(series().signal), np.array(series().target), series().meta))
        assert series().meta.recordings is None and series().meta.groups is None
    (experiments / "README.md").write_text("no recording")
    run_stages({"ingest.csv": "experiments"}, INGEST)
    together, begins = series(), np.cumsum([0] + [len(signal) for signal, *_ in alone[:2]]).tolist()
    assert together.meta.recordings == tuple(begins) and together.meta.groups == ("a.csv", "b.csv", "c.csv")
    assert together.meta.source.md5.split() == [meta.source.md5 for *_, meta in alone]
    assert (together.signal == np.concatenate([signal for signal, *_ in alone])).all()
    assert (together.target == np.concatenate([target for _, target, _ in alone])).all()
    own = [begin + row for begin, (*_, meta) in zip(begins, alone, strict=True) for row in meta.failures]
    assert together.meta.failures == tuple(own) and len(own) == 15


def test_the_last_cycle_of_each_is_dropped(experiments, capsys):
    run_stages({"ingest.csv": "experiments", "ingest.last_cycle": "drop"}, INGEST)
    meta, kept = series().meta, series().target[:, 0]
    assert len(meta.failures) == 12 and meta.counts.dropped["after_the_last_failure"] > 0
    for end in [*meta.recordings[1:], len(kept)]:
        assert kept[end - 1] < 0.05  # each ends just before a failure of its own
    assert meta.counts.kept == len(kept)
    assert capsys.readouterr().out.count("dropped: after the last failure") == 3


def test_a_folder_of_one_is_as_that_file(experiments):
    run_stages({"ingest.csv": "experiments/a.csv"}, INGEST)
    alone = (series().meta, series().digest)
    for name in "bc":
        (experiments / f"{name}.csv").unlink()
    run_stages({"ingest.csv": "experiments"}, INGEST)
    assert (series().meta, series().digest) == alone


def test_what_is_wrong_is_named_by_file_and_line_and_leaves_nothing(experiments):
    lines = (experiments / "b.csv").read_text().splitlines()
    lines[41] = "nan,1.0"
    (experiments / "b.csv").write_text("\n".join(lines))
    with pytest.raises(ValueError, match=r"experiments/b\.csv:42: column 'acoustic_data' holds 'nan'"):
        run_stages(SEVERAL, INGEST)
    (experiments / "b.csv").write_text("acoustic_data,time_to_failure\n1,3.0\n1,2.0\n")
    with pytest.raises(ValueError, match=r"experiments/b\.csv: last_cycle is drop, but the target has no failure"):
        run_stages(SEVERAL | {"ingest.last_cycle": "drop"}, INGEST)
    assert not any((experiments.parent / "data" / "quake").glob("*"))
    run_stages(SEVERAL, INGEST)
    with pytest.raises(ValueError, match=r"b\.csv has 2 rows, too few for one step of window\.samples_per_step 50"):
        run_stages(SEVERAL, ("window",))
    (experiments / "b.csv").unlink()
    run_stages(SEVERAL, INGEST)
    with pytest.raises(ValueError, match="there are 2 recordings, expected at least 3"):
        run_stages(SEVERAL, ("window",))
    shutil.rmtree(experiments)
    experiments.mkdir()
    (experiments / "notes.txt").touch()
    with pytest.raises(ValueError, match=r"experiments: no recording in this folder, expected files \.csv"):
        run_stages(SEVERAL, INGEST)


def test_steps_of_a_recording_are_those_that_it_has_alone(experiments):
    run_stages(SEVERAL, ("ingest", "window"))
    together = windows()
    for number, name in enumerate("abc"):
        run_stages({"ingest.csv": f"experiments/{name}.csv"}, ("ingest", "window"))
        alone, own = windows(), np.asarray(together.steps.group) == number
        assert (together.steps.signal[own] == alone.steps.signal).all()
        assert (together.steps.target[own] == alone.steps.target).all()
        assert [np.flatnonzero(own)[0] * 50] == [together.meta.recordings[number]]


@pytest.mark.parametrize("split", ["recordings", "failures", "contiguous", "cycles", "rolling_origin"])
def test_no_window_lies_across_recordings(experiments, split):
    folds = 1 if split in ("failures", "contiguous") else 3
    run_stages({"ingest.csv": "experiments", "window.split": split, "window.folds": folds}, ("ingest", "window"))
    for one in windows().splits:
        group = np.asarray(one.steps.group)
        for part in one.parts.values():
            first, lengths = part.spans(np.arange(part.windows))
            assert part.windows and (group[first] == group[first + lengths - 1]).all()


def three(folder, lengths=(30, 20, 40), **meta):
    """Three recordings of these rows; cycles of 10 rows, each of which begins with a failure."""
    begins = np.cumsum([0, *lengths]).tolist()
    failures = tuple(row for row in range(0, begins[-1], 10) if row not in begins)
    target = np.concatenate([10.0 - np.arange(rows) % 10 for rows in lengths])
    meta = {"countdown": True, "recordings": tuple(begins[:-1]), "groups": ("a", "b", "c"), "failures": failures} | meta
    return write_series(folder, np.arange(begins[-1]), target, **meta)


def test_whole_recordings_are_train_validation_and_test_by_their_order(tmp_path):
    one = cut(tmp_path, three(tmp_path), split="recordings")
    assert [bounds(one, name) for name in PARTS] == [(0, 30), (30, 50), (50, 90)]
    assert len(one.splits) == 1


def test_each_recording_tests_once_and_validation_lies_before_it(tmp_path):
    found = cut(tmp_path, three(tmp_path), split="recordings", folds=3).splits
    assert [[one.parts[name].stretches.tolist() for name in PARTS] for one in found] == [
        [[[30, 50]], [[50, 90]], [[0, 30]]],
        [[[50, 90]], [[0, 30]], [[30, 50]]],
        [[[0, 30]], [[30, 50]], [[50, 90]]],
    ]
    # the first window of a part reads nothing of the recording before it
    assert [int(one.last_steps("test")[0]) for one in found] == [2, 32, 52]


def test_rows_that_fill_no_step_are_left_out_at_the_end_of_each(tmp_path):
    series = three(tmp_path, lengths=(31, 22, 40), failures=(10, 20, 41, 51, 63, 73, 83))
    one = cut(tmp_path, series, split="recordings", samples_per_step=4, statistics=("mean",))
    assert one.meta.recordings == (0, 28, 48) and one.meta.failures == (10, 20, 38, 58, 68, 78)  # 51 is of no step
    assert np.asarray(one.steps.group).tolist() == [0] * 7 + [1] * 5 + [2] * 10
    signal = one.steps.signal[:, 0].tolist()
    assert signal[6:8] == [25.5, 32.5] and signal[11:13] == [48.5, 54.5]


def test_the_clock_knows_no_interval_across_recordings(tmp_path):
    """Of a and b whole cycles of 10 and 8 rows are known; a's last one is cut at 3 rows, and b begins in one."""
    ends = {"a": (10, 10, 3), "b": (2, 8, 8, 8, 5), "c": (8, 8, 8), "d": (8, 8, 8)}
    target = [float(left) for cycles in ends.values() for rows in cycles for left in range(rows, 0, -1)]
    starts = np.cumsum([0, *(rows for cycles in ends.values() for rows in cycles)]).tolist()
    begins = [0, 23, 54, 78]
    series = write_series(
        tmp_path,
        np.arange(len(target)),
        np.array(target),
        countdown=True,
        recordings=tuple(begins),
        groups=tuple(ends),
        failures=tuple(row for row in starts[:-1] if row not in begins),
    )
    one = cut(tmp_path, series, split="recordings", fractions=(0.5, 0.25))
    assert bounds(one, "train") == (0, 54)
    cycle, since = baselines.cycles(one, np.array([22, 23, 24, 54]))
    assert cycle.tolist() == [2, 3, 3, 8] and since.tolist() == [2, 0, 1, 0]
    # from a failure to the next: a's second cycle, b's second, third and fourth
    assert baselines.clock(one, "test")[0, 0] == np.median([10, 8, 8, 8]) - 2
    lengths = shares_of_cycles(one).steps.target[:54, 0]
    assert lengths[[0, 23, 24]].tolist() == [10, 2, 1]  # nobody knows when these cycles began


def test_another_test_recording_leaves_the_model_files_the_same_to_the_bit(experiments):
    """Whatever is recorded there, and however long: trained on the others, the network is the same."""
    several = SEVERAL | {"window.folds": 3, "train.labels": "share_of_cycle", "train.max_epochs": 2}
    run_stages(several, TO_SCORES)
    before = models(3)
    assert len(set(before)) == 3
    scored = read_csv(experiments.parent / "data/quake/predictions/predictions.csv")
    assert set(scored["group"]) == {0.0} and (np.diff(scored["time"]) > 0).all()
    last = windows().split(2)  # the time of the third recording begins anew
    time, _ = prediction_tables.time_axis(last, "test")
    failing = time + last.labels("test")[:, 0]
    assert time[0] < 15 and len(np.unique(failing.round(6))) <= 6
    for number, name in enumerate("abc"):
        usual = (experiments / f"{name}.csv").read_bytes()
        simulate(experiments / f"{name}.csv", 10 + number, cycles=5)
        shutil.rmtree(experiments.parent / "data")
        run_stages(several, ("ingest", "window", "train"))
        assert [old == new for old, new in zip(before, models(3), strict=True)] == [i == number for i in range(3)]
        (experiments / f"{name}.csv").write_bytes(usual)
