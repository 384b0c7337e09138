"""A trained forecaster against labels it has never seen and against the baselines, on the same windows."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from recurrent import baselines, metrics
from recurrent.series import Array
from recurrent.windowing import PARTS, Windows

Floats = npt.NDArray[np.float64]


def predict(windows: Windows, part: str, model: Callable[[Array], Array]) -> tuple[Floats, dict[str, float]]:
    """Run `model`, (B, T, D) -> (B, T, K), over a part.

    Returns
    -------
    predicted : (N,) at the last step of each window, in the target's unit
    scores : as metrics.score, and mean_delta_all_steps over every step of every window
    """
    last, error, size = [], 0.0, 0.0
    for signal_BTD, target_BTK, real in windows.batches(part):
        answers_BTK = model(signal_BTD)[:real]
        last.append(answers_BTK[:, -1, 0])
        error += float(np.abs(answers_BTK - target_BTK[:real]).sum())
        size += float(np.abs(target_BTK[:real]).sum())
    predicted = np.concatenate(last)
    scores = metrics.score(windows.labels(part)[:, 0], predicted)
    return predicted, scores | {"mean_delta_all_steps": error / size}


def report(
    scores: Mapping[str, Mapping[str, float]], forecasts: Mapping[str, Floats], windows: Windows
) -> dict[str, Any]:
    """Put metrics/<system>.json together from the network's scores by part and the baselines' forecasts of test."""
    actual = windows.labels("test")[:, 0]
    others = {name: metrics.score(actual, forecast) for name, forecast in forecasts.items()}
    least = min(other["mae"] for other in others.values())
    counts = {f"{name}_windows": windows.parts[name].windows for name in PARTS}
    cycle, _ = baselines.cycles(windows, windows.last_steps("test"))
    return {
        **scores,
        "baselines": others,
        "skill": 1 - scores["test"]["mae"] / least if least > 0 else 0.0,
        "counts": counts | {"test_cycles": len(np.unique(cycle))},
    }


def verdict(result: Mapping[str, Any]) -> str:
    """Say in words what the numbers mean, the network's defeat included."""
    test, others = result["test"], result["baselines"]
    best = min(others, key=lambda name: others[name]["mae"])
    lines = [f"{'':<10} {'mean delta':>10} {'mae':>10}"]
    lines += [f"{name:<10} {other['mean_delta']:>10.4f} {other['mae']:>10.4g}" for name, other in others.items()]
    lines += [f"{'network':<10} {test['mean_delta']:>10.4f} {test['mae']:>10.4g}"]
    if others["median"]["mae"] <= test["mae"] * 1.05 or test["r2"] <= 0:  # r2 <= 0: the labels' own mean is better
        lines.append("A constant is as good here: the network has learnt nothing of use.")
    elif result["skill"] <= 0:
        lines.append(f"No skill: the baseline '{best}' is better.")
    else:
        lines.append(f"The network's error is {result['skill']:.0%} below that of the best baseline, '{best}'.")
    return "\n".join(lines)


def time_axis(windows: Windows, part: str) -> tuple[Floats, str]:
    """Give the time of each window's last sample and its unit.

    A countdown tells the time since the recording began; without one, the row number stands for it.
    """
    steps = windows.last_steps(part)
    if not windows.meta["countdown"]:
        return (steps + 1.0) * windows.meta["samples_per_step"] - 1, "row"
    cycle, since = baselines.cycles(windows, steps)
    starts = np.concatenate([[0.0], np.cumsum(windows.meta["first_targets"])])
    return starts[cycle] + since, str(windows.meta["units"]["target"])
