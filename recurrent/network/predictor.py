"""Trained networks as functions: by recurrence.c alone where it can, which starts in a fraction of torch's time.

Legend of shapes: B windows of a batch, T steps, D features, A outputs, K targets.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from recurrent import compiled_c
from recurrent.cells.kernels import c_library
from recurrent.cells.kernels.c_library import Floats
from recurrent.network.model_file import ModelFile
from recurrent.storage.npy import Array

Predictor = Callable[[Array, Array | None], Array]  # signal (B, T, D), lengths (B,) or None -> outputs (B, A, K)


def read_predictor(path: Path, *, backend: str, threads: int) -> Predictor:
    """Return a saved forecaster as a function, all in their own units; ValueError where the file is none."""
    saved = ModelFile.read(path)
    if backend in ("auto", "c") and _is_plain(saved) and _compiles():
        return _compiled(path, saved, threads)
    import torch

    from recurrent.network.forecaster import Forecaster

    torch.set_num_threads(threads)
    return Forecaster.load(path, backend=backend).predict


def _is_plain(saved: ModelFile) -> bool:
    """Whether it is nothing but layers of the manual cell and a head that is applied to all steps."""
    config = saved.config
    return (config.cell, config.input, config.readout, config.classes) == ("manual", "values", "all_steps", 0)


def _compiles() -> bool:
    try:
        c_library.library()
    except compiled_c.Unavailable:
        return False
    return True


def _compiled(path: Path, saved: ModelFile, threads: int) -> Predictor:
    """What Forecaster.predict does, to the bit where it uses the same library."""
    config = saved.config

    def weight(name: str, *shape: int) -> Floats:
        found = saved.weights.get(name, np.empty(0, np.float32))
        if found.shape != shape or found.dtype.name != "float32":  # C would read beyond it
            raise ValueError(f"{path}: not a saved forecaster ({name} is {found.dtype} {found.shape}, not {shape})")
        return found

    width, hidden, layers = config.input_size, config.hidden_size, []
    for layer in range(config.num_layers):
        ours = [f"cell.{name}_to_hidden.{layer}." for name in ("input", "hidden")]
        w_in, w = weight(ours[0] + "weight", hidden, width), weight(ours[1] + "weight", hidden, hidden)
        bias = weight(ours[0] + "bias", hidden) + weight(ours[1] + "bias", hidden)
        layers.append((w_in, w, bias))
        width = hidden
    head, head_bias = weight("head.weight", config.output_size, hidden), weight("head.bias", config.output_size)

    def predict(signal_BTD: Array, _: Array | None = None) -> Array:
        states_BTH = saved.signal_scaler.transform(signal_BTD)
        for layer, weights in enumerate(layers, start=1):
            answered = slice(None) if layer == len(layers) else slice(0)
            states_BTH, answers_BTK = c_library.states(
                states_BTH, *weights, head[answered], head_bias[answered], threads
            )
        return saved.target_scaler.inverse(answers_BTK)

    return predict
