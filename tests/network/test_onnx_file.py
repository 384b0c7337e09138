"""onnxruntime forecasts what our networks do, also with the state carried from call to call."""

import json
from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest
from seeds import rng
from small_network import PLAIN
from small_windows import cut, write_series

from recurrent.network.forecaster import build
from recurrent.network.model_file import ModelFile
from recurrent.network.onnx_file import write_onnx
from recurrent.network.predictor import read_predictor
from recurrent.network.scaler import Scaler
from recurrent.storage.meta import Inputs

B, T, D, H, K = 3, 40, 2, 7, 2
SCALERS = Scaler((4.0, -2.0), (3.0, 0.5)), Scaler((30.0, -5.0), (10.0, 2.0))
SIGNAL = rng(3).normal(size=(B, T, D)) * 3


def networks(folder, members=1, **options):
    plan = replace(PLAIN, **{"input_size": D, "hidden_size": H, "output_size": K} | options)
    data = cut(folder, write_series(folder, SIGNAL.reshape(-1, D)))
    paths = [folder / f"m{member}" for member in range(members)]
    for member, path in enumerate(paths):
        build(plan, SCALERS, seed=member).save(path, data.meta.inputs)
    write_onnx(folder / "m.onnx", [ModelFile.read(path) for path in paths])
    return paths, onnxruntime.InferenceSession(folder / "m.onnx", providers=["CPUExecutionProvider"])


def carried(session, signal, steps):
    """Run the graph `steps` at a time."""
    shapes = {i.name: (i.shape[0], len(signal), i.shape[2]) for i in session.get_inputs() if i.name != "signal"}
    states = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    names, found = [output.name for output in session.get_outputs()], []
    for first in range(0, signal.shape[1], steps):
        result = dict(
            zip(names, session.run(names, {"signal": signal[:, first : first + steps], **states}), strict=True)
        )
        found.append(result["forecast"])
        states = {name: result[f"last_{name}"] for name in states}
    return np.concatenate(found, axis=1)


@pytest.mark.parametrize("cell", ["manual", "rnn", "gru", "lstm"])
@pytest.mark.parametrize("num_layers", [1, 2])
@pytest.mark.parametrize("members", [1, 3])
@pytest.mark.parametrize("steps", [T, 1, 7])
def test_it_forecasts_what_our_network_does(tmp_path, cell, num_layers, members, steps):
    paths, session = networks(tmp_path, members, cell=cell, num_layers=num_layers)
    wanted = np.mean([read_predictor(path, backend="auto", threads=1)(SIGNAL, None) for path in paths], axis=0)
    found = carried(session, SIGNAL, steps)
    assert found.dtype == np.float64
    np.testing.assert_allclose(SCALERS[1].transform(found), SCALERS[1].transform(wanted), atol=1e-5)


def test_it_says_how_a_recording_becomes_its_signal(tmp_path):
    (path,), session = networks(tmp_path)
    described = json.loads(session.get_modelmeta().custom_metadata_map["inputs"])
    assert Inputs.from_json(described, path) == ModelFile.read(path).inputs
    onnx.checker.check_model(onnx.load(tmp_path / "m.onnx"))


@pytest.mark.parametrize("options", [{"readout": "mean"}, {"input": "embedding", "vocabulary": 5, "embedding_size": D}])
def test_what_cannot_go_step_by_step_is_refused(tmp_path, options):
    with pytest.raises(ValueError, match="step by step"):
        networks(tmp_path, **options)
    assert not (tmp_path / "m.onnx").exists()
