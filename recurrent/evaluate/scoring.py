"""Trained forecasters against labels they have never seen and against the baselines, on the same windows.

Several networks may answer for one split (their mean counts), and there may be several splits (cross-validation,
several series): then every score is the mean over the splits, with its spread beside it.
Legend of shapes: N windows, B windows of a batch, T steps, D features, A answers, K targets, C classes.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from recurrent.evaluate import baselines, metrics
from recurrent.network.predictor import Model
from recurrent.numerics import mean, total
from recurrent.window.split import PARTS
from recurrent.window.windows import Windows

Floats = npt.NDArray[np.float64]
Scores = dict[str, float]


@dataclass(frozen=True, eq=False)
class Judged:
    """One split: scores by part, and the test part's forecasts by network and baselines."""

    windows: Windows
    scores: dict[str, Scores]
    predicted: Floats  # (N, K), or (N, C) of classes
    others: dict[str, Floats]

    @property
    def actual(self) -> Floats:
        return self.windows.labels("test")

    def score(self, forecast: Floats) -> Scores:
        """Score a forecast of the test part."""
        return score(self.windows, "test", forecast)


def judge(windows: Windows, models: Sequence[Model], **knobs: Any) -> Judged:
    """Let the networks and the baselines forecast; `knobs` are those of baselines.forecasts."""
    runs = {part: predict(windows, part, models) for part in PARTS}
    others = baselines.forecasts(windows, "test", **knobs)
    return Judged(windows, {part: scores for part, (_, scores) in runs.items()}, runs["test"][0], others)


def predict(windows: Windows, part: str, models: Sequence[Model]) -> tuple[Floats, Scores]:
    """Run the models over a part.

    Returns
    -------
    predicted : (N, K) at the end of each window, in the target's unit, or (N, C) probabilities
    scores : as metrics.score; and mean_delta_all_steps over every step of every window, where each has an answer
    """
    last, error, size = [], 0.0, 0.0
    for padded in windows.batches(part):
        answers_BAK = mean([model(padded.signal, padded.lengths) for model in models], axis=0)[: padded.real]
        batch = padded.first(padded.real)
        if "classes" in windows.meta:
            last.append(answers_BAK[:, 0])
            continue
        if answers_BAK.shape[1] == batch.labels.shape[1] and batch.lengths is None:
            restored_BAK, actual_BAK = batch.restore(answers_BAK), batch.actual
            error += float(total(np.abs(restored_BAK - actual_BAK)))
            size += float(total(np.abs(actual_BAK)))
        last.append(batch.end().restore(batch.at_end(answers_BAK))[:, 0])
    predicted = np.concatenate(last)
    return predicted, score(windows, part, predicted) | ({"mean_delta_all_steps": error / size} if size else {})


def score(windows: Windows, part: str, forecast: Floats) -> Scores:
    """Score a forecast (N, K) or (N, C) of a part.

    `normalised_mse` is the mean squared error in the unit that the network learns: over the window's first value
    where windows are relative, otherwise over the spread of all labels of train.
    """
    actual = windows.labels(part)
    if "classes" in windows.meta:
        return metrics.score_classes(actual[:, 0], forecast)
    scores = metrics.score(actual, forecast)
    if None in windows.meta["observed"]:
        return scores
    labels = windows.labels("train")
    unit: Floats | float = math.sqrt(metrics.mean_squared_error(labels, np.full_like(labels, mean(labels))))
    if windows.view.relative_to_first:
        found = [batch.end().first(batch.real).unit for batch in windows.batches(part, every=False)]
        unit = np.concatenate([np.asarray(values)[:, 0] for values in found])
    scores["normalised_mse"] = metrics.mean_squared_error(actual / unit, forecast / unit) if np.all(unit) else 0.0
    before = baselines.persistence(windows, part)
    moves = actual != before
    if windows.parts[part].horizon and moves.any():  # of those that moved, how many were forecast to move that way
        scores["direction"] = float((np.sign(forecast - before) == np.sign(actual - before))[moves].mean())
    return scores


def report(judged: Sequence[Judged]) -> dict[str, Any]:
    """Put metrics/<system>.json together."""
    windows = judged[0].windows
    classes = "classes" in windows.meta
    scores = {part: _mean([one.scores[part] for one in judged]) for part in PARTS}
    others = {name: _mean([one.score(one.others[name]) for one in judged]) for name in judged[0].others}
    error = "log_loss" if classes else "mae"
    best = min(others, key=lambda name: others[name][error])
    counts = {f"{name}_windows": windows.parts[name].windows for name in PARTS}
    if windows.meta["countdown"]:
        cycle, _ = baselines.cycles(windows, windows.last_steps("test"))
        counts["test_cycles"] = len(np.unique(cycle))
    low, high = _interval(judged, best)
    least = others[best][error]
    result: dict[str, Any] = {
        **scores,
        "baselines": others,
        "skill": 1 - scores["test"][error] / least if least > 0 else 0.0,
        "less_error_than_best_baseline": {"low": low, "high": high},
        "counts": counts,
    }
    if len(judged) > 1:
        result["counts"]["splits"] = len(judged)
        result["spread"] = _spread([one.scores["test"] for one in judged])
    return result


def _interval(judged: Sequence[Judged], best: str) -> tuple[float, float]:
    """95 % interval of how much smaller the network's error is than the best baseline's, by block bootstrap.

    The error is the absolute one, or of classes -ln of the probability of the right one. Windows that share
    steps stay in one block; where there are several splits, a split is one value.
    """
    gains = []
    for one in judged:
        actual = one.actual
        if "classes" in one.windows.meta:
            right = actual.astype(np.int64)
            ours, theirs = (np.take_along_axis(f, right, axis=1) for f in (one.predicted, one.others[best]))
            gains.append((np.log(np.maximum(ours, 1e-15)) - np.log(np.maximum(theirs, 1e-15)))[:, 0])
        else:
            gains.append(mean(np.abs(one.others[best] - actual) - np.abs(one.predicted - actual), axis=1))
    if len(gains) > 1:
        return metrics.block_bootstrap(np.array([float(mean(gain)) for gain in gains]), 1)
    part = judged[0].windows.parts["test"]
    block = 1 if part.whole else -(-part.seq_len // part.stride)
    return metrics.block_bootstrap(gains[0], min(block, len(gains[0])))


def _mean(scores: Sequence[Scores]) -> Scores:
    return scores[0] if len(scores) == 1 else {key: float(mean([s[key] for s in scores])) for key in scores[0]}


def _spread(scores: Sequence[Scores]) -> Scores:
    apart = {key: np.array([s[key] for s in scores]) - _mean(scores)[key] for key in scores[0]}
    return {key: math.sqrt(total(values * values) / (len(scores) - 1)) for key, values in apart.items()}


def verdict(result: Mapping[str, Any]) -> str:
    """Say in words what the numbers mean, the network's defeat included."""
    test, others, interval = result["test"], result["baselines"], result["less_error_than_best_baseline"]
    first, error = ("accuracy", "log_loss") if "accuracy" in test else ("mean_delta", "mae")
    best = min(others, key=lambda name: others[name][error])
    lines = [f"{'':<11} {first.replace('_', ' '):>10} {error.replace('_', ' '):>10}"]
    for name, scores in [*others.items(), ("network", test)]:
        lines.append(f"{name:<11} {scores[first]:>10.4f} {scores[error]:>10.4g}")
    constant = "majority" if "accuracy" in test else "median"
    sure = f"(95 % interval of the gain in {error.replace('_', ' ')}: {interval['low']:.3g} to {interval['high']:.3g})"
    if others[constant][error] <= test[error] * 1.05 or test.get("r2", 1.0) <= 0:  # r2 <= 0: the labels' mean is better
        lines.append("A constant is as good here: the network has learnt nothing of use.")
    elif result["skill"] <= 0:
        lines.append(f"No skill: the baseline '{best}' is better {sure}.")
    elif interval["low"] <= 0:
        lines.append(f"No skill beyond '{best}' that is sure: the difference may be chance {sure}.")
    else:
        lines.append(f"The network's error is {result['skill']:.0%} below that of the best baseline, '{best}'.")
    return "\n".join(lines)
