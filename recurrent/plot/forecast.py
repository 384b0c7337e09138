"""Forecasts of a quantity beside what came, and where they are wrong."""

import math

import numpy as np
from matplotlib.figure import Figure

from recurrent.plot._style import BLACK, BLUE, GREEN, GREY, ORANGE, Table

BINS = 24


def forecast(predictions: Table, *, target: str, unit: str, time_unit: str, baseline: str) -> Figure:
    """Draw predicted and actual over the test set, and one against the other."""
    figure = Figure(figsize=(12, 4.2), layout="constrained")
    over_time, scatter = figure.subplots(1, 2, width_ratios=(2.7, 1))
    time, actual, predicted = (predictions[name] for name in ("time", "actual", "predicted"))
    over_time.plot(time, predictions[baseline], color=GREY, linewidth=1, linestyle=":", label=f"baseline: {baseline}")
    over_time.plot(time, actual, color=BLACK, linewidth=1.4, label="actual")
    over_time.plot(time, predicted, color=ORANGE, linewidth=1.2, label="network")
    since = "row" if time_unit == "row" else f"time since the recording began ({time_unit})"
    over_time.set(xlabel=since, ylabel=f"{target} ({unit})")
    over_time.set_title("Test set: not used in training")
    over_time.legend(frameon=False, ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.14))
    scatter.scatter(actual, predicted, s=6, color=ORANGE, alpha=0.5, linewidths=0)
    ends = [min(actual.min(), predicted.min()), max(actual.max(), predicted.max())]
    scatter.plot(ends, ends, color=BLACK, linewidth=1)
    scatter.set(xlabel=f"actual ({unit})", ylabel=f"network ({unit})", title="On the line: right")
    scatter.set_aspect("equal", adjustable="datalim")
    for axes in (over_time, scatter):
        axes.grid(alpha=0.25)
    return figure


def error(predictions: Table, *, target: str, unit: str, baselines: list[str]) -> Figure:
    """Where it is wrong: error against the actual value, for the network and for each baseline."""
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    signed, absolute = figure.subplots(1, 2)
    actual = predictions["actual"]
    edges = np.linspace(actual.min(), actual.max() + 1e-12, BINS + 1)
    middle, which = (edges[1:] + edges[:-1]) / 2, np.clip(np.digitize(actual, edges) - 1, 0, BINS - 1)
    filled = np.array([(which == b).any() for b in range(BINS)])
    off = predictions["predicted"] - actual
    bands = np.array([np.quantile(off[which == b], (0.05, 0.25, 0.5, 0.75, 0.95)) for b in range(BINS) if filled[b]])
    signed.fill_between(middle[filled], bands[:, 0], bands[:, 4], color=ORANGE, alpha=0.2, label="90 % of the windows")
    signed.fill_between(middle[filled], bands[:, 1], bands[:, 3], color=ORANGE, alpha=0.4, label="50 %")
    signed.plot(middle[filled], bands[:, 2], color=ORANGE, label="median")
    signed.axhline(0, color=BLACK, linewidth=0.8)
    signed.set(ylabel=f"network - actual ({unit})", title="Above 0 the network answers too late, below too early")
    styles = [(BLUE, "-."), (GREEN, "--"), (GREY, ":"), (BLACK, (0, (1, 1)))]
    for name, (colour, line) in zip(["predicted", *baselines], [(ORANGE, "-"), *styles], strict=False):
        gap = np.abs(predictions[name] - actual)
        means = [math.fsum(gap[which == b]) / (which == b).sum() for b in range(BINS) if filled[b]]
        label = "network" if name == "predicted" else name
        absolute.plot(middle[filled], means, color=colour, linestyle=line, label=label)
    absolute.set(ylabel=f"mean absolute error ({unit})", title="Against the baselines", ylim=(0, None))
    for axes in (signed, absolute):
        axes.set_xlabel(f"{target} ({unit})")
        axes.legend(frameon=False)
        axes.grid(alpha=0.25)
    return figure
