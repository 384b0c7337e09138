"""Forecasts fed on themselves: paths, fans and the error by step ahead."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from recurrent.plot._style import BLACK, ORANGE, Table, baseline_styles, log_if_flattened


def error_by_lead_time(table: Table, *, unit: str) -> Figure:
    """Error of each step ahead of the last true value: the network's, and of each baseline that the table has.

    The axis is logarithmic where one that is far off would flatten the others.
    """
    figure = Figure(figsize=(9, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot(
        table["step"], table["network"], color=ORANGE, marker="o", markersize=3, label="network, on its own output"
    )
    baselines = [name for name in table if name not in ("step", "network")]
    for name, (colour, line) in zip(baselines, baseline_styles(), strict=False):  # styles are endless
        axes.plot(table["step"], table[name], color=colour, linestyle=line, label=name)
    axes.set(xlabel="steps ahead", ylabel=f"root mean square error ({unit})", ylim=(0, None))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_title("Error by steps ahead, each forecast fed on itself")
    log_if_flattened(axes, [table[name] for name in ("network", *baselines)])
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    axes.grid(alpha=0.25)
    return figure


def overview(points: Table, short: Table, single_run: Table, *, target: str, unit: str) -> Figure:
    """Show all three ways: point by point, one run on its own output, several short runs."""
    figure = Figure(figsize=(12, 7), layout="constrained")
    by_point, by_single, by_short = figure.subplots(3, 1)
    by_point.plot(points["time"], points["actual"], color=BLACK, linewidth=1.2, label="actual")
    by_point.plot(points["time"], points["predicted"], color=ORANGE, linewidth=1, linestyle="--", label="network")
    by_point.set_title("Point by point: the truth is read after every step")
    by_single.plot(single_run["time"], single_run["actual"], color=BLACK, linewidth=1.2)
    by_single.plot(single_run["time"], single_run["predicted"], color=ORANGE, linewidth=1.2, linestyle="--")
    by_single.set_title("All at once: after the first window the network reads its own output only")
    by_short.plot(points["time"], points["actual"], color=BLACK, linewidth=1.2)
    for run in np.unique(short["run"]):
        one = short["run"] == run
        by_short.plot(short["time"][one], short["predicted"][one], color=ORANGE, linewidth=1.2, linestyle="--")
    by_short.set_title(f"In runs of {int((short['run'] == 0).sum())} steps, each from the truth")
    for axes in (by_point, by_single, by_short):
        axes.set_ylabel(f"{target} ({unit})")
        axes.grid(alpha=0.25)
    by_short.set_xlabel("row")
    by_point.legend(frameon=False, ncols=2, loc="upper right")
    return figure


def path(points: Table, short: Table, *, targets: list[str], unit: str, shown: int = 400) -> Figure:
    """Two targets as a path in the plane, and the first forecasts fed on themselves."""
    figure = Figure(figsize=(12, 5.6), layout="constrained")
    far, near = figure.subplots(1, 2)
    x, y = targets[:2]
    far.plot(points[f"actual_{x}"][:shown], points[f"actual_{y}"][:shown], color=BLACK, linewidth=1.2, label="actual")
    far.plot(points[f"predicted_{x}"][:shown], points[f"predicted_{y}"][:shown], color=ORANGE, linewidth=1,
               linestyle="--", label="network, one step ahead")  # fmt: skip
    far.set_title(f"The first {shown} points of the test set")
    runs = np.unique(short["run"])[:12]
    for run in runs:
        one = short["run"] == run
        for key, colour, line in (("actual", BLACK, "-"), ("predicted", ORANGE, "--")):
            label = {"actual": "actual", "predicted": "network, on its own output"}[key] if run == runs[0] else None
            near.plot(short[f"{key}_{x}"][one], short[f"{key}_{y}"][one], color=colour, linestyle=line, marker=".",
                      label=label)  # fmt: skip
    near.set_title(f"Runs of {int((short['run'] == 0).sum())} steps, each from the truth")
    for axes in (far, near):
        axes.set(xlabel=f"{x} ({unit})", ylabel=f"{y} ({unit})")
        axes.set_aspect("equal", adjustable="datalim")
        axes.grid(alpha=0.25)
        axes.legend(frameon=False, ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.1))
    return figure
