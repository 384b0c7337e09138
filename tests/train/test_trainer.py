"""Training: the loss by hand, validation whole, the test part unread, and a killed run that ends with the same bits."""

import copy
import csv
import errno
import io
import os
import pickle
import re
import subprocess
import sys
from dataclasses import asdict, astuple, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from seeds import rng
from small_network import train
from small_windows import cut, write_series

from recurrent import cells
from recurrent.config import reader as params
from recurrent.config.schema import Settings
from recurrent.evaluate import metrics
from recurrent.network import forecaster
from recurrent.storage.digest import of_bytes
from recurrent.train import block, history
from recurrent.train.adam import Adam
from recurrent.train.checkpoint import Checkpoint, fingerprint
from recurrent.train.history import HISTORY_COLUMNS, History
from recurrent.train.setup import fit_scalers, forecaster_config
from recurrent.train.trainer import Epoch, Trainer
from recurrent.window.windows import Windows

torch.set_num_threads(1)
CELLS = sorted(path.stem for path in Path(cells.__file__).parent.glob("[!_]*.py"))
ROOT = Path(__file__).parents[2]
SHIPPED = params.read(ROOT / "params.yaml", Settings)
USUAL = replace(
    SHIPPED.train,
    **{"loss": "mae", "learning_rate": 0.02, "learning_rate_decay": 0.9, "gradient_clip": 5.0},
    **{"target_delta": 0.0, "patience": 99, "max_epochs": 4, "input_noise": 0.0},
)
ROWS = [Epoch(i, 2.0 / i, 3.0 / i, 0.1, 0.2, 1 / 3, 0.01) for i in (1, 2, 3)]


@pytest.fixture
def windows(tmp_path) -> Windows:
    return make_windows(tmp_path)


def make_windows(folder, *, test_seed=None) -> Windows:
    """A level to find beside a distracting column; 72, 22 and 22 windows of 4 steps, in batches of 8."""
    signal = rng(1).normal(size=(125, 2)).round(3)
    if test_seed:
        signal[100:] = 50 + rng(test_seed).normal(size=(25, 2))
    series = write_series(folder, signal, 10 + signal[:, :1] + 0.5 * np.r_[0, signal[:-1, 0]][:, None])
    return cut(folder, series, seq_len=4, batch_size=8)


def trainer(windows, *, kind=Trainer, cell="manual", seed=0, **changes) -> Trainer:
    name, _, backend = cell.partition(" by ")
    plan = forecaster_config(replace(SHIPPED.model, cell=name, hidden_size=6), windows)
    network = forecaster.build(plan, fit_scalers(windows), seed=seed, backend=backend or "reference")
    return kind(network, windows, replace(USUAL, **changes), seed=seed)


def bits(run) -> tuple:
    return run.history, run.best_epoch, [weight.numpy().tobytes() for weight in run.forecaster.state_dict().values()]


LOSS = {"mae": np.abs, "mse": np.square, "huber": lambda e: np.where(abs(e) < 1, e**2 / 2, abs(e) - 0.5)}


@pytest.mark.parametrize("loss", LOSS)
def test_the_loss_is_the_sum_over_the_steps_and_the_mean_over_the_windows(windows, loss):
    run = trainer(windows, loss=loss, learning_rate=1e-30, max_epochs=1)  # too small to change a weight
    network = run.forecaster
    expected = {}
    for part in ("train", "validation"):
        batch = windows.gather(part, np.arange(windows.parts[part].windows))
        target, answers = batch.labels, network.predict(batch.signal)
        error = (answers - target) / network.target_scaler.scale
        counted = np.ones(batch.labels.shape[:2], bool) if batch.known is None else batch.known
        # of the first three windows of validation, the labels before it are train's; the mean is per label, times steps
        assert counted.sum() == counted.size - (6 if part == "validation" else 0)
        expected[f"{part}_loss"] = LOSS[loss](error)[counted].sum() / counted.sum() * counted.shape[1]
        expected[f"{part}_mean_delta"] = metrics.mean_delta(target[:, -1], answers[:, -1])
    [row] = train(run)
    assert windows.parts["train"].windows == 72 and windows.parts["validation"].windows == 25  # 9 batches, 3 1/8
    assert {name: asdict(row)[name] for name in expected} == pytest.approx(expected, rel=1e-5)


def test_it_learns(windows):
    rows = train(trainer(windows, max_epochs=12))
    assert rows[-1].train_loss < rows[0].train_loss / 2 and rows[-1].validation_loss < rows[0].validation_loss / 2
    assert [row.epoch for row in rows] == [*range(1, 13)]
    np.testing.assert_allclose([row.learning_rate for row in rows], 0.02 * 0.9 ** np.arange(12))


@pytest.mark.parametrize("cell", ["manual by c", "gru by c", "manual", "rnn"])
@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_how_many_batches_are_cut_at_once_changes_no_bit(monkeypatch, tmp_path, cell, noise):
    series = write_series(tmp_path, rng(3).normal(size=(125, 2)), known=rng(4).random(125) < 0.7)
    found = cut(tmp_path, series, seq_len=4, batch_size=8)
    batch = 8 * 4 * 2  # numbers
    ends, together = [], []
    for numbers in (1, 2 * batch, 2**16):
        monkeypatch.setattr(block, "NUMBERS", numbers)
        together.append(
            [len(each.batches) for each in block.blocks(found, trainer(found).forecaster, "train", np.arange(20))]
        )
        one = trainer(found, cell=cell, input_noise=noise)
        one.run(lambda row: None)
        ends.append(bits(one))
    assert together == [[1, 1, 1], [2, 1], [3]] and ends[1] == ends[0] and ends[2] == ends[0]


def test_windows_of_several_lengths_are_cut_batch_by_batch(tmp_path):
    group = np.repeat(np.arange(12), np.arange(3, 15))
    series = write_series(tmp_path, rng(5).normal(size=(len(group), 2)), group=group)
    sizes = {"seq_len": 20, "one_window_per_group": True, "batch_size": 2, "split": "groups"}
    found = cut(tmp_path, series, **sizes)
    each = [*block.blocks(found, trainer(found).forecaster, "train", np.arange(found.parts["train"].windows))]
    assert [len(one.windows.labels) for one in each] == [2, 2, 2, 1]
    for one in each[:3]:
        ((rows, windows),) = one.batches
        x_BTD, lengths_B = one.inputs(rows)
        assert windows is one.windows and x_BTD.shape[:2] == (len(windows.labels), max(windows.lengths))
        assert lengths_B.tolist() == windows.lengths.tolist()


def test_windows_that_do_not_fill_a_batch_take_turns(monkeypatch, windows):
    """72 windows in batches of 10: two are left out of each epoch, others each time."""
    monkeypatch.setattr(block, "NUMBERS", 1)  # a batch at a time
    part = replace(windows.parts["train"], batch_size=10)
    seen = []

    class Watched(Windows):
        def gather(self, name, indices, **options):
            seen.append((name, indices.tolist()))
            return super().gather(name, indices, **options)

    watched = Watched(windows.steps, windows.parts | {"train": part})
    epochs = []

    def after_epoch(_):
        epochs.append({number for name, numbers in seen if name == "train" for number in numbers})
        assert [len(numbers) for name, numbers in seen if name == "train"] == [10] * 7
        seen.clear()

    trainer(watched, max_epochs=2).run(after_epoch)
    assert [len(numbers) for numbers in epochs] == [70, 70] and epochs[0] != epochs[1]


@pytest.mark.parametrize(
    ("reason", "changes", "epochs"),
    [
        ("max_epochs", {"max_epochs": 3}, 3),
        ("target", {"target_delta": 9.9}, 1),
        ("patience", {"learning_rate": 1e-30, "patience": 2, "max_epochs": 9}, 3),
        ("target", {"target_delta": 9.9, "max_epochs": 1, "patience": 1}, 1),
    ],
)
def test_it_stops_by(windows, reason, changes, epochs):
    run = trainer(windows, **changes)
    assert run.stopped_by is None
    assert len(train(run)) == epochs
    assert run.stopped_by == reason
    assert train(run) == []


def test_the_best_epochs_weights_are_kept(windows):
    run = trainer(windows, learning_rate=0.1, learning_rate_decay=2.0, max_epochs=8)
    rows = train(run)
    deltas = [row.validation_mean_delta for row in rows]
    assert run.best_epoch == 1 + int(np.argmin(deltas)) < len(rows)  # at this rate the last is not the best
    batch = windows.gather("validation", np.arange(25))
    kept = metrics.mean_delta(batch.labels[:, -1], run.forecaster.predict(batch.signal)[:, -1])
    assert kept == pytest.approx(min(deltas), rel=1e-6)
    summary = history.training_summary(run)
    # no version of Python or of a package, no time and no name of a machine: they would change the lock
    assert set(summary) == {"backend", "stopped_by", "epochs", "target_delta", "best"}
    assert (summary["stopped_by"], summary["epochs"], summary["best"]) == (
        "max_epochs",
        8,
        asdict(rows[run.best_epoch - 1]),
    )


@pytest.mark.parametrize("clip", [0.5, 1e9])
def test_the_gradient_of_each_step_is_clipped(windows, clip):
    run, norms = trainer(windows, gradient_clip=clip, max_epochs=1), []
    mine, theirs = run.optimizer, copy.deepcopy([*run.forecaster.parameters()])
    peer, step = Adam(theirs), mine.step

    def watched(rate, *, clip):
        for ours, weight in zip(mine.weights, theirs, strict=True):
            weight.grad = ours.grad.clone()
        norms.append(float(torch.nn.utils.clip_grad_norm_(theirs, clip)))
        peer.step(rate)
        return step(rate, clip=clip)

    run.optimizer.step = watched
    [row] = train(run)
    assert len(norms) == 9 and max(norms) > 0.5
    assert row.gradient_norm == pytest.approx(np.mean(norms), rel=1e-6)  # history tells the norm before the clip
    for both in zip(mine.weights, theirs, strict=True):
        torch.testing.assert_close(*both, rtol=1e-5, atol=1e-6)  # torch sums the norm in another order


def test_the_test_part_is_never_read(tmp_path):
    (tmp_path / "other").mkdir()
    undisturbed, other = trainer(make_windows(tmp_path)), make_windows(tmp_path / "other", test_seed=7)
    assert other.labels("test").mean() > 50
    disturbed = trainer(replace(other, parts={**other.parts, "test": None}))  # to ask where it lies is an error
    for run in (undisturbed, disturbed):
        train(run)
    assert bits(undisturbed) == bits(disturbed)


@pytest.mark.parametrize("best", [1, 2, 4])
@pytest.mark.parametrize("cell", [*CELLS, "manual by numpy", "manual by auto"])
def test_a_killed_run_ends_with_the_same_bits(tmp_path, windows, cell, best):
    class Imposed(Trainer):
        def run_epoch(self):  # the best one lies before the kill, in it or after it, whatever is learnt
            row = super().run_epoch()
            return replace(row, validation_mean_delta=0.1 + abs(row.epoch - best))

    undisturbed, killed, resumed = (trainer(windows, kind=Imposed, cell=cell) for _ in range(3))
    train(undisturbed)
    saved = Checkpoint(tmp_path / "states", "f00d")
    assert saved.load() is None

    def after_epoch(row):
        saved.save(killed.state())
        if row.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        killed.run(after_epoch)
    resumed.restore(saved.load())
    assert [row.epoch for row in train(resumed)] == [3, 4]
    assert bits(resumed) == bits(undisturbed) != bits(killed)
    assert resumed.best_epoch == best
    saved.remove()
    assert not list((tmp_path / "states").iterdir()) and saved.load() is None


def test_the_seed_decides(windows):
    runs = [trainer(windows, seed=seed, max_epochs=1) for seed in (0, 0, 1)]
    for run in runs:
        train(run)
    assert bits(runs[0]) == bits(runs[1]) != bits(runs[2])


def test_a_loss_that_is_no_number_names_the_epoch(windows):
    run = trainer(windows, loss="mse", learning_rate=1e30)
    with pytest.raises(ValueError, match=r"epoch 1: the loss is (nan|inf); a smaller train.learning_rate"):
        train(run)


def test_a_loss_that_breaks_in_the_last_batch_is_named_too(windows):
    one_batch = replace(windows.parts["train"], batch_size=72)
    parts = {**windows.parts, "train": one_batch}
    run = trainer(replace(windows, parts=parts), loss="mse", learning_rate=1e30, max_epochs=1)
    with pytest.raises(ValueError, match="epoch 1: the loss is (nan|inf)"):
        train(run)


def test_the_fingerprint_is_of_parameters_and_code(tmp_path):
    files = [tmp_path / "a.py", tmp_path / "b.py"]
    for file in files:
        file.write_text(f"# {file.name}")
    parameters = asdict(USUAL) | {"seed": 0}
    first = fingerprint(parameters=parameters, code=files)
    assert fingerprint(parameters=dict(reversed(parameters.items())), code=reversed(files)) == first
    changed = [
        parameters | {name: value * 2 + 1 if not isinstance(value, str) else "other"}
        for name, value in parameters.items()
    ]
    digests = {fingerprint(parameters=other, code=files) for other in changed}
    assert len(digests) == len(parameters) and first not in digests
    files[1].write_text("# another")
    assert fingerprint(parameters=parameters, code=files) != first


def one_bit(content):
    """In the middle, where the weights are: without a digest this would be read, and other bits learnt."""
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.mark.parametrize(
    "damage", [lambda content: b"garbage", lambda content: content[:-99], lambda content: b"", one_bit]
)
def test_a_damaged_checkpoint_starts_over_with_a_notice(tmp_path, capsys, windows, damage):
    saved, run = Checkpoint(tmp_path / "states", "f00d"), trainer(windows, max_epochs=1)
    train(run)
    saved.save(run.state())
    assert saved.load() is not None and capsys.readouterr().err == ""
    saved.path.write_bytes(damage(saved.path.read_bytes()))
    assert saved.load() is None
    assert "f00d.pt: damaged checkpoint, not used; training begins anew" in capsys.readouterr().err


WRITES = """
import os, sys
from pathlib import Path
from recurrent.storage.atomic import replacing
with replacing(Path(sys.argv[1]), folder=len(sys.argv) > 2) as temporary:
    print(temporary.name, flush=True)
    input()
"""


def test_what_killed_writers_left_is_cleared_up_and_what_others_write_is_not(tmp_path):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": ROOT}
    paths = (tmp_path / "a.pt",), (tmp_path / "b.pt",), (tmp_path / "c", "folder"), (tmp_path / "d", "folder")
    writers = [subprocess.Popen([sys.executable, "-c", WRITES, *map(str, words)], **pipes) for words in paths]
    names = [writer.stdout.readline().strip() for writer in writers]
    for writer in writers[::2]:
        writer.kill()
        writer.wait()
    strangers = [".f00d.pt.mine.tmp", ".f00d.pt.1234"]
    for name in (*strangers, f".f00d.pt.{os.getpid()}.tmp"):
        (tmp_path / name).touch()
    try:
        saved = Checkpoint(tmp_path, "f00d")
        assert saved.load() is None
        assert {path.name for path in tmp_path.iterdir()} == {*strangers, *names[1::2], "f00d.lock"}
    finally:
        for writer in writers:
            writer.communicate("\n" if writer.returncode is None else None)
    saved.remove()
    assert {path.name for path in tmp_path.iterdir()} == {*strangers, "b.pt", "d"}


TRAINS = """
import sys
from pathlib import Path
from recurrent.train.checkpoint import Checkpoint
saved = Checkpoint(Path(sys.argv[1]), "f00d")
saved.load()
print("trains", flush=True)
input()
"""


def test_a_checkpoint_has_one_owner_whom_the_second_names(tmp_path):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": ROOT}
    other = subprocess.Popen([sys.executable, "-c", TRAINS, str(tmp_path)], **pipes)
    try:
        assert other.stdout.readline() == "trains\n"
        assert Checkpoint(tmp_path, "beef").load() is None  # another network is another checkpoint
        expected = f"process {other.pid} in {ROOT} trains this network already; wait until it ends"
        with pytest.raises(ValueError, match=re.escape(expected)):
            Checkpoint(tmp_path, "f00d").load()
    finally:
        other.kill()
        other.communicate()
    assert Checkpoint(tmp_path, "f00d").load() is None  # the lock ended with the process


def test_a_state_that_cannot_be_written_leaves_the_one_before(tmp_path, monkeypatch):
    saved = Checkpoint(tmp_path / "states", "f00d")
    saved.save({"epoch": 1})

    def full(file):
        raise OSError(errno.ENOSPC, "no space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="f00d.pt"):
            saved.save({"epoch": 2})
    assert [path.name for path in (tmp_path / "states").iterdir()] == ["f00d.pt"]
    assert saved.load() == {"epoch": 1}


def test_a_lock_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(OSError, match=r"No space left on device: '.*f00d.lock'"):
        Checkpoint(tmp_path / "states", "f00d").load()


def test_a_row_is_on_disk_before_the_next_epoch(tmp_path):
    path = tmp_path / "plots" / "history.csv"
    with History(path, ROWS[:1], max_epochs=4, target_delta=0.05) as log:
        for done in (1, 2, 3):
            if done > 1:
                log.add(ROWS[done - 1])
            with path.open(newline="") as file:
                header, *rows = csv.reader(file)
            assert tuple(header) == HISTORY_COLUMNS
            assert [tuple(map(float, row)) for row in rows] == [astuple(row) for row in ROWS[:done]]
    assert b"\r" not in path.read_bytes()


def test_one_plain_line_per_epoch(tmp_path, capsys):
    with History(tmp_path / "history.csv", [], max_epochs=4, target_delta=0.05) as log:
        for row in ROWS:
            log.add(row)
    *lines, end = capsys.readouterr().out.split("\n")
    assert [line[:11] for line in lines] == ["epoch   1/4", "epoch   2/4", "epoch   3/4"] and end == ""
    assert all(line.isprintable() and "(target 0.05)" in line for line in lines)


def test_our_adam_is_torchs():
    torch.manual_seed(0)
    start = [torch.randn(3, 4), torch.randn(4), torch.randn(1)]
    ours, theirs = ([weight.clone().requires_grad_() for weight in start] for _ in range(2))
    mine, peer = Adam(ours), torch.optim.Adam(theirs)
    for i in range(60):
        for group in peer.param_groups:
            group["lr"] = 0.1 * 0.95**i
        for weights, optimizer in ((ours, mine), (theirs, peer)):
            optimizer.zero_grad()
            (sum((weight**4).sum() for weight in weights) * 10.0 ** (i % 5 - 3)).backward()
        mine.step(0.1 * 0.95**i)
        peer.step()
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)
    assert all((a - b).abs().max() > 0.1 for a, b in zip(ours, start, strict=True))


def test_training_starts_without_torchs_compiler():
    code = "import sys, stages.train, recurrent.train.adam as a, torch; w = torch.ones(2, requires_grad=True)\n"
    code += "o = a.Adam([w]); w.sum().backward(); o.step(0.1); print('torch._dynamo' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("False\n", "")


class Harmful:
    """What runs a command when pickle reads it."""

    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


def test_a_checkpoint_holds_no_code_that_runs_when_it_is_read(tmp_path):
    content = io.BytesIO()
    torch.save({"epoch": Harmful(f"touch {tmp_path / 'ran'}")}, content)
    digest = of_bytes(content.getvalue()).encode()
    (tmp_path / "f00d.pt").write_bytes(b"%s\n%s" % (digest, content.getvalue()))
    with pytest.raises(pickle.UnpicklingError):
        Checkpoint(tmp_path, "f00d").load()
    assert not (tmp_path / "ran").exists()


def test_a_checkpoint_that_somebody_has_removed_is_no_error(tmp_path):
    checkpoint = Checkpoint(tmp_path, "f00d")
    checkpoint.load()
    checkpoint.save({"epoch": 1})
    checkpoint.path.unlink()
    checkpoint.remove()
    assert list(tmp_path.iterdir()) == []
