"""What all figures share. Colours are Okabe and Ito's, for the colour-blind; dashes are for print."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import cycle, product
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator

Floats = npt.NDArray[np.float64]
Table = Mapping[str, Floats]

BLUE, ORANGE, GREEN, BLACK, GREY = "#0072B2", "#D55E00", "#009E73", "#000000", "#767676"
PINK, SKY = "#CC79A7", "#56B4E9"
DASHES: list[Any] = ["-.", "--", ":", (0, (1, 1)), (0, (5, 1)), (0, (3, 1, 1, 1, 1, 1)), (0, (8, 3))]
FLATTENED = 20.0  # largest ratio of two forecasts' errors at which a linear axis still shows both
DIGITS = (1,), (1, 3), (1, 2, 5), (1, 2, 3, 5, 7), tuple(range(1, 10))


def baseline_styles() -> Iterator[tuple[str, Any]]:
    """Yield colour and dashes for as many baselines as there are: 35 differ, then they repeat."""
    colours = BLUE, GREEN, GREY, BLACK, PINK, SKY, "#8A6D00"
    pairs = [(colours[(i + j) % len(colours)], DASHES[i]) for j, i in product(range(5), range(len(DASHES)))]
    return cycle(pairs)


def name_left_out(figure: Figure, baselines: Sequence[str]) -> None:
    """Name below a picture the baselines that it does not draw."""
    if baselines:
        words = f"Baselines that are not drawn here: {', '.join(baselines)}"
        figure.supxlabel(words, fontsize=8, color=GREY, x=0.01, ha="left")


def log_axis(axis: Any, values: npt.NDArray[np.float64], label: Callable[[float], str] = "{:g}".format) -> None:
    """Make the axis of y logarithmic, with at least two labelled ticks; leave it where no value is above 0."""
    values = values[np.isfinite(values) & (values > 0)]
    if not len(values):
        return
    low, high = float(values.min()), float(values.max())
    room = max((high / low) ** 0.06, 1.03)
    low, high = low / room, high * room
    axis.axes.set(yscale="log", ylim=(low, high))
    axis.set_major_locator(FixedLocator(log_ticks(low, high)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(lambda value, _: label(value))


def log_if_flattened(axes: Any, curves: Sequence[npt.NDArray[np.float64]]) -> None:
    """Make y logarithmic, and say so in the title, where the largest curve would flatten the smallest."""
    overall = [math.fsum(curve) / len(curve) for curve in curves]
    if max(overall) > FLATTENED * min((value for value in overall if value > 0), default=math.inf):
        log_axis(axes.yaxis, np.concatenate(curves))
        axes.set_title(f"{axes.get_title()} (logarithmic)")


def log_ticks(low: float, high: float) -> list[float]:
    """Return three to seven round numbers between two bounds above 0."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for digits in DIGITS:
        ticks = [digit * 10.0**decade for decade in decades for digit in digits]
        ticks = [float(f"{tick:.3g}") for tick in ticks if low <= tick <= high]
        if len(ticks) > 2:
            return ticks[:: -(-len(ticks) // 7)]
    return [
        float(f"{tick:.10g}")
        for tick in MaxNLocator(5, steps=[1, 2, 5, 10]).tick_values(low, high)
        if low <= tick <= high
    ]
