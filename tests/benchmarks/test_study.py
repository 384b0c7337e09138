"""The study: what is planned, that nothing runs twice, and that the gradient it draws is the gradient."""

import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from seeds import rng
from small_network import PLAIN

from benchmarks import experiments, gradient_flow, study
from benchmarks.experiments import Experiment, StudyError, enqueue
from recurrent.config.fields import CELLS
from recurrent.network import forecaster
from recurrent.network.scaler import Scaler

PLAN = {"one": {"seed": 1, "model.cell": "gru"}, "two": {"seed": 2, "model.cell": "gru"}}
PARAMS = {"one": {"seed": 1, "model": {"cell": "gru"}}, "two": {"seed": 2, "model": {"cell": "gru"}}}
DEAD = 2**22 + 1  # above Linux's largest process number


def one(state, pid=None, params=PARAMS["one"]):
    return {"one": Experiment("one", state, pid, "0" * 40, params, {})}


@pytest.fixture
def said(monkeypatch):
    """What DVC was told, without telling it."""
    commands = []
    monkeypatch.setattr(experiments, "dvc", lambda *arguments: commands.append(arguments) or "")
    return commands


def queued(name):
    return ("exp", "run", "--quiet", "--queue", "--name", name,
            "-S", f"seed={PLAN[name]['seed']}", "-S", 'model.cell="gru"')  # fmt: skip


@pytest.mark.parametrize("state", ["success", "queued", "running"])
def test_what_is_finished_or_under_way_is_not_queued_again(said, state):
    assert enqueue(PLAN, one(state, os.getpid())) == ["two"]
    assert said == [queued("two")]


def test_what_has_failed_is_queued_again(said):
    assert enqueue(PLAN, one("failed")) == ["one", "two"]
    assert said == [("queue", "remove", "one"), queued("one"), queued("two")]


def test_what_was_torn_off_is_killed_and_queued_again(said):
    assert enqueue(PLAN, one("running", DEAD)) == ["one", "two"]
    assert said == [("queue", "kill", "one"), ("queue", "remove", "one"), queued("one"), queued("two")]


def test_an_experiment_of_the_same_name_with_other_parameters_stops_the_study(said):
    with pytest.raises(StudyError, match="an experiment one with another seed exists"):
        enqueue(PLAN, one("success", params={"seed": 3, "model": {"cell": "gru"}}))
    assert said == []


def test_a_study_ends_when_all_is_finished_and_starts_workers_once(said, monkeypatch):
    first = one("success") | {"two": replace(one("queued")["one"], name="two", params=PARAMS["two"])}
    last = first | {"two": replace(first["two"], state="success")}
    looks, started, heard = [first, first, first, last], [], []
    monkeypatch.setattr(experiments, "known", lambda: looks.pop(0))
    monkeypatch.setattr(experiments, "idle", lambda: not started)
    monkeypatch.setattr(experiments, "start", started.append)
    assert experiments.run(PLAN, at_once=2, pause=0, say=heard.append) == last
    assert started == [2]
    assert heard == ["1 of 2 experiments are finished", "2 of 2 experiments are finished"]


def test_a_failure_is_told_with_the_command_that_explains_it(said, monkeypatch):
    looks = [{}, one("failed")]
    monkeypatch.setattr(experiments, "known", lambda: looks.pop(0))
    with pytest.raises(StudyError, match="failed: one; `dvc queue logs one` says why"):
        experiments.run(PLAN, at_once=2, pause=0, say=print)


def test_an_experiment_that_ends_while_dvc_looks_does_not_end_the_study(monkeypatch):
    answers = [StudyError("directory does not exist")] * (experiments.TRIES - 1)

    def look(*_):
        if answers:
            raise answers.pop()
        return '[{"experiments": null}]'

    monkeypatch.setattr(experiments, "dvc", look)
    monkeypatch.setattr(experiments.time, "sleep", lambda _: None)
    assert experiments.known() == {} and not answers
    answers += [StudyError("no such command")] * experiments.TRIES
    with pytest.raises(StudyError, match="no such command"):
        experiments.known()


def test_workers_that_die_at_once_end_the_study(said, monkeypatch):
    started = []
    monkeypatch.setattr(experiments, "known", lambda: one("queued"))
    monkeypatch.setattr(experiments, "idle", lambda: True)
    monkeypatch.setattr(experiments, "start", started.append)
    with pytest.raises(StudyError, match="no worker stays alive; `dvc queue start --verbose` says why"):
        experiments.run({"one": PLAN["one"]}, at_once=2, pause=0, say=print)
    assert started == [2] * experiments.TRIES


@pytest.mark.parametrize("path", ["/nowhere", None])
def test_a_worker_finds_dvc_and_python_whatever_the_path_is(monkeypatch, path):
    monkeypatch.delenv("PATH") if path is None else monkeypatch.setenv("PATH", path)
    found = [shutil.which(name, path=experiments.environment()["PATH"]) for name in ("dvc", "python")]
    assert found == [str(Path(sys.executable).with_name(name)) for name in ("dvc", "python")]


def test_the_plan_has_every_combination_once():
    plan = study.plan(study.CELLS, study.SEQ_LENS, study.SEEDS, {"train.max_epochs": 7})
    assert len(plan) == 5 * 3 * 3 + 2 * 3
    assert plan["study-manual-100-0"] == {
        "train.target_delta": 0.0, "train.max_epochs": 7, "model.cell": "manual", "seq_len": 100, "seed": 0,
    }  # fmt: skip
    assert len({tuple(sorted(map(str, sets.items()))) for sets in plan.values()}) == len(plan)
    assert {*study.CELLS, "rnn"} == set(CELLS)
    raw = plan["study-raw-gru-100-2"]
    assert raw["window.samples_per_step"] == 1 and raw["window.statistic"] == ["none"]


@pytest.fixture
def data():
    random = rng(0)
    return random.normal(size=(3, 6, 1)), random.normal(size=(3, 6, 1)) + 2


def build(cell, num_layers=1):
    scalers = (Scaler((0.0,), (1.0,)), Scaler((0.0,), (1.0,)))
    architecture = replace(PLAIN, cell=cell, num_layers=num_layers)
    return forecaster.build(architecture, scalers, seed=0)


@pytest.mark.parametrize("cell", ["manual", "rnn"])
def test_the_gradient_of_the_plain_recurrence_is_a_product_of_jacobians(cell, data):
    network = build(cell)
    got_TB = gradient_flow.norms(network, *data)
    states_BTH = network.cell(torch.from_numpy(data[0]).float())[0].detach().double().numpy()
    named = {name: weight.detach().double().numpy() for name, weight in network.named_parameters()}
    (into_HH,) = (weight for name, weight in named.items() if weight.shape == (5, 5))
    answer_B = states_BTH[:, -1] @ named["head.weight"][0] + named["head.bias"][0]
    for b in range(3):
        gradient_H = np.sign(answer_B[b] - data[1][b, -1, 0]) * named["head.weight"][0]
        for lag in range(6):
            assert got_TB[lag, b] == pytest.approx(np.linalg.norm(gradient_H), rel=1e-4)
            gradient_H = into_HH.T @ ((1 - states_BTH[b, 5 - lag] ** 2) * gradient_H)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("num_layers", [1, 2])
def test_the_gradient_is_what_a_push_at_the_state_does_to_the_loss(cell, num_layers, data):
    network = build(cell, num_layers).double()
    signal_BTD, target_BTK = (torch.from_numpy(values) for values in data)

    def loss(push, lag):
        _, state = network.cell(signal_BTD[:1, : 6 - lag])
        parts = state if isinstance(state, tuple) else (state,)
        parts = tuple(part + push[k] for k, part in enumerate(parts))
        state = parts if isinstance(state, tuple) else parts[0]
        if lag:
            _, state = network.cell(signal_BTD[:1, 6 - lag :], state)
        last = (state[0] if isinstance(state, tuple) else state)[-1]
        return (network.head(last) - target_BTK[:1, -1]).abs().sum()

    push = torch.zeros(2 if cell == "lstm" else 1, num_layers, 1, 5, dtype=torch.float64)
    for lag in (0, 1, 4):
        squares = 0.0
        for index in np.ndindex(push.shape):
            step = torch.zeros_like(push)
            step[index] = 1e-5
            with torch.no_grad():
                squares += float((loss(step, lag) - loss(-step, lag)) / 2e-5) ** 2
        measured = gradient_flow.norms(build(cell, num_layers), *data)[lag, 0]
        assert measured == pytest.approx(squares**0.5, rel=1e-3)


def test_reach_is_the_last_lag_that_reaches_a_hundredth():
    assert gradient_flow.reach(np.array([1.0, 0.5, 0.009, 0.01, 0.002])) == 3


def test_seeds_are_put_together_and_spread_is_that_of_a_sample():
    results = [
        study.Result("gru", 20, seed, False, "", 0.1 + seed / 100, 0.2, 0.3, 4, {"gradient_norm": np.array([0.5, 2.0])})
        for seed in range(3)
    ]
    assert "| gru | 20 | 11.0% ± 1.0% | 20.0% ± 0.0% | 30.0% | 4 4 4 |" in study.errors(results)
    measured = [study.Measured("gru", 20, 0.123, 300.4, [1.0, 0.02, 0.001], [1.0, 0.001, 0.0])]
    assert "| gru | 20 | 0.12 s | 300 MB | 0 | 1 | 50% |" in study.costs(measured, results, limit=1.0)
