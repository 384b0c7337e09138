"""Nothing of the test part enters training, for every source and every way to split its rows."""

from dataclasses import replace
from pathlib import Path
from typing import get_args, get_type_hints

import numpy as np
import pytest
from part_rows import first_rows, other_values, rows_of
from seeds import SEED
from small_data import SMALL, from_disk, read_source
from small_windows import cut

import stages.ingest
from recurrent import sources
from recurrent.config import reader as params
from recurrent.config.schema import SEVERAL_TESTS, Settings, Window
from recurrent.sources import fault
from recurrent.storage.meta import SeriesMeta
from recurrent.storage.series import Recording, Series
from recurrent.storage.tables import write_csv
from recurrent.train.setup import fit_scalers
from recurrent.window.meta import PARTS

FIVE = {"samples_per_step": 5, "statistics": ("std",)}
WHOLE = {"one_window_per_group": True, "horizon": 0, "seq_len": 6}
ALONE = {"seq_len": 1, "horizon": 0}
PARAMS = {"batch_size": 1, "horizon": 1, "fractions": (0.5, 0.25)}
GROUPED = ("noisy_sine", "grades", "imdb")
OF_RECORDINGS = ("recordings", "failures", "contiguous", "cycles", "rolling_origin")
SHUFFLED = ("groups", "folds")  # splits that put the groups into another order
CASES = [
    *(
        ("recorded fault", split, {"samples_per_step": 5, "statistics": ("std",)})
        for split in ("failures", "contiguous")
    ),
    *(("recorded fault", split, FIVE) for split in ("cycles", "rolling_origin")),
    *(("three recorded faults", split, FIVE) for split in OF_RECORDINGS),
    ("sine", "rolling_origin", {}),
    *((name, "contiguous", {}) for name in SMALL if name not in GROUPED),
    *((name, "contiguous", {"predict_change": True}) for name in SMALL if name not in GROUPED),
    *((name, "contiguous", WHOLE) for name in GROUPED),
    *((name, split, WHOLE) for name in GROUPED for split in SHUFFLED),
    ("noisy_sine", "each_group", {"relative_to_first": True}),
    ("grades", "each_group", ALONE),
    ("imdb", "given", WHOLE),
]
case = pytest.mark.parametrize(
    ("name", "split", "params"), CASES, ids=lambda value: "+".join(value) if isinstance(value, dict) else value
)


def recorded_fault(folder, recordings=1) -> Recording:
    """What the main pipeline reads: the simulated fault, as CSV, through the stage ingest."""
    for number in range(recordings):
        blocks = fault.simulate(cycles=6, sample_rate=20.0, gain_spread=0.15, wander=0.05, seed=SEED + number)
        rows = ({"acoustic_data": sound, "time_to_failure": time} for sound, time in blocks)
        write_csv(folder / f"{number}.csv", rows)
    source = params.read(Path(__file__).parents[2] / "params.yaml", Settings).source
    raw = folder if recordings > 1 else folder / "0.csv"
    stages.ingest.main(stages.ingest.Params(raw=str(raw), source=source), folder / "recorded")
    return from_disk(folder / "recorded")


@pytest.fixture(scope="session")
def recordings(tmp_path_factory):
    found = {"recorded fault": recorded_fault(tmp_path_factory.mktemp("fault"))}
    found["three recorded faults"] = recorded_fault(tmp_path_factory.mktemp("faults"), recordings=3)
    return found | {name: read_source(name, tmp_path_factory.mktemp(name)) for name in SMALL}


def windows_of(folder, recording, split, params):
    folder.mkdir(exist_ok=True)
    recording.write(folder / "series")
    more = {"folds": 3} if split in SEVERAL_TESTS else {}
    more |= {"repeats": 2} if split == "folds" else {}
    return cut(folder, Series.open(folder / "series", SeriesMeta), split=split, **PARAMS | more | params).splits


def read_by_training(one) -> list[bytes]:
    """All that the training reads of train, and what validation reads."""
    batches = [batch for part in ("train", "validation") for batch in one.batches(part)]
    return [values.tobytes() for batch in batches for values in (batch.signal, batch.labels)]


def test_every_source_and_every_kind_of_split_is_here():
    files = {path.stem for folder in sources.__path__ for path in Path(folder).glob("[!_]*.py")}
    assert files == {"fault", *(name for name, *_ in CASES)} - {"recorded fault", "three recorded faults"}
    assert {split for _, split, _ in CASES} == {*get_args(get_type_hints(Window)["split"])}


@case
def test_the_test_part_changes_nothing_in_training(tmp_path, recordings, name, split, params):
    recording = recordings[name]
    before = windows_of(tmp_path / "before", recording, split, params)
    for number, one in enumerate(before):
        changed = other_values(recording, rows_of(one, "test", recording))
        other = windows_of(tmp_path / "after", changed, split, params)[number]
        assert (other.labels("test") != one.labels("test")).all()
        assert read_by_training(other) == read_by_training(one)
        assert fit_scalers(other) == fit_scalers(one)
        assert other.meta.vocabulary == one.meta.vocabulary


@case
def test_the_scalers_are_of_train_alone(tmp_path, recordings, name, split, params):
    recording = recordings[name]
    for number, one in enumerate(windows_of(tmp_path / "before", recording, split, params)):
        for part in PARTS:
            changed = other_values(recording, rows_of(one, part, recording))
            signal, target = fit_scalers(windows_of(tmp_path / "after", changed, split, params)[number])
            same = [fit_scalers(one)[0] == signal, fit_scalers(one)[1] == target]
            learnt = not recording.meta.vocabulary and part == "train"  # words and classes are not scaled
            assert same == [not learnt] * 2


def scored(one, part) -> list[bytes]:
    """What the scores of a part are made of: inputs, the labels that count, and where they are."""
    batch = one.gather(part, np.arange(one.parts[part].windows))
    counted = slice(None) if batch.known is None else batch.known
    values = (batch.signal, batch.labels[counted], one.labels(part), one.last_steps(part))
    return [np.ascontiguousarray(array).tobytes() for array in values]


@case
def test_only_past_inputs_cross_into_a_part(tmp_path, recordings, name, split, params):
    """No label of an earlier part, and nothing at all of a later one, changes what the scores of a part are made of."""
    recording = recordings[name]
    crosses = []
    for number, one in enumerate(windows_of(tmp_path / "before", recording, split, params)):
        for i, other in enumerate(PARTS):
            changed = other_values(recording, rows_of(one, other, recording))
            labels = windows_of(tmp_path / "after", replace(changed, signal=recording.signal), split, params)[number]
            both = windows_of(tmp_path / "both", changed, split, params)[number]
            for part in PARTS[:i]:
                assert scored(both, part) == scored(one, part)
            for part in PARTS[i + 1 :]:
                assert scored(labels, part) == scored(one, part)
                crosses.append(scored(both, part) != scored(one, part))
    # where all that lies before a part is of other groups, or a label is forecast from its own step, none cross
    own_rows = split in (*SHUFFLED, "given", "recordings") or params.get("one_window_per_group") or params == ALONE
    assert any(crosses) == (not own_rows)


@pytest.mark.parametrize(("name", "split", "params"), [case for case in CASES if case[1] not in SHUFFLED])
def test_the_future_changes_no_earlier_input(tmp_path, recordings, name, split, params):
    recording = recordings[name]
    row = len(recording.signal) * 3 // 5
    later = np.arange(row, len(recording.signal))
    before = windows_of(tmp_path / "before", recording, split, params)
    after = windows_of(tmp_path / "after", other_values(recording, later), split, params)
    unchanged = 0
    for old, new in zip(before, after, strict=True):
        for part in PARTS:
            last, numbers = old.last_steps(part), np.arange(old.parts[part].windows)
            a, b = (one.gather(part, numbers) for one in (old, new))
            past = first_rows(old, recording, last) + old.meta.samples_per_step <= row
            assert a.signal[past].tobytes() == b.signal[past].tobytes()
            known = first_rows(old, recording, last + old.meta.horizon) + old.meta.samples_per_step <= row
            assert a.labels[known].tobytes() == b.labels[known].tobytes()
            unchanged += int(past.sum())
            if "relative_to_first" not in params:
                assert (a.signal[~past] != b.signal[~past]).any(axis=(1, 2)).all()
    assert unchanged > 0


@pytest.mark.parametrize(("name", "split", "params"), [case for case in CASES if case[1] in SHUFFLED])
def test_a_group_changes_no_window_of_another_group(tmp_path, recordings, name, split, params):
    recording = recordings[name]
    number = int(recording.group[-1])
    own = np.flatnonzero(recording.group == number)
    before = windows_of(tmp_path / "before", recording, split, params)
    after = windows_of(tmp_path / "after", other_values(recording, own), split, params)
    for old, new in zip(before, after, strict=True):
        changed = []
        for part in PARTS:
            numbers = np.arange(old.parts[part].windows)
            a, b = (one.gather(part, numbers) for one in (old, new))
            same = [(a.signal == b.signal).all(axis=(1, 2)), (a.labels == b.labels).all(axis=(1, 2))]
            assert (same[0] == same[1]).all()
            changed += old.steps.group[old.last_steps(part)][~same[0]].tolist()
        assert changed == [number]


@pytest.mark.parametrize(("name", "split", "params"), [case for case in CASES if case[1] in (*SHUFFLED, "given")])
def test_no_group_in_two_parts(tmp_path, recordings, name, split, params):
    for one in windows_of(tmp_path / "w", recordings[name], split, params):
        groups = [set(one.steps.group[p.steps].tolist()) for p in one.parts.values()]
        assert sum(map(len, groups)) == len(set.union(*groups)) == len(set(recordings[name].group.tolist()))
