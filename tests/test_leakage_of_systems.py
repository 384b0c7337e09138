"""For every system: what a network learns depends on no test label, and from shuffled labels it learns nothing.

Each is trained with its own parameters, but for a few epochs on few rows, which are made here in the format of its
source. That no source mixes the parts is shown in tests/window/test_leakage.py.
"""

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import yaml
from part_rows import other_values, rows_of
from seeds import rng
from small_data import (
    GRADES,
    SYNOP,
    from_disk,
    reviews,
    students,
    weather,
    write,
    write_reviews_table,
)

import stages.train
import stages.window
from recurrent.config.reader import read
from recurrent.config.schema import Settings, System
from recurrent.network.forecaster import Forecaster, as_tensor
from recurrent.network.model_file import model_path
from recurrent.sources import fault
from recurrent.sources._contract import get_source
from recurrent.storage.series import Recording
from recurrent.storage.tables import write_csv
from recurrent.window.windows import Windows

ROOT = Path(__file__).parents[1]
NAMES = ["quake", *yaml.safe_load((ROOT / "systems" / "params.yaml").read_text(encoding="utf-8"))["systems"]]
# of the options of a source, those that make its data small
FEW = {
    "sine": {"rows": 500},
    "noisy_sine": {"rows": 200, "series": 3},
    "trajectory": {"rows": 500},
    "imdb": {"vocabulary": 40, "words": 8},
    "table": {"join": None, "time": None, "time_format": None, "url": None, "checksum": None},
}
EPOCHS = 2


def settings_of(name):
    """Give the parameters of a system, with less work for the network."""
    if name == "quake":
        found = read(ROOT / "params.yaml", Settings)
        few = {"samples_per_step": 10}
    else:
        found = read(ROOT / "systems" / "params.yaml", System, system=name)
        few = {"folds": 2, "repeats": 1} if found.window.split == "folds" else {}
    window = replace(found.window, batch_size=16, stride=2, **few)
    model = replace(found.model, hidden_size=8, embedding_size=min(8, found.model.embedding_size))
    train = replace(found.train, max_epochs=EPOCHS, members=1, target_delta=0.0, learning_rate=0.01)
    return replace(found, seq_len=min(found.seq_len, 8), window=window, model=model, train=train)


def make_raw(source, options, raw):
    """Write raw data of a source, where it reads any; give the path that it reads."""
    if source == "recording":
        blocks = fault.simulate(cycles=10, sample_rate=40.0, gain_spread=0.1, wander=0.1, seed=0)
        write_csv(raw / "own.csv", ({"acoustic_data": sound, "time_to_failure": time} for sound, time in blocks))
        return raw / "own.csv"
    if source == "table":
        names = list(dict.fromkeys((*options.signal, *(options.target or ()))))
        values = rng(4).uniform(1, 2, (400, len(names)))
        if options.failure_threshold is not None:
            values[:, names.index(options.target[0])] = [(0.01 * (400 - i)) % 0.4 for i in range(400)]
        return write(raw / "own.csv", names, values.round(4).tolist())
    if source == "synop":
        write(raw / options.file, SYNOP, weather(400), ";")
    if source == "grades":
        write(raw / options.file, GRADES, students(60))
    if source == "imdb":
        write_reviews_table(raw, reviews(120))
    return raw


@cache
def recording_of(name, folder):
    """Give the rows of a system's source."""
    source = settings_of(name).source
    kind = source["name"]
    module, options = get_source(source | FEW.get(kind, {}))
    found = module.read(options, make_raw(kind, options, folder))
    if not isinstance(found, Recording):
        found.write(folder / "written")
        found = from_disk(folder / "written")
    return found


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    return lambda name: recording_of(name, tmp_path_factory.mktemp(name))


@pytest.fixture(autouse=True)
def no_checkpoints(tmp_path, monkeypatch):
    monkeypatch.setattr(stages.train, "CHECKPOINTS", tmp_path / "checkpoints")


def trained(folder, recording, settings):
    """Train a system on these rows; give its windows and the bytes of the networks."""
    folder.mkdir()
    recording.write(folder / "series")
    stages.window.main(stages.window.Params(settings.seq_len, settings.window), folder / "series", folder / "windows")
    params = stages.train.Params(seed=settings.seed, model=settings.model, train=settings.train)
    (folder / "model").mkdir()
    model = folder / "model" / "forecaster.safetensors"
    stages.train.main(params, folder / "windows", model, folder / "history.csv")
    splits = Windows.open(folder / "windows").splits
    return splits, [model_path(model, i, 0) for i in range(len(splits))]


@pytest.mark.parametrize("name", NAMES)
def test_garbage_in_the_test_part_leaves_the_model_file_the_same(tmp_path, raw, name):
    recording, settings = raw(name), settings_of(name)
    splits, models = trained(tmp_path / "before", recording, settings)
    for i, split in enumerate(splits):
        garbage = other_values(recording, rows_of(split, "test", recording))
        _, others = trained(tmp_path / f"garbage {i}", garbage, settings)
        assert others[i].read_bytes() == models[i].read_bytes()
    if name == NAMES[0]:
        learnt = other_values(recording, rows_of(splits[0], "train", recording))
        assert trained(tmp_path / "other", learnt, settings)[1][0].read_bytes() != models[0].read_bytes()


def with_labels_shuffled(recording):
    """Give labels to rows, or texts to classes, at random; an input that is the label itself goes with it."""
    signal, target = recording.signal.copy(), recording.target.copy()
    if recording.meta.classes:
        _, first, group = np.unique(recording.group, return_index=True, return_inverse=True)
        return replace(recording, target=rng(5).permutation(target[first])[group])
    target = rng(5).permutation(target)
    for k, column in enumerate(recording.meta.target_columns):
        if column is not None and np.array_equal(signal[:, column], recording.target[:, k]):
            signal[:, column] = target[:, k]
    return replace(recording, signal=signal, target=target)


def skill(windows, model):
    """Give by how much the error on the test part is below that of the median, or of the most frequent class."""
    network = Forecaster.load(model)
    actual, predicted = {"train": [], "test": []}, []
    for part in actual:
        for padded in windows.batches(part, all_steps=network.config.readout == "all_steps"):
            batch = padded.valid()
            outputs = network(*network.inputs(batch.signal, batch.lengths)).detach().numpy()
            decoded = network.task.decode(as_tensor(batch.at_final_step(outputs)), network.target_scaler)
            actual[part].append(batch.final_step().actual[:, 0])
            if part == "test":
                predicted.append(batch.forecast(decoded).reshape(len(decoded), -1))
    train, test, forecast = (np.concatenate(values) for values in (actual["train"], actual["test"], predicted))
    if network.config.classes:
        return float((forecast.argmax(1) == test[:, 0]).mean() - max(test.mean(), 1 - test.mean()))
    return float(1 - np.abs(forecast - test).sum() / np.abs(np.median(train, axis=0) - test).sum())


@pytest.mark.parametrize("name", NAMES)
def test_from_shuffled_labels_nothing_is_learnt(tmp_path, raw, name):
    splits, models = trained(tmp_path / "shuffled", with_labels_shuffled(raw(name)), settings_of(name))
    assert np.mean([skill(*one) for one in zip(splits, models, strict=True)]) < 0.15


@pytest.mark.parametrize("name", ["sine", "ladybug"])
def test_from_the_true_labels_as_much_training_learns_something(tmp_path, raw, name):
    splits, models = trained(tmp_path / "true", raw(name), settings_of(name))
    assert np.mean([skill(*one) for one in zip(splits, models, strict=True)]) > 0.5
