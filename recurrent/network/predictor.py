"""Trained networks as functions: by recurrence.c alone where it can, which starts in a fraction of torch's time.

Legend of shapes: B windows of a batch, T steps, D features, A outputs, K targets, L layers, P parts of a state, H
hidden_size.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from recurrent import compiled_c
from recurrent.cells.kernels import c_library
from recurrent.cells.kernels import threads as share
from recurrent.cells.kernels.c_library import Floats
from recurrent.network.model_file import ModelFile
from recurrent.numerics import total
from recurrent.storage.npy import Array

Predictor = Callable[[Array, Array | None], Array]  # signal (B, T, D), lengths (B,) or None -> outputs (B, A, K)


class Network(Protocol):
    """A trained network; signal and outputs are in their own units."""

    def predict(self, signal_BTD: Array, lengths_B: Array | None = None) -> Array:
        """Return outputs (B, A, K)."""

    def carry(self, signal_TD: Array, state: Array | None) -> tuple[Array, Array]:
        """Go on with one sequence after `state`, None: at its beginning; return outputs (T, K) and the new state."""

    def attribution(self, signal_BTD: Array) -> Array | None:
        """Return what each step adds to the first target's last output (B, T): gradient times scaled input.

        None of what reads words, forecasts classes or has a ridge.
        """


def read_predictor(path: Path, *, backend: str, threads: int | Literal["auto"]) -> Predictor:
    """Return a saved forecaster as a function, all in their own units; ValueError where the file is none."""
    return read_network(path, backend=backend, threads=threads).predict


def read_network(path: Path, *, backend: str, threads: int | Literal["auto"]) -> Network:
    """Return a saved forecaster that can also go on from a state; ValueError where the file is none."""
    saved = ModelFile.read(path)
    share.use(threads)
    if backend in ("auto", "c") and _is_plain(saved) and _compiles(saved):
        return _Compiled(path, saved)
    import torch

    from recurrent.network.forecaster import Forecaster

    forecaster = Forecaster.load(path, backend=backend)
    torch.set_num_threads(share.of_torch(forecaster.backend))
    return forecaster


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


class _Compiled:
    """What Forecaster does, to the bit where that uses the same library."""

    def __init__(self, path: Path, saved: ModelFile) -> None:
        self._saved = saved
        config, self._layers = saved.config, list[Sequence[Floats]]()

        def weight(name: str, *shape: int) -> Floats:
            found = saved.weights.get(name, np.empty(0, np.float32))
            if found.shape != shape or found.dtype.name != "float32":  # C would read beyond it
                raise ValueError(f"{path}: not a saved forecaster ({name} is {found.dtype} {found.shape}, not {shape})")
            return found

        width, hidden = config.input_size, config.hidden_size
        rows = c_library.GATES[config.cell] * hidden
        for layer in range(config.num_layers):
            ours, ours_too = (f"cell.{name}_to_hidden.{layer}." for name in ("input", "hidden"))
            from_input = weight(ours + "weight", rows, width), weight(ours + "bias", rows)
            self._layers.append(
                [*from_input, weight(ours_too + "weight", rows, hidden), weight(ours_too + "bias", rows)]
            )
            width = hidden
        self._head = weight("head.weight", config.output_size, hidden), weight("head.bias", config.output_size)

    def predict(self, signal_BTD: Array, lengths_B: Array | None = None) -> Array:
        return self._run(signal_BTD, None)[0]

    def carry(self, signal_TD: Array, state: Array | None) -> tuple[Array, Array]:
        outputs_1TK, state_LP1H = self._run(signal_TD[None], state)
        return outputs_1TK[0], state_LP1H

    def attribution(self, signal_BTD: Array) -> Array | None:
        x_BTD, config = self._saved.signal_scaler.transform(signal_BTD), self._saved.config
        d_outputs_BTA = np.zeros((*x_BTD.shape[:2], config.output_size), np.float32)
        d_outputs_BTA[:, -1, 0] = 1.0
        slopes_BTD = c_library.gradient(config.cell, x_BTD, self._layers, self._head[0], d_outputs_BTA)
        return total(slopes_BTD.astype(np.float64) * x_BTD, axis=2) * self._saved.target_scaler.scale[0]

    def _run(self, signal_BTD: Array, state_LPBH: Array | None) -> tuple[Array, Array]:
        found, last = self._saved.signal_scaler.transform(signal_BTD), []
        for layer, weights in enumerate(self._layers):
            head = self._head if layer == len(self._layers) - 1 else None
            start = None if state_LPBH is None else state_LPBH[layer]
            found, end = c_library.run(self._saved.config.cell, found, weights, head, start)
            last.append(end)
        return self._saved.target_scaler.inverse(found), np.stack(last)
