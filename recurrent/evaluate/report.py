"""Results of all splits -> metrics/<system>.json, and a summary in words.

Where there are several splits, every score is the mean over them. The forecast that is scored under `test`, and that
the gain speaks of, is the one of predictions.csv: the mean of the networks' outputs. `one_network` says what to expect
of a single one, and how much of it is luck.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from recurrent.evaluate import metrics
from recurrent.evaluate.counts import counts, data
from recurrent.evaluate.coverage import coverage
from recurrent.evaluate.scoring import SplitResult
from recurrent.evaluate.truth import Scores, Truth
from recurrent.numerics import mean
from recurrent.window.meta import PARTS


def report(results: Sequence[SplitResult]) -> dict[str, Any]:
    """Return the content of metrics/<system>.json."""
    error = results[0].truth.error
    scores: dict[str, Scores] = {part: _mean([result.scores[part] for result in results]) for part in PARTS}
    of_baselines = {
        name: _mean([result.truth.score(result.baseline_forecasts[name]) for result in results])
        for name in results[0].baseline_forecasts
    }
    best = min(of_baselines, key=lambda name: of_baselines[name][error])
    least = of_baselines[best][error]
    content: dict[str, Any] = {
        **scores,
        "baselines": of_baselines,
        "skill": 1 - scores["test"][error] / least if least > 0 else 0.0,
        "gain_ci95": _gains(results),
        "counts": counts([result.windows for result in results]),
        "data": data([result.windows for result in results]),
    }
    if intervals := [coverage(own.windows, own.truth.actual, own.interval) for own in results if own.interval]:
        content["interval"] = _mean(intervals)
    draws = _draws(results)
    if len(draws) > 1:
        content["one_network"] = metrics.over_draws(draws)
    return content


def _draws(results: Sequence[SplitResult]) -> Sequence[Scores]:
    """Return the scores of each network alone; of several splits those of each split, the mean over its networks."""
    return results[0].networks if len(results) == 1 else [_mean(result.networks) for result in results]


def _gains(results: Sequence[SplitResult]) -> dict[str, dict[str, Any]]:
    """Return for each error how much smaller the network's is than that of the baseline that has the smallest.

    The 95 % interval is of the block bootstrap: windows that share steps stay in one block; where there are several
    splits, a split is one value. Of classes, the gain in accuracy.
    """
    ours = [result.truth.losses(result.predicted) for result in results]
    theirs = {
        name: [result.truth.losses(result.baseline_forecasts[name]) for result in results]
        for name in results[0].baseline_forecasts
    }
    part, gains = results[0].windows.parts["test"], {}
    block = 1 if part.one_window_per_group else -(-part.seq_len // part.stride)
    for error in ours[0]:
        means = {name: mean([mean(losses[error]) for losses in of_splits]) for name, of_splits in theirs.items()}
        best = min(means, key=lambda name: float(means[name]))
        by_split = [them[error] - us[error] for them, us in zip(theirs[best], ours, strict=True)]
        values = by_split[0] if len(by_split) == 1 else np.array([float(mean(gain)) for gain in by_split])
        low, high = metrics.block_bootstrap(values, min(block if len(by_split) == 1 else 1, len(values)))
        gains[error] = {"baseline": best, "low": low, "high": high}
    return gains


def _mean(scores: Sequence[Scores]) -> Scores:
    return scores[0] if len(scores) == 1 else {key: float(mean([s[key] for s in scores])) for key in scores[0]}


def summary_text(content: Mapping[str, Any], truth: Truth | type[Truth]) -> str:
    """Say in words what the metrics mean, the network's defeat included; `truth` tells which of them decide."""
    test, others, error = content["test"], content["baselines"], truth.error
    interval, unit = content["gain_ci95"][error], error.replace("_", " ")
    best = min(others, key=lambda name: others[name][error])
    width = max(11, *map(len, others))
    lines = [f"{'':<{width}} {truth.headline.replace('_', ' '):>10} {unit:>10}"]
    for name, scores in [*others.items(), ("network", test)]:
        lines.append(f"{name:<{width}} {scores[truth.headline]:>10.4f} {scores[error]:>10.4g}")
    gain = f"(95 % interval of the gain in {unit}: {interval['low']:.3g} to {interval['high']:.3g})"
    # r2 <= 0: the labels' mean is better
    if others[truth.constant][error] <= test[error] * 1.05 or test.get("r2", 1.0) <= 0:
        lines.append("A constant is as good here: the network is no better than it.")
    elif interval["high"] < 0:
        lines.append(f"Nothing learnt beyond '{best}', which is better {gain}.")
    elif interval["low"] <= 0:
        lines.append(f"Nothing learnt beyond '{best}' that may not be chance {gain}.")
    else:
        lines.append(f"The network's error is {content['skill']:.0%} below that of the best baseline, '{best}'.")
    return "\n".join(lines)
