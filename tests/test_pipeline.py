"""The six stages from end to end, on a small recording, through the command lines of dvc.yaml."""

import importlib
import json
import shlex
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import processes
import pytest
import torch
import yaml
from machine import said
from processes import finish
from seeds import SEED

import stages
from recurrent.cells.kernels.dispatch import choose
from recurrent.config import reader as params
from recurrent.config.schema import Settings
from recurrent.ingest import ordered_map
from recurrent.network.forecaster import Forecaster
from recurrent.storage.tables import read_csv
from recurrent.train.trainer import HISTORY_COLUMNS, Trainer
from recurrent.window.split import PARTS

ROOT = Path(__file__).parents[1]
DVC = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
SCORES = {"mean_delta", "mae", "mse", "rmse", "r2"}


def dotted(tree, above=""):
    """Give a mapping in which `a: {b: 1}` is `a.b: 1`."""
    inner = [dotted(v, f"{above}{k}.") if isinstance(v, dict) else {above + k: v} for k, v in tree.items()]
    return {key: value for part in inner for key, value in part.items()}


def flat(text):
    return dotted(yaml.safe_load(text))


SHIPPED = flat((ROOT / "params.yaml").read_text(encoding="utf-8"))
SMALL = flat("""
seq_len: 20
simulate: {cycles: 10, sample_rate: 400.0}
window: {samples_per_step: 50, statistic: [log_std], stride: 2, batch_size: 8}
model: {cell: manual, hidden_size: 8, num_layers: 1}
train: {loss: mae, target_delta: 0.0, patience: 20, max_epochs: 3, backend: auto, threads: 1}
""") | {"simulate.seed": SHIPPED["simulate.seed"] + SEED}
# another value for every key of params.yaml, which must change what the stage makes
OTHER = flat("""
seed: 1
seq_len: 21
simulate: {cycles: 9, sample_rate: 300.0, seed: 12345}
ingest: {csv: data/raw/other.csv, signal: [acoustic_data, time_to_failure], target: acoustic_data,
         signal_unit: volts, target_unit: years, failure_below: null, workers: 3}
window: {samples_per_step: 40, statistic: [std], stride: 3, batch_size: 9, split: contiguous,
         train_fraction: 0.5, validation_fraction: 0.1}
model: {cell: gru, hidden_size: 4, num_layers: 2}
train: {best_by: loss, loss: mse, learning_rate: 0.00123, learning_rate_decay: 0.77, gradient_clip: 0.0123,
        target_delta: 1000.0, patience: 1, max_epochs: 2, backend: reference, threads: 2}
evaluate: {ridge_penalties: [1000000000.0]}
plot: {dpi: 45}
""")
BESIDE = {  # what must be so for the other value to be seen
    "ingest.target": {"ingest.failure_below": None},  # sound goes up and down
    "train.patience": {"train.learning_rate_decay": 1e-30},  # nothing becomes better after the first epoch
}


def write_params(home, changes):
    tree = {}
    for key, value in (SHIPPED | SMALL | changes).items():
        *sections, name = key.split(".")
        (tree.setdefault(sections[0], {}) if sections else tree)[name] = value
    (home / "params.yaml").write_text(yaml.safe_dump(tree))


def arguments(stage):
    return shlex.split(DVC[stage]["cmd"])[3:]


def start(home, stage):
    """Start the command line of dvc.yaml in a process of its own."""
    return processes.start(stage, arguments(stage), cwd=home, without=("DVC_ROOT",))


def outs(stage):
    return [*DVC[stage]["outs"], *(next(iter(entry)) for entry in DVC[stage].get("metrics", []))]


def products(home, stage):
    """Path -> bytes of everything the stage has made."""
    files = [file for out in outs(stage) for file in (home / out, *(home / out).rglob("*")) if file.is_file()]
    return {file.relative_to(home).as_posix(): file.read_bytes() for file in files}


def clear(home, stage):
    """Remove what the stage has made, as DVC does before it runs one."""
    for path in (home / out for out in outs(stage)):
        shutil.rmtree(path, ignore_errors=True)
        path.unlink(missing_ok=True)


def remake(stage, changes):
    """Run the stage here, in this process: what it has made, and its numbers of threads, which change no result."""
    write_params(Path(), changes)
    clear(Path(), stage)  # what DVC has linked to its cache cannot be written
    torch.set_num_threads(1)
    module = importlib.import_module(f"stages.{stage}")
    knobs = stages.pick(params.read(Path("params.yaml"), Settings), module.Params)
    with patch.object(ordered_map, "ThreadPoolExecutor", wraps=ThreadPoolExecutor) as pool:
        module.main(knobs, *map(Path, arguments(stage)))
    return products(Path(), stage), torch.get_num_threads(), [call.args for call in pool.call_args_list]


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
    gain = result["less_error_than_best_baseline"]
    assert set(result) == {*PARTS, "baselines", "skill", "less_error_than_best_baseline", "counts"}
    assert set(gain) == {"low", "high"} and gain["low"] < gain["high"]
    assert all(set(result[part]) == SCORES | {"mean_delta_all_steps"} for part in PARTS)
    assert set(result["baselines"]) == {"median", "clock", "ridge"}
    assert all(set(scores) == SCORES for scores in result["baselines"].values())
    assert set(result["counts"]) == {"train_windows", "validation_windows", "test_windows", "test_cycles"}
    best = min(scores["mae"] for scores in result["baselines"].values())
    assert result["skill"] == 1 - result["test"]["mae"] / best


def test_predictions_reproduce_the_metrics(finished):
    *_, metrics, predictions = arguments("evaluate")
    result, rows = json.loads((finished / metrics).read_text()), read_csv(finished / predictions / "predictions.csv")
    scores = {"predicted": result["test"], **result["baselines"]}
    assert list(rows)[:3] == ["time", "actual", "predicted"]
    assert set(rows) == {"time", "actual", *scores}
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
    assert len(pictures) == 3
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
    assert Forecaster.load(path).architecture.cell == SMALL["model.cell"]


@pytest.mark.parametrize("stage", DVC)
def test_a_stage_run_again_makes_the_same_bytes(finished, home, stage):
    assert remake(stage, {})[0] == products(finished, stage)


@pytest.fixture
def crossed(monkeypatch):
    """The validation loss is least in the second epoch, the mean delta in the first, whatever is learnt."""
    usual = Trainer._epoch

    def epoch(self, number):
        return replace(usual(self, number), validation_loss=5.0 - number % 3, validation_mean_delta=0.1 * number)

    monkeypatch.setattr(Trainer, "_epoch", epoch)


@pytest.mark.parametrize("key", list(SHIPPED))
def test_every_parameter_has_an_effect(home, key, request):
    if key == "train.best_by":
        request.getfixturevalue("crossed")
    section = key.split(".")[0]
    stage = next(name for name in DVC if section in DVC[name]["params"])  # the first that reads it
    beside = BESIDE.get(key, {})
    assert OTHER[key] != (SHIPPED | SMALL | beside)[key], "the other value of this test is the usual one"
    assert remake(stage, beside) != remake(stage, beside | {key: OTHER[key]})


def test_a_killed_training_goes_on_and_ends_in_the_same_bytes(home):
    undisturbed, *_ = remake("train", {})
    clear(home, "train")
    doomed = processes.start("train", arguments("train"), cwd=home, without=("DVC_ROOT",), killed_in_write=3)
    assert finish(doomed)[0] == -signal.SIGKILL
    states = home / ".cache" / "checkpoints"
    assert {path.suffix for path in states.iterdir()} == {".pt", ".tmp"}
    clear(home, "train")
    code, out, err = finish(start(home, "train"))
    assert (code, err) == (0, said("train"))
    lines = [line for line in out.splitlines() if "epoch " in line]
    assert lines[0].startswith("going on after epoch 2 ") and lines[1].startswith("epoch   3/3 ")
    assert products(home, "train") == undisturbed
    assert list(states.iterdir()) == []


def test_the_checkpoint_belongs_to_the_backend_in_use_and_the_c_source(home, monkeypatch):
    train, prints, codes = importlib.import_module("stages.train"), [], []
    monkeypatch.setattr(train.checkpoint, "fingerprint", lambda **given: codes.append(given["code"]) or str(given))
    data = train.Windows.open(Path(arguments("train")[0]))
    for asked in ("auto", "c"):
        write_params(Path(), {"train.backend": asked})
        knobs = stages.pick(params.read(Path("params.yaml"), Settings), train.Params)
        prints += [train._fingerprint(knobs, data, [0, 0], used) for used in ("c", "numpy")]
    assert prints[:2] == prints[2:] and prints[0] != prints[1]
    assert {path.name for path in codes[0]} >= {"recurrence.c", "c_layer.py", "numpy_layer.py", "manual.py"}


@pytest.mark.parametrize("backend", ["reference", "numpy", "auto"])
def test_the_outcome_tells_the_backend_in_use(home, backend):
    made, *_ = remake("train", {"train.backend": backend})
    outcome = next(json.loads(content) for path, content in made.items() if path.endswith("training.json"))
    assert outcome["backend"] == {"auto": choose("auto")}.get(backend, backend)
