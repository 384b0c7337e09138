"""The six stages from end to end, on a small recording, through the command lines of dvc.yaml."""

import importlib
import json
import re
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import processes
import pytest
import torch
from machine import said
from processes import finish
from small_project import DVC, ROOT, SHIPPED, SMALL, arguments, clear, flat, products, remake, start, write_params

from recurrent.cells.kernels.dispatch import choose
from recurrent.config import reader
from recurrent.config.schema import Settings
from recurrent.config.stage import pick
from recurrent.network.forecaster import Forecaster
from recurrent.storage.tables import read_csv
from recurrent.train.history import HISTORY_COLUMNS, Trainer
from recurrent.window.meta import PARTS

SCORES = {"mean_delta", "mae", "mse", "rmse", "r2"}
# another value for every key of params.yaml, which must change what the stage makes
OTHER = flat("""
seed: 1
seq_len: 21
simulate: {cycles: 9, sample_rate: 300.0, gain_spread: 0.3, wander: 0.2, seed: 12345}
ingest: {csv: data/raw/other.csv, signal: [acoustic_data, time_to_failure], target: acoustic_data,
         signal_unit: volts, target_unit: years, failure_threshold: null,
         last_cycle: drop}
window: {samples_per_step: 40, statistic: [std], stride: 3, batch_size: 9, split: contiguous,
         train_fraction: 0.5, validation_fraction: 0.1, horizon: 1, relative_to_first: true, predict_change: true,
         one_window_per_group: true, folds: 2, repeats: 2, seed: 1}
model: {cell: gru, hidden_size: 4, num_layers: 2, dropout: 0.5, readout: last, input: embedding, embedding_size: 2,
        residual: ridge, residual_penalties: [1000000000.0]}
train: {best_by: loss, loss: mse, learning_rate: 0.00123, learning_rate_decay: 0.77, weight_decay: 0.1,
        gradient_clip: 0.0123, target_delta: 1000.0, patience: 1, max_epochs: 2, backend: reference, threads: 2,
        processes: 2, members: 2, refit: true, input_noise: 0.7, labels: share_of_cycle}
evaluate: {ridge_penalties: [1000000000.0], moving_average: 3, season: [7], free_running: 5, excel: true}
plot: {dpi: 45}
""")
# data with groups or words has these; for a recording, every other value is refused
REFUSED = {
    "window.one_window_per_group",
    "window.repeats",
    "window.seed",
    "model.input",
    "model.embedding_size",
}
SOUND = {  # the next sound is forecast from the sound before: the target is read, too
    "ingest.target": "acoustic_data",
    "ingest.failure_threshold": None,
    "window.samples_per_step": 1,
    "window.statistic": ["none"],
    "window.stride": 200,
    "window.horizon": 1,
    "train.max_epochs": 1,
}
BESIDE = {  # what must be so for the other value to be seen
    "ingest.target": {"ingest.failure_threshold": None},  # sound goes up and down
    "train.patience": {"train.learning_rate_decay": 1e-30},  # nothing becomes better after the first epoch
    "model.residual": {"model.readout": "last"},
    "model.residual_penalties": {"model.residual": "ridge", "model.readout": "last"},
    "window.folds": {"window.split": "rolling_origin"},
    "window.relative_to_first": SOUND,
    "window.predict_change": SOUND,
    "evaluate.moving_average": SOUND,
    "evaluate.season": SOUND,
    "evaluate.free_running": SOUND,
}


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A small project in which every stage has run once."""
    home = tmp_path_factory.mktemp("project")
    for folder in ("stages", "recurrent"):
        shutil.copytree(ROOT / folder, home / folder, ignore=shutil.ignore_patterns("__pycache__"))
    (home / ".dvc").mkdir()
    write_params(home, {})
    for stage in DVC:
        code, _, err = finish(start(home, stage))
        assert (code, err) == (0, said(stage)), stage
    shutil.copy(home / SHIPPED["ingest.csv"], home / OTHER["ingest.csv"])
    return home


@pytest.fixture
def home(finished, tmp_path, monkeypatch):
    """A copy of it to work in."""
    shutil.copytree(finished, tmp_path / "home")
    monkeypatch.chdir(tmp_path / "home")
    threads = torch.get_num_threads()
    yield tmp_path / "home"
    torch.set_num_threads(threads)


def test_the_stages_make_what_dvc_expects_and_nothing_else(finished):
    made = {path for stage in DVC for path in products(finished, stage)} | {OTHER["ingest.csv"]}
    found = [path for folder in ("data", "metrics", "plots") for path in (finished / folder).rglob("*")]
    assert made == {path.relative_to(finished).as_posix() for path in found if path.is_file()}
    assert all(products(finished, stage) for stage in DVC)


def test_metrics_have_the_schema_that_is_promised(finished):
    (path,) = DVC["evaluate"]["metrics"][0]
    result = json.loads((finished / path).read_text())
    assert set(result) == {*PARTS, "baselines", "skill", "gain_ci95", "counts", "data", "interval"}
    assert set(result["gain_ci95"]) == {"mae", "mse", "mean_delta"}
    for error, gain in result["gain_ci95"].items():
        assert set(gain) == {"baseline", "low", "high"} and gain["low"] < gain["high"]
        assert gain["baseline"] == min(result["baselines"], key=lambda name: result["baselines"][name][error])
    assert all(set(result[part]) == SCORES | {"mean_delta_all_steps"} for part in PARTS)
    assert set(result["baselines"]) == {"median", "clock", "ridge", "boosted_trees"}
    assert all(set(scores) == SCORES for scores in result["baselines"].values())
    assert set(result["counts"]) == {
        "train_windows",
        "validation_windows",
        "test_windows",
        "test_cycles",
        "validation_windows_apart",
    }
    best = min(scores["mae"] for scores in result["baselines"].values())
    assert result["skill"] == 1 - result["test"]["mae"] / best


def test_predictions_reproduce_the_metrics(finished):
    *_, metrics, predictions = arguments("evaluate")
    result, rows = json.loads((finished / metrics).read_text()), read_csv(finished / predictions / "predictions.csv")
    scores = {"predicted": result["test"], **result["baselines"]}
    assert list(rows)[:3] == ["time", "actual", "predicted"]
    assert set(rows) == {"time", "actual", "lower", "upper", *scores}
    assert (rows["lower"] <= rows["upper"]).all()
    assert len(rows["time"]) == result["counts"]["test_windows"]
    assert (np.diff(rows["time"]) > 0).all()
    for name, score in scores.items():
        assert np.abs(rows[name] - rows["actual"]).mean() == pytest.approx(score["mae"], rel=1e-12)


def test_history_has_a_row_for_each_epoch(finished):
    rows = read_csv(finished / arguments("train")[-1])
    assert tuple(rows) == HISTORY_COLUMNS
    assert rows["epoch"].tolist() == list(range(1, SMALL["train.max_epochs"] + 1))


def test_pictures_are_png(finished):
    pictures = products(finished, "plot")
    assert len(pictures) == 4
    assert all(content.startswith(b"\x89PNG\r\n\x1a\n") for content in pictures.values())


def test_the_model_is_data_and_not_code(finished, monkeypatch):
    path = finished / arguments("train")[1]
    content = path.read_bytes()
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    ends = [about["data_offsets"][1] for name, about in header.items() if name != "__metadata__"]
    assert 8 + size + max(ends) == len(content)
    for name in ("torch.load", "pickle.load", "pickle.loads", "pickle.Unpickler"):
        monkeypatch.setattr(name, None)
    assert Forecaster.load(path).config.cell == SMALL["model.cell"]


@pytest.mark.parametrize("stage", DVC)
def test_a_stage_run_again_makes_the_same_bytes(finished, home, stage):
    assert remake(stage, {})[0] == products(finished, stage)


@pytest.fixture
def crossed(monkeypatch):
    """The validation loss is least in the second epoch, the mean delta in the first, whatever is learnt."""
    usual = Trainer.run_epoch

    def epoch(self):
        row = usual(self)
        return replace(row, validation_loss=5.0 - row.epoch % 3, validation_mean_delta=0.1 * row.epoch)

    monkeypatch.setattr(Trainer, "run_epoch", epoch)


def first_reader(key):
    """The first stage that reads the key."""
    return next(name for name in DVC if key.split(".")[0] in DVC[name]["params"])


@pytest.mark.parametrize("key", list(SHIPPED))
def test_every_parameter_has_an_effect(home, key, request):
    if key == "train.best_by":
        request.getfixturevalue("crossed")
    stage, beside = first_reader(key), BESIDE.get(key, {})
    assert OTHER[key] != (SHIPPED | SMALL | beside)[key], "the other value of this test is the usual one"
    if key in REFUSED:
        with pytest.raises(reader.ParamsError, match=rf"params\.yaml:\d+: {re.escape(key)}: found .* a recording has"):
            remake(stage, {key: OTHER[key]})
        return
    if key == "train.processes":  # which changes no byte; tests/train/test_ranks.py shows what it does
        with pytest.raises(
            ValueError, match="train.processes is 2, expected at most 1: a batch of 8 windows has 1 share"
        ):
            remake(stage, {key: OTHER[key]})
        return
    order = list(DVC)
    for earlier in order[min(order.index(first_reader(other)) for other in [key, *beside]) : order.index(stage)]:
        remake(earlier, beside)
    assert remake(stage, beside) != remake(stage, beside | {key: OTHER[key]})


def test_a_killed_training_goes_on_and_ends_in_the_same_bytes(home):
    undisturbed, _ = remake("train", {})
    clear(home, "train")
    doomed = processes.start("train", arguments("train"), cwd=home, without=("DVC_ROOT",), killed_in_write=3)
    assert finish(doomed)[0] == -signal.SIGKILL
    states = home / ".cache" / "checkpoints"
    assert {path.suffix for path in states.iterdir()} == {".pt", ".tmp", ".lock"}
    clear(home, "train")
    code, out, err = finish(start(home, "train"))
    assert (code, err) == (0, said("train"))
    lines = [line for line in out.splitlines() if "epoch " in line]
    assert lines[0].startswith("resuming after epoch 2 ") and lines[1].startswith("epoch   3/3 ")
    assert products(home, "train") == undisturbed
    assert list(states.iterdir()) == []


def test_the_checkpoint_belongs_to_the_backend_in_use_and_the_c_source(home, monkeypatch):
    train, prints, codes = importlib.import_module("stages.train"), [], []
    monkeypatch.setattr(train.checkpoint, "fingerprint", lambda **given: codes.append(given["code"]) or str(given))
    data = train.Windows.open(Path(arguments("train")[0]))
    for asked in ("auto", "c"):
        write_params(Path(), {"train.backend": asked})
        chosen = pick(reader.read(Path("params.yaml"), Settings), train.Params)
        prints += [train._fingerprint(chosen, data, [0, 0], used) for used in ("c", "numpy")]
    assert prints[:2] == prints[2:] and prints[0] != prints[1]
    assert {path.name for path in codes[0]} >= {"recurrence.c", "c_layer.py", "numpy_layer.py", "manual.py"}


@pytest.mark.parametrize("backend", ["reference", "numpy", "auto"])
def test_the_outcome_tells_the_backend_in_use(home, backend):
    made, _ = remake("train", {"train.backend": backend})
    outcome = next(json.loads(content) for path, content in made.items() if path.endswith("training.json"))
    assert outcome["backend"] == {"auto": choose("auto")}.get(backend, backend)
