"""Gradient-boosted trees on what a hand would make of the window's end: non-linear, and without recurrence.

What they lack against a network is the order of the steps, so they tell whether it needs a sequence.
Legend of shapes: N windows, B windows of a batch, T steps, D features, F features made of them, K targets.
"""

import math
from collections.abc import Iterator
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


def boosted_trees(windows: Windows, part: str) -> Floats:
    """Fit on train, for each target by its own; validation selects the loss and the number of trees.

    Histogram-based gradient boosting (G. Ke et al., LightGBM, NeurIPS 2017) of scikit-learn. Trees read and learn what
    the network does: values over the window's first, differences.

    The same bits on every machine (docs/numerics.md): features are means in a fixed order; scikit-learn puts them into
    bins, which is a matter of sorting, and adds up gradients in C code that is built for every x86-64 CPU alike, in one
    order with one thread. The mean of the labels, which numpy adds up, is exact: they are rounded to BITS.

    Returns
    -------
    (N, K) in the target's own unit
    """
    features, labels = {}, {}
    for name in ("train", "validation"):
        rows = [(window_features(batch.signal), batch.labels[:, -1]) for batch in _batches(windows, name)]
        features[name] = np.concatenate([made for made, _ in rows])
        labels[name] = np.concatenate([wanted for _, wanted in rows]).astype(np.float64)
    asked = np.concatenate([window_features(batch.signal) for batch in _batches(windows, part)])
    outputs = [
        _fit_and_forecast(features, {name: values[:, target] for name, values in labels.items()}, asked)
        for target in range(labels["train"].shape[1])
    ]
    outputs_NK, first, forecasts = np.stack(outputs, axis=1), 0, []
    for batch in _batches(windows, part):
        forecasts.append(batch.inverse_transform(outputs_NK[first : first + batch.n_valid, None])[:, 0])
        first += batch.n_valid
    return np.concatenate(forecasts)


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


def _fit_and_forecast(features: dict[str, Floats], labels: dict[str, Floats], asked: Floats) -> Floats:
    """Return the forecasts (N,) for the features `asked` (N, F) of the best of several fits on train."""
    from sklearn.ensemble import HistGradientBoostingRegressor  # seconds of imports
    from threadpoolctl import threadpool_limits  # comes with scikit-learn

    best, least = np.empty(0), math.inf
    with threadpool_limits(1):
        for loss in LOSSES:
            model = HistGradientBoostingRegressor(
                loss=loss, learning_rate=LEARNING_RATE, max_iter=ITERATIONS, early_stopping=False, random_state=0
            ).fit(features["train"], rounded(labels["train"]))
            outputs = zip(model.staged_predict(features["validation"]), model.staged_predict(asked), strict=True)
            for on_validation, on_asked in outputs:
                if (error := mean_absolute_error(labels["validation"], on_validation)) < least:
                    best, least = on_asked, error
    return best
