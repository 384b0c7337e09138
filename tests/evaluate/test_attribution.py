"""What a step adds to a forecast: gradient times input, the same without torch, and nothing where nothing is heard."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from machine import needs_compiler
from seeds import rng
from small_network import PLAIN
from small_windows import cut, write_series

from recurrent.evaluate.attribution import tables
from recurrent.network.forecaster import Forecaster, build
from recurrent.network.predictor import read_network
from recurrent.network.scaler import Scaler

B, T, D, K = 13, 40, 2, 3
SCALERS = Scaler((4.0, -2.0), (3.0, 0.5)), Scaler((30.0, 0.0, -5.0), (10.0, 1e-3, 2.0))
SIGNAL = rng(0).normal(size=(B, T, D)) * 3


def write(path, *, deaf=False, **options):
    """Write a network; a deaf one forgets each state at once, so that it looks at the last step only."""
    network = build(replace(PLAIN, **{"input_size": D, "hidden_size": 33, "output_size": K} | options), SCALERS, seed=0)
    for name, weight in network.named_parameters():
        if deaf and ("hidden_to_hidden" in name or "weight_hh" in name):
            weight.data = torch.zeros_like(weight)
    network.save(path)
    return network


@pytest.mark.parametrize("cell", ["manual", "gru", "lstm", "rnn"])
@pytest.mark.parametrize("num_layers", [1, 3])
@pytest.mark.parametrize("backend", [pytest.param("auto", marks=needs_compiler), "reference"])
def test_it_is_the_slope_of_the_forecast_times_the_scaled_input(tmp_path, cell, num_layers, backend):
    network = write(tmp_path / "m", cell=cell, num_layers=num_layers).double()
    found = read_network(tmp_path / "m", backend=backend, threads=1).attribution(SIGNAL)
    x = torch.from_numpy((SIGNAL - SCALERS[0].mean) / SCALERS[0].scale)
    step = 1e-5
    for t in (0, T - 5, T - 1):
        wanted = np.zeros(B)
        for d in range(D):
            moved = [x.clone(), x.clone()]
            moved[0][:, t, d] -= step
            moved[1][:, t, d] += step
            low, high = (network(one)[:, -1, 0].detach().numpy() for one in moved)
            wanted += (high - low) / (2 * step) * x[:, t, d].numpy() * SCALERS[1].scale[0]
        np.testing.assert_allclose(found[:, t], wanted, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("cell", ["manual", "rnn"])
@pytest.mark.parametrize("num_layers", [1, 2])
def test_a_network_that_looks_at_the_last_step_rests_on_it_alone(tmp_path, cell, num_layers):
    write(tmp_path / "m", deaf=True, cell=cell, num_layers=num_layers)
    found = read_network(tmp_path / "m", backend="auto", threads=1).attribution(SIGNAL)
    assert (found[:, :-1] == 0).all() and (found[:, -1] != 0).all()


@needs_compiler
@pytest.mark.parametrize("cell", ["manual", "gru", "lstm"])
def test_without_torch_it_is_the_same_to_the_bit(tmp_path, monkeypatch, cell):
    write(tmp_path / "m", cell=cell, num_layers=2)
    wanted = Forecaster.load(tmp_path / "m", backend="c").attribution(SIGNAL)
    monkeypatch.setattr(Forecaster, "load", None)  # not asked
    found = read_network(tmp_path / "m", backend="c", threads=1).attribution(SIGNAL)
    assert found.tobytes() == wanted.tobytes()


def test_a_table_of_the_test_part_tells_how_long_before_the_forecast_a_step_was(tmp_path):
    windows = cut(tmp_path, write_series(tmp_path, rng(1).normal(size=200)), seq_len=4, samples_per_step=2)
    write(tmp_path / "m", input_size=1)
    network = read_network(tmp_path / "m", backend="auto", threads=1)
    found = tables(windows, [network, network])["attribution"]
    assert list(found) == ["time", "6.0", "4.0", "2.0", "0.0"]
    batch = windows.gather("test", np.arange(windows.parts["test"].windows))
    np.testing.assert_array_equal(found["0.0"], network.attribution(batch.signal)[:, -1])


@pytest.mark.parametrize(
    "options",
    [
        {"input": "embedding", "vocabulary": 5, "embedding_size": 3, "readout": "last"},
        {"classes": 3, "readout": "last"},
    ],
)
def test_there_is_none_of_words_and_classes(tmp_path, options):
    windows = cut(tmp_path, write_series(tmp_path, np.zeros(200)))
    write(tmp_path / "m", input_size=1, **options)
    assert tables(windows, [read_network(tmp_path / "m", backend="auto", threads=1)]) == {}
