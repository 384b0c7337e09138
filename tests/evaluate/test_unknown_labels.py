"""Labels that are not known, such as filled ones: whatever stands in their place, nothing is learnt or scored of it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from seeds import rng
from small_network import train
from small_windows import cut, write_series

from recurrent.config import reader as params
from recurrent.config.schema import Settings
from recurrent.evaluate import free_running, prediction_tables
from recurrent.evaluate.baselines import drift_step
from recurrent.evaluate.report import report
from recurrent.evaluate.scoring import evaluate_split
from recurrent.train.setup import fit_scalers, new_forecaster
from recurrent.train.trainer import Trainer

torch.set_num_threads(1)
SHIPPED = params.read(Path(__file__).parents[2] / "params.yaml", Settings)
VIEWS = [{}, {"predict_change": True}, {"relative_to_first": True, "predict_change": True}]
UNKNOWN = rng(5).random(330) < 0.1


def results(folder, view, *, in_labels=0.0, in_signal=0.0, readout="all_steps"):
    """All that training and evaluation say, where labels and signals of the rows without a known label are others."""
    folder.mkdir()
    signal = 9 + rng(1).normal(size=(330, 1)).cumsum(axis=0) / 9
    target = signal.copy()
    target[UNKNOWN] += in_labels
    signal[UNKNOWN] += in_signal
    series = write_series(folder, signal, target, known=~UNKNOWN, target_columns=(0,))
    windows = cut(folder, series, horizon=1, seq_len=4, fractions=(0.7, 0.15), **view)
    network = new_forecaster(replace(SHIPPED.model, hidden_size=4, readout=readout), windows, seed=0)
    plan = {"loss": "mse", "max_epochs": 2, "target_delta": 0.0, "best_by": "loss"}
    history = train(Trainer(network, windows, replace(SHIPPED.train, **plan), seed=0))
    predictors = [lambda x, n: network.predict(x, n)]
    params = {"ridge_penalties": (0.0, 1.0), "moving_average": 3, "seasons": (4,)}
    found = evaluate_split(windows, predictors, refit=False, **params)
    runs = free_running.short_runs(windows, predictors, 3, **params).scores()
    return {
        "scalers": fit_scalers(windows),
        "history": history,
        "report": report([found]),
        "rows": {name: values.tolist() for name, values in prediction_tables.rows(found).items()},
        "runs": runs,
    }


@pytest.mark.parametrize("readout", ["all_steps", "last"])
@pytest.mark.parametrize("view", VIEWS, ids=lambda view: "+".join(view))
def test_no_value_in_place_of_an_unknown_label_changes_anything(tmp_path, view, readout):
    usual, other = (results(tmp_path / str(by), view, in_labels=by, readout=readout) for by in (0.0, 1e6))
    assert usual == other
    assert {"drift", "seasonal_naive_4", "ridge", "boosted_trees"} <= usual["report"]["baselines"].keys()
    tested = [row for row in range(281, 330) if not UNKNOWN[row]]  # the test part is rows 281 to 329
    assert usual["rows"]["time"] == tested and len(tested) == usual["report"]["counts"]["test_windows"] < 49


def test_rows_without_a_known_label_are_inputs(tmp_path):
    usual, other = (results(tmp_path / str(by), {}, in_signal=by) for by in (0.0, 0.5))
    assert usual["scalers"][0] != other["scalers"][0] and usual["scalers"][1] == other["scalers"][1]
    assert usual["rows"]["predicted"] != other["rows"]["predicted"]
    assert usual["rows"]["actual"] == other["rows"]["actual"]


def test_the_drift_is_of_changes_between_two_known_values(tmp_path):
    signal = np.array([7 * (i // 3) + (0, 1, 4)[i % 3] for i in range(90)])  # 1 from known to known, else 3
    known = np.arange(90) % 3 < 2
    series = write_series(tmp_path, signal, signal, known=known, target_columns=(0,))
    windows = cut(tmp_path, series, horizon=1, seq_len=4, fractions=(0.7, 0.15))
    assert drift_step(windows)(np.array([[10.0]])).tolist() == [[11.0]]
