"""How training went."""

import numpy as np
from matplotlib.figure import Figure

from recurrent.plot._style import BLACK, BLUE, GREEN, GREY, ORANGE, Table

EXERCISE_BOUND = 0.10  # mean delta that the exercise asks for
SHOWN = {0.05, 0.07, 0.2, 0.3, 0.5, 0.7}  # minor ticks that get a number


def training(history: Table, *, target_delta: float, best_epoch: int) -> Figure:
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
