"""How training went."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from recurrent.plot._style import BLACK, BLUE, GREEN, GREY, ORANGE, Table, log_axis

EXERCISE_BOUND = 0.10  # mean delta that the exercise asks for, of a countdown
FEW = 10  # epochs; the values of fewer are marked


def training(history: Table, *, target_delta: float, best_epoch: int, countdown: bool, of_classes: bool) -> Figure:
    """Loss and mean delta over the epochs, with the target, if there is one, and the epoch that was kept."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    loss, delta = figure.subplots(1, 2)
    bounds = {f"target of this run: {target_delta:.1%}": target_delta} if target_delta else {}
    if countdown and not np.isclose(target_delta, EXERCISE_BOUND):
        bounds[f"the exercise: {EXERCISE_BOUND:.0%}"] = EXERCISE_BOUND
    marker = "o" if len(history["epoch"]) < FEW else None
    for axes, name in ((loss, "loss"), (delta, "mean_delta")):
        for part, colour, line in (("train", BLUE, "-"), ("validation", ORANGE, "--")):
            values = history[f"{part}_{name}"]
            axes.plot(history["epoch"], values, color=colour, linestyle=line, marker=marker, markersize=4, label=part)
        axes.axvline(best_epoch, color=GREY, linewidth=0.8, linestyle=":", label=f"kept: epoch {best_epoch}")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set(xlabel="epoch")
    for (label, bound), (colour, line) in zip(bounds.items(), ((GREEN, "-."), (BLACK, ":")), strict=False):
        delta.axhline(bound, color=colour, linestyle=line, label=label)
    both = [
        np.concatenate([history[f"{part}_{name}"] for part in ("train", "validation")])
        for name in ("loss", "mean_delta")
    ]
    log_axis(loss.yaxis, both[0])
    log_axis(delta.yaxis, np.append(both[1], list(bounds.values())), lambda value: f"{100 * value:g}%")
    loss.set_title("Loss of a window: cross-entropy" if of_classes else "Loss of a window: the sum over its outputs")
    loss.set_ylabel("loss" if of_classes else "loss (scaled targets; larger with more outputs)")
    delta.set_title("Share of windows in the wrong class" if of_classes else "Mean delta at the last step")
    delta.set_ylabel("share" if of_classes else "mean delta (share of the label)")
    for axes in (loss, delta):
        axes.legend(frameon=False)
        axes.grid(alpha=0.25)
    return figure
