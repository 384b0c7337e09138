"""A saved network forecasts the same with torch as without it, and does without it where it can."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from machine import needs_compiler
from seeds import rng
from small_network import PLAIN

from recurrent import compiled_c
from recurrent.cells.kernels import c_library
from recurrent.network import forecaster
from recurrent.network.model_file import ModelFile
from recurrent.network.predictor import read_predictor
from recurrent.network.scaler import Scaler

ROOT = Path(__file__).parents[2]
B, T, D, H, K = 13, 9, 2, 33, 3
SIZES = {"input_size": D, "hidden_size": H, "output_size": K}
SCALERS = Scaler((4.0, -2.0), (3.0, 0.5)), Scaler((30.0, 0.0, -5.0), (10.0, 1e-3, 2.0))
SIGNAL = rng(0).normal(size=(B, T, D)) * 3


def write(path, **options):
    plan = replace(PLAIN, **SIZES | options)
    network = forecaster.build(plan, SCALERS, seed=0)
    network.save(path)
    return network


@needs_compiler
@pytest.mark.parametrize("cell", ["manual", "gru", "lstm"])
@pytest.mark.parametrize("num_layers", [1, 3])
@pytest.mark.parametrize("dropout", [0.0, 0.4])
@pytest.mark.parametrize("threads", [1, 2])
def test_without_torch_it_forecasts_the_same(tmp_path, monkeypatch, cell, num_layers, dropout, threads):
    expected = write(tmp_path / "m", cell=cell, num_layers=num_layers, dropout=dropout).predict(SIGNAL)
    monkeypatch.setattr(forecaster.Forecaster, "load", None)  # not asked
    model = read_predictor(tmp_path / "m", backend="auto", threads=threads)
    found = model(SIGNAL, None)
    assert found.shape == (B, T, K) and found.dtype == np.float64
    np.testing.assert_allclose(SCALERS[1].transform(found), SCALERS[1].transform(expected), atol=1e-6)
    assert found.tobytes() == read_predictor(tmp_path / "m", backend="c", threads=1)(SIGNAL, None).tobytes()


@pytest.mark.parametrize(
    "backend, options",
    [
        ("reference", {}),
        ("numpy", {}),
        ("auto", {"cell": "rnn"}),
        ("auto", {"readout": "last"}),
        ("auto", {"input": "multi_hot", "vocabulary": 5, "embedding_size": 3, "readout": "mean"}),
    ],
)
def test_what_the_kernel_does_not_take_is_torchs(tmp_path, monkeypatch, backend, options):
    network, lengths = write(tmp_path / "m", **options), np.full(B, T)
    monkeypatch.setattr(c_library, "run", None)
    signal = SIGNAL[..., :1] * 0 if "input" in options else SIGNAL
    if "input" in options:
        monkeypatch.setattr(Scaler, "transform", lambda _, values: values.astype(np.float32))
    found = read_predictor(tmp_path / "m", backend=backend, threads=1)(signal, lengths)
    np.testing.assert_allclose(found, network.predict(signal, lengths), rtol=1e-5, atol=1e-5)


def test_without_a_compiler_it_is_torchs(tmp_path, monkeypatch):
    expected = write(tmp_path / "m").predict(SIGNAL)
    compiled_c.load.cache_clear()
    c_library.library.cache_clear()
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    np.testing.assert_allclose(
        read_predictor(tmp_path / "m", backend="auto", threads=1)(SIGNAL, None), expected, atol=1e-4
    )
    compiled_c.load.cache_clear()
    c_library.library.cache_clear()


def test_a_file_whose_weights_are_missing_or_too_small_is_refused_by_name(tmp_path):
    write(tmp_path / "m")
    whole = ModelFile.read(tmp_path / "m")
    for name in whole.weights:
        kept = {other: weight for other, weight in whole.weights.items() if other != name}
        ModelFile(whole.config, whole.signal_scaler, whole.target_scaler, kept).write(tmp_path / "cut")
        with pytest.raises(ValueError, match=f"(?s)cut: not a saved forecaster .*{name}"):
            read_predictor(tmp_path / "cut", backend="auto", threads=1)
        other = {**whole.weights, name: whole.weights[name][:-1]}
        ModelFile(whole.config, whole.signal_scaler, whole.target_scaler, other).write(tmp_path / "cut")
        with pytest.raises(ValueError, match=f"(?s)cut: not a saved forecaster .*{name}"):
            read_predictor(tmp_path / "cut", backend="auto", threads=1)


@needs_compiler
def test_evaluation_starts_without_torch(tmp_path):
    expected = write(tmp_path / "m").predict(SIGNAL)
    np.save(tmp_path / "signal.npy", SIGNAL)
    code = (
        "import sys, pathlib, numpy as np; import stages.evaluate;"
        "from recurrent.network.predictor import read_predictor;"
        "home = pathlib.Path(sys.argv[1]); model = read_predictor(home / 'm', backend='auto', threads=1);"
        "np.save(home / 'forecast.npy', model(np.load(home / 'signal.npy'), None));"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], cwd=ROOT, check=True, capture_output=True, text=True)
    assert done.stdout == "False\n"
    np.testing.assert_allclose(np.load(tmp_path / "forecast.npy"), expected, atol=1e-4)


def test_tables_are_written_without_pandas_and_hold_what_was_given(tmp_path):
    code = (
        "import sys, pathlib, numpy as np; from recurrent.storage.tables import read_csv, write_csv;"
        "given = {'whole': np.arange(6)[::2], 'real': np.array([0.1, 1 / 3, -2e-300]), 'half': np.float32([1, 2, 3])};"
        "path = pathlib.Path(sys.argv[1]); write_csv(path, [given, given]); found = read_csv(path);"
        "assert all(np.array_equal(found[name], np.tile(values, 2)) for name, values in given.items()), found;"
        "sys.exit('pandas' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path / "t.csv"], cwd=ROOT, check=True)
