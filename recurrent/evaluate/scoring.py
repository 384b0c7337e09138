"""Trained forecasters against labels they have never seen and against the baselines, on the same windows.

Several networks may forecast one split: the mean of their outputs is the forecast, and each of them is scored alone,
too. There may be several splits (cross-validation, several series).
Legend of shapes: N windows, B windows of a batch, T steps, D features, A outputs, K targets, C classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from recurrent.evaluate import baselines
from recurrent.evaluate.truth import Scores, Truth, truth_of
from recurrent.network.interval import Interval
from recurrent.network.predictor import Predictor
from recurrent.network.task import MeanDelta
from recurrent.numerics import mean
from recurrent.window.meta import PARTS
from recurrent.window.windows import Windows

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SplitResult:
    """One split: scores by part, and the test part's truth and forecasts by network and baselines."""

    windows: Windows
    truth: Truth
    scores: dict[str, Scores]
    predicted: Floats  # (N, K), or (N, C) of classes
    baseline_forecasts: dict[str, Floats]
    networks: tuple[Scores, ...]  # of each network alone, on the test part
    interval: tuple[Floats, Floats] | None  # lower and upper ends around `predicted`


def evaluate_split(
    windows: Windows, predictors: Sequence[Predictor], interval: Interval | None = None, *, refit: bool, **params: Any
) -> SplitResult:
    """Forecast with networks and baselines, and score.

    With `refit`, the networks learnt train and validation, so baselines are fitted on both, too; `params` are those of
    baselines.forecasts.
    """
    learnt = windows.with_validation() if refit else windows
    scores: dict[str, Scores] = {}
    for part in PARTS:
        predicted, alone, all_steps = forecast(windows, part, predictors)
        truth = truth_of(windows, part)
        scores[part] = truth.score(predicted) | all_steps
    networks = tuple(truth.score(by_network) for by_network in alone)
    of_baselines = baselines.forecasts(learnt, "test", truth.baselines, windows, **params)
    ends = interval.around(predicted) if interval else None
    return SplitResult(windows, truth, scores, predicted, of_baselines, networks, ends)


def forecast(windows: Windows, part: str, predictors: Sequence[Predictor]) -> tuple[Floats, list[Floats], Scores]:
    """Run the networks over a part.

    Returns
    -------
    predicted : (N, K) at the end of each window, in the target's unit, or (N, C) probabilities
    alone : the same by each network
    scores : mean_delta_all_steps over all steps of all windows, where the network has an output for each
    """
    last, error = list[list[Floats]](), MeanDelta()
    for padded in windows.batches(part):
        outputs = [predictor(padded.signal, padded.lengths) for predictor in predictors]
        outputs_BAK, batch = mean(outputs, axis=0)[: padded.n_valid], padded.valid()
        if outputs_BAK.shape == batch.labels.shape and batch.lengths is None:
            counted = slice(None) if batch.known is None else batch.known
            error.add(batch.actual[counted], batch.inverse_transform(outputs_BAK)[counted])
        last.append([batch.forecast(found) for found in (outputs_BAK, *(own[: padded.n_valid] for own in outputs))])
    predicted, *alone = (np.concatenate(blocks) for blocks in zip(*last, strict=True))
    return predicted, alone, {"mean_delta_all_steps": error.value} if error.size else {}
