"""Gradient-boosted trees on what a hand would make of the window's end: non-linear, and without recurrence.

What they lack against a network is the order of the steps, so they tell whether it needs a sequence.
Legend of shapes: N windows, B windows of a batch, T steps, D features, F features made of them, K targets.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from recurrent.evaluate.metrics import mean_absolute_error
from recurrent.numerics import mean
from recurrent.window.windows import Windows

Floats = npt.NDArray[np.float64]
LEAST_WINDOWS = 200  # of train: with fewer, a leaf's 20 windows are a tenth of all
REACHES = (1, 3, 5, 10, 20, 40, 80)  # steps of the running means; 1: the last step itself
# of scikit-learn's defaults only the rate is halved and the number of trees tripled: validation selects how many count
ITERATIONS, LEARNING_RATE = 300, 0.05
LOSSES = ("squared_error", "absolute_error")  # validation selects one
BITS = 30  # of the largest label: 2^22 such labels have an exact sum


def trees_apply(windows: Windows) -> bool:
    """Return whether there are windows enough, of equal length."""
    return windows.equal_length and windows.parts["train"].windows >= LEAST_WINDOWS


@dataclass(frozen=True, eq=False)
class Trees:
    """For each target a fitted model and how many of its trees count; called as a network is."""

    models: tuple[tuple[Any, int], ...]

    def __call__(self, signal_BTD: Any, lengths: Any) -> Floats:
        """Return outputs for the end of each window, (B, 1, K)."""
        from threadpoolctl import threadpool_limits  # comes with scikit-learn

        features = window_features(signal_BTD)
        with threadpool_limits(1):
            outputs = [next(islice(model.staged_predict(features), n - 1, None)) for model, n in self.models]
        return np.stack(outputs, axis=1)[:, None]

    def forecast(self, windows: Windows, part: str) -> Floats:
        """Return forecasts of the end of each window of a part in the target's own unit, (N, K)."""
        return np.concatenate([b.inverse_transform(self(b.signal, None))[:, 0] for b in _batches(windows, part)])


def fit_trees(windows: Windows, chosen_on: Windows | None = None) -> Trees:
    """Fit on train, for each target by its own; validation selects the loss and the number of trees.

    Where train of `windows` has learnt validation, `chosen_on` are the windows that have not.

    Histogram-based gradient boosting (G. Ke et al., LightGBM, NeurIPS 2017) of scikit-learn. Trees read and learn what
    the network does: values over the window's first, differences.

    The same bits on every machine (docs/numerics.md): features are means in a fixed order; scikit-learn puts them into
    bins, which is a matter of sorting, and adds up gradients in C code that is built for every x86-64 CPU alike, in one
    order with one thread. The mean of the labels, which numpy adds up, is exact: they are rounded to BITS.
    """
    chosen_on = chosen_on or windows
    train, validation = _rows(chosen_on, "train"), _rows(chosen_on, "validation")
    models = []
    for target in range(train[1].shape[1]):
        model, trees = _best((train[0], train[1][:, target]), (validation[0], validation[1][:, target]))
        if windows is not chosen_on:
            learnt = _rows(windows, "train")
            model = _fit(learnt[0], learnt[1][:, target], model.loss, trees)
        models.append((model, trees))
    return Trees(tuple(models))


def _rows(windows: Windows, part: str) -> tuple[Floats, Floats]:
    """Return the features (N, F) and labels (N, K) of a part."""
    rows = [(window_features(batch.signal), batch.labels[:, -1]) for batch in _batches(windows, part)]
    return np.concatenate([made for made, _ in rows]), np.concatenate([label for _, label in rows]).astype(np.float64)


def window_features(signal_BTD: Any) -> Floats:
    """Return running means up to the window's end over REACHES steps, and the last difference, (B, F)."""
    signal_BTD = np.asarray(signal_BTD, dtype=np.float64)
    length = signal_BTD.shape[1]
    means = [mean(signal_BTD[:, -reach:], axis=1) for reach in REACHES if reach <= length]
    differences = [signal_BTD[:, -1] - signal_BTD[:, -2]] if length > 1 else []
    return np.concatenate([*means, *differences], axis=1)


def rounded(values: Floats) -> Floats:
    """Round to multiples of the largest one's power of two over 2^BITS, so that sums are exact in any order."""
    _, twos = math.frexp(float(np.abs(values).max(initial=0.0)))
    result: Floats = np.ldexp(np.rint(np.ldexp(values, BITS - twos)), twos - BITS)
    return result


def _batches(windows: Windows, part: str) -> Iterator[Any]:
    return (padded.valid() for padded in windows.batches(part, all_steps=False))


def _fit(features_NF: Floats, labels_N: Floats, loss: str, trees: int) -> Any:
    """Return a fit with so many trees."""
    from sklearn.ensemble import HistGradientBoostingRegressor  # seconds of imports
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        return HistGradientBoostingRegressor(
            loss=loss, learning_rate=LEARNING_RATE, max_iter=trees, early_stopping=False, random_state=0
        ).fit(features_NF, rounded(labels_N))


def _best(train: tuple[Floats, Floats], validation: tuple[Floats, Floats]) -> tuple[Any, int]:
    """Return the best of several fits on train, and of how many trees."""
    from threadpoolctl import threadpool_limits

    best, least = (None, 0), math.inf
    for loss in LOSSES:
        model = _fit(*train, loss, ITERATIONS)
        with threadpool_limits(1):
            for trees, on_validation in enumerate(model.staged_predict(validation[0]), start=1):
                if (error := mean_absolute_error(validation[1], on_validation)) < least:
                    best, least = (model, trees), error
    return best
