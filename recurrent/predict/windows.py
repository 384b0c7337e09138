"""Forecasts of a recording, each from a window of its own as in training.

Legend of shapes: n steps, B windows, T steps of a window, F features, A outputs of a window, K targets.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from recurrent.network.predictor import Network
from recurrent.numerics import mean
from recurrent.storage.meta import Inputs
from recurrent.storage.npy import Array
from recurrent.window.view import View

WINDOWS = 256  # forecast at a time


def forecasts(
    steps: Iterable[Array], inputs: Inputs, networks: Sequence[Network], *, all_steps: bool
) -> Iterator[tuple[int, Array]]:
    """Forecast at each step from the window that ends there, in flat memory.

    Parameters
    ----------
    steps : blocks (n, F)
    networks : their mean is the forecast
    all_steps : whether they have an output for each step of a window

    Yields
    ------
    the number of the first step, from 0, and forecasts (n, K) of it and the steps that follow. The first of all is at
    step seq_len - 1; with all_steps, at step 0, where the first window tells those before.
    """
    view, T, done, recent = View.of(inputs), inputs.seq_len, 0, None

    def run(signal_BTF: Array, first_B: Array) -> Array:
        read_BTF, scale, shift = view.transform(signal_BTF, first_B, all_steps=True)
        outputs_BAK = mean([network.predict(read_BTF) for network in networks], axis=0)
        last = slice(-outputs_BAK.shape[1], None)
        scale, shift = (of[:, last] if isinstance(of, np.ndarray) else of for of in (scale, shift))
        return np.asarray(outputs_BAK * scale + shift)

    for block in steps:
        recent = block if recent is None else np.concatenate([recent, block])
        windows = np.lib.stride_tricks.sliding_window_view(recent, T, axis=0) if len(recent) >= T else recent[:0]
        for first in range(0, len(windows), WINDOWS):
            signal_BTF = windows[first : first + WINDOWS].transpose(0, 2, 1)
            found_BAK = run(np.ascontiguousarray(signal_BTF), done + first + np.arange(len(signal_BTF)))
            if done == first == 0 and all_steps:
                yield 0, found_BAK[0, :-1]
            yield done + first + T - 1, found_BAK[:, -1]
        done += len(windows)
        recent = recent[len(windows) :]
    if all_steps and not done and recent is not None and len(recent):  # shorter than a window
        yield 0, run(recent[None], np.array([0]))[0]
