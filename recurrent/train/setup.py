"""What training starts from: scalers fitted on train, and a network of the right sizes.

Legend of shapes: B windows of a batch, T steps, n rows, D features.
"""

import os
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from recurrent.config.schema import Model
from recurrent.network.forecaster import Forecaster, build, weights_of
from recurrent.network.model_file import ForecasterConfig
from recurrent.network.ridge import fit_ridge
from recurrent.network.scaler import Scaler
from recurrent.network.task import Task, task_of
from recurrent.storage.npy import Array
from recurrent.train.labels import Residuals
from recurrent.window.steps import BLOCK_ROWS
from recurrent.window.windows import Windows


def task_of_windows(windows: Windows) -> Task:
    """Return the task that the windows' target tells."""
    return task_of(len(windows.meta.classes or ()))


def new_forecaster(model: Model, windows: Windows, *, seed: int, backend: str = "reference") -> Forecaster:
    """Return the network that is trained on these windows, before its first step."""
    config, (of_signal, of_target) = forecaster_config(model, windows), fit_scalers(windows)
    _require_memory(config, windows)
    ridge = None
    if model.residual == "ridge":
        ridge = fit_ridge(windows, model.residual_penalties)
        rest = [batch.valid().labels[:, -1] for batch in Residuals.of(windows, ridge).batches("train", all_steps=False)]
        of_target = Scaler.around_zero(np.concatenate(rest))
    return build(config, (of_signal, of_target), ridge, seed=seed, backend=backend)


def _require_memory(config: ForecasterConfig, windows: Windows) -> None:
    """Raise ValueError where training needs more memory than the machine has."""
    weights = weights_of(config)
    steps = windows.parts["train"].batch_size * windows.meta.seq_len
    # gradient, two moments of Adam and the best epoch's weights beside each weight; of a batch, at least the states
    need = 4 * (5 * weights + steps * config.hidden_size * config.num_layers)
    if "SC_PHYS_PAGES" in getattr(os, "sysconf_names", ()):  # not on Windows
        have = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        if need > have:
            raise ValueError(
                f"model.hidden_size {config.hidden_size} and num_layers {config.num_layers} make {weights:,} weights; "
                f"training needs {need / 1e9:,.1f} GB at least, this machine has {have / 1e9:,.1f} GB"
            )


def forecaster_config(model: Model, windows: Windows) -> ForecasterConfig:
    """Return the sizes of a network for these windows: their columns, words, targets and classes.

    Raises
    ------
    ValueError
        Where model.input, model.readout or model.residual do not fit the windows.
    """
    task, words = task_of_windows(windows), len(windows.meta.vocabulary or ())
    if (model.input == "values") == bool(words):
        expected = "multi_hot or embedding, the signal is words" if words else "values, the signal is not text"
        raise ValueError(f"model.input is {model.input}, expected {expected}")
    if model.readout not in task.readouts:
        raise ValueError(
            f"model.readout is {model.readout}, expected {' or '.join(task.readouts)}: a sequence has one class"
        )
    if model.residual not in task.residuals:
        raise ValueError(f"model.residual is {model.residual}, expected none: no line forecasts a class")
    if model.residual == "ridge" and model.readout == "all_steps":
        raise ValueError(
            "model.residual is ridge, which forecasts a window's end and no step before it: expected model.readout "
            "last or mean, found all_steps"
        )
    if model.residual == "ridge" and not windows.equal_length:
        raise ValueError("model.residual is ridge, which needs windows of one length: expected none")
    return ForecasterConfig(
        cell=model.cell,
        input_size=windows.steps.signal.shape[1],
        hidden_size=model.hidden_size,
        num_layers=model.num_layers,
        output_size=task.output_size(windows.steps.target.shape[1]),
        input=model.input,
        vocabulary=words,
        embedding_size=model.embedding_size if words else 0,
        dropout=model.dropout,
        readout=model.readout,
        classes=len(windows.meta.classes or ()),
    )


def fit_scalers(windows: Windows) -> tuple[Scaler, Scaler]:
    """Fit the scalers of signal and labels on the train part, and on nothing else."""
    train, steps = windows.parts["train"], windows.steps
    if windows.view.depends_on_window:
        batches = [(batch.valid() for batch in windows.batches("train")) for _ in range(2)]
        return (
            Scaler.fit(_rows(batch.signal, replace(batch, known=None).mask) for batch in batches[0]),
            Scaler.fit(_rows(batch.labels, batch.mask) for batch in batches[1]),
        )

    def blocks(values: Array, known: Array | None = None) -> Iterator[Array]:
        for begin, end in train.stretches.tolist():
            for first in range(begin, end, BLOCK_ROWS):
                own = slice(first, min(first + BLOCK_ROWS, end))
                if known is None or known[own].any():
                    yield values[own] if known is None else values[own][known[own]]

    signal = Scaler.identity(steps.signal.shape[1]) if windows.meta.vocabulary else Scaler.fit(blocks(steps.signal))
    return signal, task_of_windows(windows).target_scaler(Scaler.fit(blocks(steps.target, train.known)))


def _rows(values_BTD: Array, mask: Array | None) -> Array:
    """Return the steps of all windows that `mask` (B, T) does not leave out, (n, D)."""
    return values_BTD.reshape(-1, values_BTD.shape[-1]) if mask is None else values_BTD[mask]
