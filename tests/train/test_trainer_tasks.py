"""Learning what the main pipeline has not: classes, padded sequences, weight decay, several splits and members."""

import json
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from machine import said
from processes import finish, start
from seeds import rng
from small_network import train
from small_windows import cut, write_series

from recurrent.config import reader as params
from recurrent.config.schema import System
from recurrent.network import forecaster
from recurrent.train.adam import Adam
from recurrent.train.setup import fit_scalers, forecaster_config
from recurrent.train.trainer import Trainer
from recurrent.window.windows import Windows

ROOT = Path(__file__).parents[2]
torch.set_num_threads(1)
GROUP = np.repeat(np.arange(24), np.tile([5, 3, 4], 8))
PARAMS = params.read(ROOT / "systems" / "params.yaml", System, system="grades")
TEXTS = {"vocabulary": tuple("abcdefghi"), "classes": ("no", "yes")}
FEW = {
    "max_epochs": 3,
    "patience": 9,
    "members": 1,
    "learning_rate": 0.01,
    "gradient_clip": 9.0,
    "backend": "reference",
}


def windows(folder, *, words=False, **params) -> Windows:
    random = rng(0)
    signal = random.integers(0, 9, len(GROUP)) if words else random.normal(size=len(GROUP)).round(2)
    target, meta = (GROUP % 2, TEXTS) if words else (signal + 3, {})
    series = write_series(folder, signal, target, group=GROUP, target_columns=(None,) if words else (0,), **meta)
    usual = {"split": "groups", "one_window_per_group": True, "seq_len": 5, "batch_size": 4, "fractions": (0.5, 0.25)}
    return cut(folder, series, **usual | params)


def trainer(data, *, seed=0, model=(), **train) -> Trainer:
    chosen = replace(
        PARAMS.model, **{"hidden_size": 4, "readout": "all_steps", "dropout": 0.0, "residual": "none"} | dict(model)
    )
    network = forecaster.build(forecaster_config(chosen, data), fit_scalers(data), seed=seed)
    return Trainer(network, data, replace(PARAMS.train, **FEW | train), seed=seed)


def test_the_loss_of_a_padded_sequence_is_the_sum_over_its_own_steps(tmp_path):
    data = windows(tmp_path)
    run = trainer(data, loss="mse", learning_rate=1e-30, max_epochs=1)
    scale, total, off, size = run.forecaster.target_scaler.scale[0], [], 0.0, 0.0
    for begin, end in data.parts["validation"].group_spans.tolist():
        answers = run.forecaster.predict(data.steps.signal[None, begin:end])[0]
        labels = data.steps.target[begin:end]
        total.append((((answers - labels) / scale) ** 2).sum())
        off, size = off + abs(answers[-1] - labels[-1]).item(), size + abs(labels[-1]).item()
    assert len({*np.diff(data.parts["validation"].group_spans)[:, 0].tolist()}) > 1
    [row] = train(run)
    assert row.validation_loss == pytest.approx(np.mean(total), rel=1e-5)
    assert row.validation_mean_delta == pytest.approx(off / size, rel=1e-5)


def test_of_classes_loss_and_mean_delta_by_hand(tmp_path):
    data = windows(tmp_path, words=True, fractions=(0.5, 0.21))
    run = trainer(
        data, loss="cross_entropy", learning_rate=1e-30, max_epochs=1, model={"input": "embedding", "readout": "last"}
    )
    batch = data.gather("validation", np.arange(data.parts["validation"].windows))
    given = run.forecaster.predict(batch.signal, batch.lengths)[:, 0]
    actual = batch.labels[:, -1, 0].astype(int)
    [row] = train(run)
    assert row.validation_loss == pytest.approx(-np.log(given[np.arange(len(actual)), actual]).mean(), rel=1e-5)
    wrong = (given.argmax(axis=1) != actual).mean()
    assert row.validation_mean_delta == pytest.approx(wrong) and wrong not in (0, 0.5, 1)


@pytest.mark.parametrize(
    ("words", "loss", "expected"),
    [(False, "cross_entropy", "mae or mse or huber"), (True, "mse", "cross_entropy, which fits")],
)
def test_a_loss_that_does_not_fit_is_refused(tmp_path, words, loss, expected):
    model = {"input": "embedding", "readout": "last"} if words else {}
    with pytest.raises(ValueError, match=f"train.loss is {loss}, expected .*{expected}"):
        trainer(windows(tmp_path, words=words), loss=loss, model=model)


def test_the_scaler_of_a_view_counts_no_padding(tmp_path):
    data = windows(tmp_path, predict_change=True, horizon=1, seq_len=9)
    part = data.parts["train"]
    rows = np.concatenate([np.arange(begin, end - 1) for begin, end in part.group_spans])
    signal, label = fit_scalers(data)
    np.testing.assert_allclose(signal.mean, data.steps.signal[rows].mean(axis=0))
    np.testing.assert_allclose(label.scale, (data.steps.target[rows + 1] - data.steps.signal[rows]).std(axis=0))


def test_weight_decay_is_that_of_torch():
    torch.manual_seed(0)
    start = [torch.randn(3, 4), torch.randn(4)]
    ours, theirs, free = ([weight.clone().requires_grad_() for weight in start] for _ in range(3))
    mine, peer, other = Adam(ours, weight_decay=0.3), torch.optim.Adam(theirs, lr=0.05, weight_decay=0.3), Adam(free)
    for _ in range(40):
        for weights, optimizer in ((ours, mine), (theirs, peer), (free, other)):
            optimizer.zero_grad()
            sum(((weight - 1) ** 2).sum() for weight in weights).backward()
        mine.step(0.05)
        other.step(0.05)
        peer.step()
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)
    assert all((a - b).abs().max() > 0.05 for a, b in zip(ours, free, strict=True))


@pytest.mark.parametrize("readout", ["all_steps", "last"])
def test_a_killed_run_with_dropout_ends_with_the_same_bits(tmp_path, readout):
    data = windows(tmp_path)
    params = {"max_epochs": 5, "weight_decay": 0.1, "model": {"dropout": 0.5, "readout": readout}}
    undisturbed, killed, resumed = (trainer(data, **params) for _ in range(3))
    train(undisturbed)

    def after_epoch(row):
        if row.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        killed.run(after_epoch)
    torch.rand(7)  # whatever else draws numbers in between
    resumed.restore(killed.state())
    assert [row.epoch for row in train(resumed)] == [3, 4, 5]
    assert resumed.history == undisturbed.history
    for name, weight in undisturbed.forecaster.state_dict().items():
        assert weight.numpy().tobytes() == resumed.forecaster.state_dict()[name].numpy().tobytes()


EPOCHS = 6
SECTION = f"""
  folded:
    raw: none
    seq_len: 5
    source: {{name: grades}}
    window: {{split: folds, folds: 2, repeats: 1, one_window_per_group: true, horizon: 0, batch_size: 4}}
    model: {{cell: manual, readout: last, hidden_size: 4, dropout: 0.3}}
    train: {{members: 2, max_epochs: {EPOCHS}, patience: 99, learning_rate: 0.01}}
    evaluate: {{free_running: 0}}
"""


def test_a_killed_training_of_splits_and_members_ends_in_the_same_bytes(tmp_path):
    """Killed in the second network of four: the first is not trained again, and all files are the same."""
    text = (ROOT / "systems" / "params.yaml").read_text(encoding="utf-8")
    (tmp_path / "p.yaml").write_text(text + SECTION)
    for folder in ("stages", "recurrent"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    windows(tmp_path, split="folds", folds=2, repeats=1)
    words = ("windows", "model/f.safetensors", "history.csv", "--params", "p.yaml", "--system", "folded")

    def train(**params):
        for path in [*tmp_path.glob("model/*"), *tmp_path.glob("history.csv")]:  # as DVC does
            path.unlink()
        code, out, err = finish(start("train", words, cwd=tmp_path, without=("DVC_ROOT",), **params))
        made = [*tmp_path.glob("model/*"), *tmp_path.glob("history.csv")]
        return code, out, err, {path.name: path.read_bytes() for path in made}

    code, _, err, undisturbed = train()
    assert (code, err) == (0, said("train"))
    assert train(killed_in_write=EPOCHS + 4)[0] == -signal.SIGKILL
    code, out, err, found = train()
    assert (code, err) == (0, said("train"))
    assert out.count("epoch   1/") == 2 and out.count(f"resuming after epoch {EPOCHS} ") == 1
    assert out.count("resuming after epoch 3 ") == 1
    assert found == undisturbed
    pairs = ["0-1", "1-0", "1-1"]
    names = ["f", *(f"f-{pair}" for pair in pairs)]
    expected = {f"{name}.safetensors" for name in names} | {f"history-{pair}.csv" for pair in pairs}
    assert set(found) == expected | {"history.csv", "training.json"}
    assert len({found[f"{name}.safetensors"] for name in names}) == 4
    ending = json.loads(found["training.json"])
    assert [other["epochs"] for other in (ending, *ending["others"])] == [EPOCHS] * 4
    assert list((tmp_path / ".cache" / "checkpoints").iterdir()) == []
