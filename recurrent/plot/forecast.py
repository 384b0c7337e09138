"""Forecasts of a quantity beside what came, and where they are wrong."""

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from recurrent.plot._style import BLACK, GREY, ORANGE, Floats, Table, baseline_styles, log_if_flattened, name_left_out

BINS = 24
MOST = 800  # windows drawn over time


def forecast(
    predictions: Table, *, target: str, unit: str, time_unit: str, baselines: list[str], baseline: str
) -> Figure:
    """Draw predicted and actual over the test set beside the best of the baselines, and one against the other."""
    figure = Figure(figsize=(12, 4.2), layout="constrained")
    over_time, scatter = figure.subplots(1, 2, width_ratios=(2.7, 1))
    actual, predicted = (predictions[name] for name in ("actual", "predicted"))
    count = len(actual)
    predictions = {name: values[:MOST] for name, values in predictions.items()}  # more would be a black band
    _over_time(over_time, predictions, baseline, color=GREY, linewidth=1, linestyle=":", label=f"baseline: {baseline}")
    if "lower" in predictions:
        (time, lower), (_, upper) = (_lines(predictions, name) for name in ("lower", "upper"))
        if _apart(predictions):
            over_time.vlines(time, lower, upper, color=ORANGE, alpha=0.4, linewidth=1, label="90 % interval")
        else:
            over_time.fill_between(time, lower, upper, color=ORANGE, alpha=0.25, linewidth=0, label="90 % interval")
    _over_time(over_time, predictions, "actual", color=BLACK, linewidth=1.4, label="actual")
    _over_time(over_time, predictions, "predicted", color=ORANGE, linewidth=1.2, label="network")
    since = "row" if time_unit == "row" else f"time since the recording began ({time_unit})"
    over_time.set(xlabel=since, ylabel=f"{target} ({unit})")
    shown = f", first {MOST:,} of {count:,} windows" if count > MOST else ""
    over_time.set_title(f"Test set: not used in training{shown}")
    over_time.legend(frameon=False, ncols=4, loc="upper center", bbox_to_anchor=(0.5, -0.14))
    scatter.scatter(actual, predicted, s=6, color=ORANGE, alpha=0.5, linewidths=0)
    ends = [min(actual.min(), predicted.min()), max(actual.max(), predicted.max())]
    scatter.plot(ends, ends, color=BLACK, linewidth=1)
    scatter.set(xlabel=f"actual ({unit})", ylabel=f"network ({unit})", title="On the line: right")
    scatter.set_aspect("equal", adjustable="datalim")
    for axes in (over_time, scatter):
        axes.grid(alpha=0.25)
    name_left_out(figure, [name for name in baselines if name != baseline])
    return figure


def _apart(predictions: Table) -> bool:
    """Return whether no group has two windows, so that no line may join them."""
    return "group" in predictions and bool((np.diff(predictions["group"]) != 0).all())


def _lines(predictions: Table, name: str) -> tuple[Floats, Floats]:
    """Return time and a column, with a gap between two groups of which lines are drawn."""
    time, values = predictions["time"], predictions[name]
    if "group" not in predictions or _apart(predictions):
        return time, values
    ends = np.flatnonzero(np.diff(predictions["group"])) + 1
    return np.insert(time, ends, np.nan), np.insert(values, ends, np.nan)


def _over_time(axes: Axes, predictions: Table, name: str, **style: object) -> None:
    """Draw a column over time: a line for each group, and points where no group has two windows."""
    if _apart(predictions):
        style |= {"linestyle": "none", "marker": {"actual": "o", "predicted": "x"}.get(name, "."), "markersize": 4}
    axes.plot(*_lines(predictions, name), **style)  # type: ignore[arg-type]


def error(predictions: Table, *, target: str, unit: str, baselines: list[str], countdown: bool) -> Figure:
    """Where it is wrong: error against the actual value, for the network and for each baseline.

    The absolute error is on a logarithmic axis where a forecast that is far off would flatten the others.
    """
    figure = Figure(figsize=(12.5, 4.2), layout="constrained")
    signed, absolute = figure.subplots(1, 2)
    actual = predictions["actual"]
    edges = np.linspace(actual.min(), actual.max() + 1e-12, BINS + 1)
    middle, which = (edges[1:] + edges[:-1]) / 2, np.clip(np.digitize(actual, edges) - 1, 0, BINS - 1)
    filled = [b for b in range(BINS) if (which == b).any()]
    off = predictions["predicted"] - actual
    bands = np.array([np.quantile(off[which == b], (0.05, 0.25, 0.5, 0.75, 0.95)) for b in filled])
    signed.fill_between(middle[filled], bands[:, 0], bands[:, 4], color=ORANGE, alpha=0.2, label="90 % of the windows")
    signed.fill_between(middle[filled], bands[:, 1], bands[:, 3], color=ORANGE, alpha=0.4, label="50 %")
    signed.plot(middle[filled], bands[:, 2], color=ORANGE, label="median of the errors")
    signed.axhline(0, color=BLACK, linewidth=0.8)
    above, below = ("answers too late", "too early") if countdown else ("is too high", "too low")
    signed.set(ylabel=f"network - actual ({unit})", title=f"Above 0 the network {above}, below {below}")
    curves = []
    styles = {"predicted": (ORANGE, "-")} | dict(zip(baselines, baseline_styles(), strict=False))  # styles are endless
    for name, (colour, line) in styles.items():
        gap = np.abs(predictions[name] - actual)
        curves.append(np.array([math.fsum(gap[which == b]) / (which == b).sum() for b in filled]))
        label = f"{'network' if name == 'predicted' else name}: {_number(math.fsum(gap) / len(gap))}"
        absolute.plot(middle[filled], curves[-1], color=colour, linestyle=line, label=label)
    absolute.set(ylabel=f"mean absolute error ({unit})", title="Against the baselines", ylim=(0, None))
    log_if_flattened(absolute, curves)
    for axes in (signed, absolute):
        axes.set_xlabel(f"{target} ({unit})")
        axes.grid(alpha=0.25)
    signed.legend(frameon=False)
    absolute.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5), title=f"error on average ({unit})")
    return figure


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
