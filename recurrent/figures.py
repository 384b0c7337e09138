"""Arrays -> matplotlib Figures. Colours are Okabe and Ito's, for the colour-blind; dashes are for print."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

Columns = Mapping[str, npt.NDArray[np.float64]]

BLUE, ORANGE, GREEN, BLACK, GREY = "#0072B2", "#D55E00", "#009E73", "#000000", "#767676"
EXERCISE_BOUND = 0.10  # mean delta that the exercise asks for
BINS = 24


def training(history: Columns, *, target_delta: float, best_epoch: int) -> Figure:
    """Loss and mean delta over the epochs, with the target and the epoch that was kept."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    loss, delta = figure.subplots(1, 2)
    for axes, name in ((loss, "loss"), (delta, "mean_delta")):
        axes.plot(history["epoch"], history[f"train_{name}"], color=BLUE, label="train")
        axes.plot(history["epoch"], history[f"validation_{name}"], color=ORANGE, linestyle="--", label="validation")
        axes.axvline(best_epoch, color=GREY, linewidth=0.8, linestyle=":", label=f"kept: epoch {best_epoch}")
        axes.set(xlabel="epoch", yscale="log")
    loss.set(ylabel="loss, on scaled targets", title="Loss: sum over the steps, mean over the windows")
    delta.axhline(target_delta, color=GREEN, linestyle="-.", label=f"target of this run: {target_delta:.1%}")
    if not np.isclose(target_delta, EXERCISE_BOUND):
        delta.axhline(EXERCISE_BOUND, color=BLACK, linestyle=":", label=f"the exercise: {EXERCISE_BOUND:.0%}")
    delta.set(ylabel="mean delta (share of the label)", title="Mean delta at the last step")
    delta.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    delta.yaxis.set_minor_formatter(lambda value, _: f"{value:.0%}" if value in SHOWN else "")
    loss.yaxis.set_major_formatter("{x:g}")
    loss.yaxis.set_minor_formatter(lambda value, _: f"{value:g}" if f"{value:g}"[0] in "2357" else "")
    for axes in (loss, delta):
        axes.legend(frameon=False)
        axes.grid(alpha=0.25, which="both")
    return figure


SHOWN = {0.05, 0.07, 0.2, 0.3, 0.5, 0.7}  # minor ticks that get a number


def forecast(predictions: Columns, *, target: str, unit: str, time_unit: str, baseline: str) -> Figure:
    """Predicted against actual over the test part, and as a scatter."""
    figure = Figure(figsize=(12, 4.2), layout="constrained")
    over_time, scatter = figure.subplots(1, 2, width_ratios=(2.7, 1))
    time, actual, predicted = (predictions[name] for name in ("time", "actual", "predicted"))
    over_time.plot(time, predictions[baseline], color=GREY, linewidth=1, linestyle=":", label=f"baseline: {baseline}")
    over_time.plot(time, actual, color=BLACK, linewidth=1.4, label="actual")
    over_time.plot(time, predicted, color=ORANGE, linewidth=1.2, label="network")
    over_time.set(xlabel=f"time since the recording began ({time_unit})", ylabel=f"{target} ({unit})")
    over_time.set_title("Test part: never seen in training")
    over_time.legend(frameon=False, ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.14))
    scatter.scatter(actual, predicted, s=6, color=ORANGE, alpha=0.5, linewidths=0)
    ends = [min(actual.min(), predicted.min()), max(actual.max(), predicted.max())]
    scatter.plot(ends, ends, color=BLACK, linewidth=1)
    scatter.set(xlabel=f"actual ({unit})", ylabel=f"network ({unit})", title="On the line: right")
    scatter.set_aspect("equal", adjustable="datalim")
    for axes in (over_time, scatter):
        axes.grid(alpha=0.25)
    return figure


def error(predictions: Columns, *, target: str, unit: str, baselines: list[str]) -> Figure:
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
        means = [gap[which == b].mean() for b in range(BINS) if filled[b]]
        label = "network" if name == "predicted" else name
        absolute.plot(middle[filled], means, color=colour, linestyle=line, label=label)
    absolute.set(ylabel=f"mean absolute error ({unit})", title="Against the baselines", ylim=(0, None))
    for axes in (signed, absolute):
        axes.set_xlabel(f"{target} ({unit})")
        axes.legend(frameon=False)
        axes.grid(alpha=0.25)
    return figure
