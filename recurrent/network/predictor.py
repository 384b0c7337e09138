"""Trained networks as functions: by recurrence.c alone where it can, which starts in a fraction of torch's time.

Legend of shapes: B windows of a batch, T steps, D features, A outputs, K targets.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np

from recurrent import compiled_c
from recurrent.cells.kernels import c_library
from recurrent.cells.kernels import threads as share
from recurrent.cells.kernels.c_library import Floats
from recurrent.network.model_file import ModelFile
from recurrent.storage.npy import Array

Predictor = Callable[[Array, Array | None], Array]  # signal (B, T, D), lengths (B,) or None -> outputs (B, A, K)


def read_predictor(path: Path, *, backend: str, threads: int | Literal["auto"]) -> Predictor:
    """Return a saved forecaster as a function, all in their own units; ValueError where the file is none."""
    saved = ModelFile.read(path)
    share.use(threads)
    if backend in ("auto", "c") and _is_plain(saved) and _compiles(saved):
        return _compiled(path, saved)
    import torch

    from recurrent.network.forecaster import Forecaster

    forecaster = Forecaster.load(path, backend=backend)
    torch.set_num_threads(share.of_torch(forecaster.backend))
    return forecaster.predict


def _is_plain(saved: ModelFile) -> bool:
    """Whether it is nothing but layers of a hand-made cell and a head that is applied to all steps."""
    config = saved.config
    is_plain = (config.input, config.readout, config.classes) == ("values", "all_steps", 0)
    return is_plain and config.cell in c_library.GATES


def _compiles(saved: ModelFile) -> bool:
    try:
        c_library.library(saved.config.cell, saved.config.hidden_size)
    except compiled_c.Unavailable:
        return False
    return True


def _compiled(path: Path, saved: ModelFile) -> Predictor:
    """What Forecaster.predict does, to the bit where it uses the same library."""
    config = saved.config

    def weight(name: str, *shape: int) -> Floats:
        found = saved.weights.get(name, np.empty(0, np.float32))
        if found.shape != shape or found.dtype.name != "float32":  # C would read beyond it
            raise ValueError(f"{path}: not a saved forecaster ({name} is {found.dtype} {found.shape}, not {shape})")
        return found

    width, hidden, layers = config.input_size, config.hidden_size, []
    rows = c_library.GATES[config.cell] * hidden
    for layer in range(config.num_layers):
        ours, ours_too = (f"cell.{name}_to_hidden.{layer}." for name in ("input", "hidden"))
        from_input = weight(ours + "weight", rows, width), weight(ours + "bias", rows)
        layers.append([*from_input, weight(ours_too + "weight", rows, hidden), weight(ours_too + "bias", rows)])
        width = hidden
    head = weight("head.weight", config.output_size, hidden), weight("head.bias", config.output_size)

    def predict(signal_BTD: Array, _: Array | None = None) -> Array:
        found = saved.signal_scaler.transform(signal_BTD)
        for layer, weights in enumerate(layers, start=1):
            found = c_library.run(config.cell, found, weights, head if layer == len(layers) else None)
        return saved.target_scaler.inverse(found)

    return predict
