"""Errors of a forecast: (actual, predicted) -> float. Any shape, the same for both, in the label's unit."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from recurrent.network.task import MeanDelta
from recurrent.numerics import mean, total

Floats = npt.NDArray[np.float64]
GREATER_IS_BETTER = frozenset({"accuracy", "r2", "direction"})  # of all other scores, the least is the best
LEAST_PROBABILITY = 1e-15  # of which a logarithm is taken


def mean_delta(actual: Floats, predicted: Floats) -> float:
    """Sum of |predicted - actual| over the sum of |actual|; see MeanDelta."""
    delta = MeanDelta()
    delta.add(actual, predicted)
    return delta.value


def mean_absolute_error(actual: Floats, predicted: Floats) -> float:
    """Mean of |predicted - actual|."""
    return float(mean(np.abs(predicted - actual)))


def mean_squared_error(actual: Floats, predicted: Floats) -> float:
    """Mean of (predicted - actual) squared."""
    apart = predicted - actual
    return float(mean(apart * apart))


def r2(actual: Floats, predicted: Floats) -> float:
    """Share of the labels' variance that the forecast explains; 0 where the labels never change."""
    variance = mean_squared_error(actual, np.full_like(actual, mean(actual)))
    return 1 - mean_squared_error(actual, predicted) / variance if variance > 0 else 0.0


def accuracy(actual: Floats, probabilities: Floats) -> float:
    """Share of the classes (N,) that are the likeliest by `probabilities` (N, C)."""
    return float((probabilities.argmax(axis=1) == actual).mean())


def log_loss(actual: Floats, probabilities: Floats) -> float:
    """Mean of -ln of the probability (N, C) that the actual class (N,) was given."""
    given = np.take_along_axis(probabilities, actual.astype(np.int64)[:, None], axis=1)
    return float(-np.log(np.maximum(given, LEAST_PROBABILITY)).mean())


def resampled_means(values: Floats, block: int, *, resamples: int = 2000, seed: int = 0) -> Floats:
    """Return means of dependent values (N,) or (N, M), from resampled blocks of neighbours: (resamples,) or (.., M).

    Blocks go round the end, so every value is as likely as any other (D. N. Politis and J. P. Romano, A circular
    block-resampling procedure for stationary data, 1992).
    """
    count = -(-len(values) // block)
    starts = np.random.default_rng(seed).integers(0, len(values), (resamples, count))
    sums = np.concatenate([0.0 * values[:1], np.cumsum(np.concatenate([values, values[:block]]), axis=0)])
    blocks = sums[starts + block] - sums[starts]
    result: Floats = total(blocks, axis=1) / (count * block)
    return result


def interval(resampled: Floats) -> tuple[float, float]:
    """Return the 95 % interval of a resampled figure."""
    low, high = np.quantile(resampled, (0.025, 0.975))
    return float(low), float(high)


def block_bootstrap(values: Floats, block: int, *, resamples: int = 2000, seed: int = 0) -> tuple[float, float]:
    """95 % interval of the mean of dependent values (N,), by `resampled_means`."""
    return interval(resampled_means(values, block, resamples=resamples, seed=seed))


def score(actual: Floats, predicted: Floats) -> dict[str, float]:
    """Errors of a forecast of quantities, under the names of metrics/<system>.json."""
    mse = mean_squared_error(actual, predicted)
    return {
        "mean_delta": mean_delta(actual, predicted),
        "mae": mean_absolute_error(actual, predicted),
        "mse": mse,
        "rmse": math.sqrt(mse),
        "r2": r2(actual, predicted),
    }


def score_classes(actual: Floats, probabilities: Floats) -> dict[str, float]:
    """Errors of a forecast of classes: actual (N,), probabilities (N, C)."""
    return {"accuracy": accuracy(actual, probabilities), "log_loss": log_loss(actual, probabilities)}


def over_draws(scores: Sequence[Mapping[str, float]]) -> dict[str, dict[str, Any]]:
    """Return for each score of several draws its mean, standard deviation (n - 1 below), worst value and their number.

    A draw is a network from other initial weights, or a fold.
    """
    found = {}
    for name in scores[0]:
        values = np.array([of_draw[name] for of_draw in scores])
        middle = float(mean(values))
        deviation = math.sqrt(total((values - middle) ** 2) / (len(values) - 1))
        worst = min(values) if name in GREATER_IS_BETTER else max(values)
        found[name] = {"mean": middle, "sd": deviation, "worst": float(worst), "n": len(values)}
    return found
