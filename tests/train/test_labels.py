"""What is learnt: what a ridge leaves, on which windows, under which noise, and countdowns as shares of cycles."""

import copy
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from seeds import rng
from small_network import train
from small_windows import bounds, cut, write_series

from recurrent.config import reader
from recurrent.config.schema import Settings
from recurrent.network.forecaster import Forecaster
from recurrent.network.model_file import ModelFile
from recurrent.network.predictor import read_predictor
from recurrent.network.ridge import fit_ridge
from recurrent.train.labels import Residuals, shares_of_cycles
from recurrent.train.setup import forecaster_config, new_forecaster
from recurrent.train.trainer import Refit, Trainer
from recurrent.window.windows import Windows

torch.set_num_threads(1)
SHIPPED = reader.read(Path(__file__).parents[2] / "params.yaml", Settings)
MODEL = replace(SHIPPED.model, hidden_size=6, readout="last", residual="ridge", residual_penalties=(0.0, 1.0))
USUAL = replace(
    SHIPPED.train,
    **{"loss": "mse", "learning_rate": 0.02, "learning_rate_decay": 0.9, "gradient_clip": 5.0, "best_by": "loss"},
    **{"target_delta": 0.0, "patience": 99, "max_epochs": 4, "backend": "reference", "input_noise": 0.0},
)
VIEWS = [{}, {"predict_change": True, "horizon": 1}, {"relative_to_first": True, "predict_change": True, "horizon": 1}]


@pytest.fixture
def windows(tmp_path) -> Windows:
    return make_windows(tmp_path)


def make_windows(folder, **options) -> Windows:
    """The next value of a level, which a line forecasts but for a bend."""
    x = 10 + rng(1).normal(size=250).round(3)
    y = np.r_[10, 5 + 0.5 * x[:-1] + 0.3 * np.abs(x[:-1] - 10)]
    series = write_series(folder, np.c_[y, x], y, target_columns=(0,))
    return cut(folder, series, **{"seq_len": 4, "batch_size": 8} | options)


def trainer(windows, *, kind=Trainer, model=MODEL, seed=0, epochs=None, **changes) -> Trainer:
    more = {} if epochs is None else {"epochs": epochs}
    return kind(new_forecaster(model, windows, seed=seed), windows, replace(USUAL, **changes), seed=seed, **more)


def bits(run) -> tuple:
    return run.history, run.best_epoch, [weight.numpy().tobytes() for weight in run.forecaster.state_dict().values()]


def forecasts(network, windows, part="test"):
    batches = [padded.valid() for padded in windows.batches(part, all_steps=False)]
    return np.concatenate([batch.forecast(network(batch.signal, batch.lengths)) for batch in batches])


@pytest.mark.parametrize("view", VIEWS)
def test_an_untrained_network_is_the_ridge_to_the_bit(tmp_path, view):
    windows = make_windows(tmp_path, **view)
    network, ridge = new_forecaster(MODEL, windows, seed=0), fit_ridge(windows, (0.0, 1.0))
    network.save(tmp_path / "m")
    for predictor in (network.predict, Forecaster.load(tmp_path / "m").predict, read(tmp_path / "m")):
        assert forecasts(predictor, windows).tobytes() == ridge.forecast(windows, "test").tobytes()


def read(path):
    return read_predictor(path, backend="reference", threads=1)


@pytest.mark.parametrize(("view", "share"), [*zip(VIEWS, (0.5, 0.5, 1.0), strict=True)])  # relative, the bend is unseen
def test_it_learns_what_the_ridge_leaves(tmp_path, view, share):
    windows = make_windows(tmp_path, **view)
    run, truth = trainer(windows, max_epochs=40), windows.labels("test")
    rows = train(run)
    of_ridge = ((run.forecaster.ridge.forecast(windows, "test") - truth) ** 2).mean()
    run.forecaster.save(tmp_path / "m")
    assert ((forecasts(read(tmp_path / "m"), windows) - truth) ** 2).mean() < share * of_ridge
    assert [row.epoch for row in rows] == [*range(41)] and rows[0].learning_rate == 0
    assert rows[0].train_loss == pytest.approx(1.0, rel=1e-6)  # the scale is what the ridge leaves
    found, label = run.forecaster.ridge.forecast(windows, "validation"), windows.labels("validation")
    expected = np.abs(found - label).sum() / np.abs(label).sum()
    assert rows[0].validation_mean_delta == pytest.approx(expected, rel=1e-9)


def test_if_training_makes_nothing_better_the_ridge_stays(tmp_path, windows):
    run = trainer(windows, learning_rate=5.0, learning_rate_decay=1.0)
    assert [row.epoch for row in train(run)] == [0, 1, 2, 3, 4] and run.best_epoch == run.best_row.epoch == 0
    expected = run.forecaster.ridge.forecast(windows, "test")
    assert forecasts(run.forecaster.predict, windows).tobytes() == expected.tobytes()
    assert train(trainer(windows, learning_rate=5.0, learning_rate_decay=1.0, patience=2))[-1].epoch == 2


@pytest.mark.parametrize("killed_at", [0, 2])
def test_a_killed_run_ends_with_the_same_bits(windows, killed_at):
    undisturbed, killed, resumed = (trainer(windows, input_noise=0.3) for _ in range(3))
    train(undisturbed)
    state = {}

    def after_epoch(row):
        state.update(copy.deepcopy(killed.state()))
        if row.epoch == killed_at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        killed.run(after_epoch)
    resumed.restore(state)
    assert [row.epoch for row in train(resumed)] == [*range(killed_at + 1, 5)]
    assert bits(resumed) == bits(undisturbed)


def test_labels_and_what_the_ridge_forecasts_are_the_actual_values(tmp_path):
    for view in VIEWS:
        folder = tmp_path / str(len(view))
        folder.mkdir()
        windows = make_windows(folder, **view)
        rest = Residuals.of(windows, fit_ridge(windows, (1.0,)))
        for plain, less in zip(
            windows.batches("train", all_steps=False), rest.batches("train", all_steps=False), strict=True
        ):
            np.testing.assert_allclose(less.actual, plain.actual, rtol=1e-6)
            assert np.abs(less.labels).mean() < np.abs(plain.labels).mean()


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        ({"readout": "all_steps"}, {}, "expected model.readout last or mean, found all_steps"),
        ({}, {"group": np.repeat(np.arange(10), [3, 2] * 5)}, "windows of one length"),
        ({}, {"classes": ("no", "yes")}, "model.residual is ridge, expected none: no line forecasts a class"),
    ],
)
def test_where_a_line_does_not_fit_it_is_refused(tmp_path, model, options, message):
    options = {"group": np.repeat(np.arange(5), 5)} | options
    series = write_series(tmp_path, np.arange(25.0), np.arange(25) % 2, **options)
    windows = cut(tmp_path, series, split="groups", one_window_per_group=True)
    with pytest.raises(ValueError, match=message):
        forecaster_config(replace(MODEL, **model), windows)


@pytest.mark.parametrize("name", ["middle", "weights"])
def test_a_file_whose_ridge_does_not_fit_is_refused(tmp_path, windows, name):
    new_forecaster(MODEL, windows, seed=0).save(tmp_path / "m")
    saved = ModelFile.read(tmp_path / "m")
    ModelFile(**vars(saved) | {"ridge": replace(saved.ridge, **{name: getattr(saved.ridge, name)[..., :-1]})}).write(
        tmp_path / "m"
    )
    with pytest.raises(ValueError, match="m: not a saved forecaster .*ridge"):
        ModelFile.read(tmp_path / "m")


def test_noise_is_added_to_the_scaled_inputs_of_training_only(windows):
    plain, noisy, given = trainer(windows, max_epochs=1), trainer(windows, max_epochs=1, input_noise=0.3), {}
    for run in (plain, noisy):
        usual, mine = run.forecaster.forward, given.setdefault(run, [])

        def watched(x, lengths=None, usual=usual, mine=mine, run=run):
            mine.append((run.forecaster.training, x.numpy()))
            return usual(x, lengths)

        run.forecaster.forward = watched
        train(run)
    apart = {True: [], False: []}
    for (training, before), (_, after) in zip(given[plain], given[noisy], strict=True):
        apart[training].append((after - before).ravel())
    noise = np.concatenate(apart[True])
    assert noise.std() == pytest.approx(0.3, rel=0.1) and abs(noise.mean()) < 0.05
    assert not np.concatenate(apart[False]).any() and bits(plain) != bits(noisy)


def test_noise_on_words_is_refused(tmp_path):
    words = {"vocabulary": tuple("abc"), "classes": ("no", "yes"), "group": np.repeat(np.arange(10), 3)}
    series = write_series(tmp_path, np.arange(30) % 3, np.repeat(np.arange(10) % 2, 3), **words)
    windows = cut(tmp_path, series, split="groups", one_window_per_group=True)
    with pytest.raises(ValueError, match=r"train.input_noise is 0.1, expected 0: the signal is words"):
        model = replace(MODEL, residual="none", input="embedding")
        trainer(windows, model=model, loss="cross_entropy", input_noise=0.1)


def test_refit_learns_train_and_validation_for_the_epochs_that_were_chosen(windows):
    both = windows.with_validation()
    counts = [windows.parts[part].windows for part in ("train", "validation")]
    assert both.parts["train"].windows == sum(counts)
    for part in ("train", "validation"):
        assert {*windows.labels(part)[:, 0]} <= {*both.labels("train")[:, 0]}
    np.testing.assert_array_equal(both.labels("test"), windows.labels("test"))
    run, plain = trainer(both, kind=Refit, epochs=3, patience=1), trainer(both, max_epochs=3)
    rows = train(run)
    assert [row.epoch for row in rows] == [0, 1, 2, 3] and run.best_epoch == 3
    assert all(row.train_loss == row.validation_loss for row in rows)  # no validation is left
    network = plain.forecaster
    plain.run(lambda row: setattr(plain, "last", copy.deepcopy(network.state_dict())))
    for name, weight in run.forecaster.state_dict().items():
        assert torch.equal(weight, plain.last[name])
    blind = replace(both, parts={**both.parts, "test": None})  # to ask where it lies is an error
    again = Refit(run.forecaster, blind, replace(USUAL, max_epochs=9), seed=0, epochs=0)
    assert [row.epoch for row in train(again)] == [0]  # the ridge stays, fitted on both


def test_the_stage_refits_and_says_so(tmp_path, windows, monkeypatch):
    from stages import train as stage

    monkeypatch.setattr(stage, "CHECKPOINTS", tmp_path / "checkpoints")
    for refit in (False, True):
        params = stage.Params(0, MODEL, replace(USUAL, refit=refit, max_epochs=6, members=2))
        stage.main(params, tmp_path / "windows", tmp_path / "model" / "f.safetensors", tmp_path / "history.csv")
        summary = json.loads((tmp_path / "model" / "training.json").read_text())
        found = {path.name: ModelFile.read(path) for path in (tmp_path / "model").glob("*.safetensors")}
        assert len(found) == 2 and not any((tmp_path / "checkpoints").iterdir())
        every = [summary, *summary["others"]]
        if not refit:
            assert all("refit" not in one for one in every)
            shutil.rmtree(tmp_path / "model")
            alone = found
    counted = windows.with_validation().parts["train"].windows
    assert [one["refit"] for one in every] == [{"epochs": one["best"]["epoch"], "windows": counted} for one in every]
    assert all(not np.array_equal(found[name].ridge.weights, alone[name].ridge.weights) for name in found)
    assert len([*(tmp_path / "model").glob("history-refit-0-*.csv")]) == 2


def countdown(folder, *, offset=0.0) -> Windows:
    """Cycles of 30, 20, 40, 30, 20 and 30 rows, the first of which began before the recording."""
    lengths = [30, 20, 40, 30, 20, 30]
    target = np.concatenate([np.arange(n, 0, -1.0) for n in lengths]) + offset
    failures = np.cumsum(lengths)[:-1].tolist()
    series = write_series(folder, rng(0).normal(size=len(target)), target, countdown=True, failures=tuple(failures))
    return cut(folder, series, split="failures", fractions=(0.5, 0.25), samples_per_step=2, statistics=("std",))


def test_a_countdown_is_a_share_of_its_cycle_times_the_median_cycle(tmp_path):
    windows = countdown(tmp_path)
    learnt = shares_of_cycles(windows)
    before, after = windows.steps.target[:, 0], learnt.steps.target[:, 0]
    assert bounds(windows, "train") == (0, 45)  # cycles of 20 and 40, median 30, after one that is cut
    np.testing.assert_array_equal(after[:15], before[:15])
    np.testing.assert_allclose(after[15:25], before[15:25] * 30 / 20)
    np.testing.assert_allclose(after[25:45], before[25:45] * 30 / 40)
    np.testing.assert_array_equal(after[45:], before[45:])  # validation and test are scored in seconds


def test_without_a_countdown_shares_of_cycles_are_refused(windows):
    with pytest.raises(ValueError, match="train.labels is share_of_cycle, expected actual"):
        shares_of_cycles(windows)
