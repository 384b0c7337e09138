"""Which steps the forecasts rest on."""

import math

import numpy as np
from matplotlib.figure import Figure

from recurrent.plot._style import BLACK, GREY, ORANGE, Table

SHOWN = 0.995  # of the values, within the colours; a few beyond would make all others pale


def attribution(table: Table, *, target: str, unit: str, time_unit: str) -> Figure:
    """Draw what each step of a window adds to its forecast, window by window, and its mean size over all of them."""
    figure = Figure(figsize=(12, 4.2), layout="constrained")
    by_window, on_average = figure.subplots(1, 2, width_ratios=(2.7, 1), sharey=True)
    steps = {float(name): values for name, values in table.items() if name != "time"}
    before, added, time = np.array([*steps]), np.array([*steps.values()]), table["time"]
    most, room = float(np.quantile(np.abs(added), SHOWN)) or 1.0, abs(before[1] - before[0]) / 2
    extent = (float(time[0]), float(time[-1]), before[-1] - room, before[0] + room)
    image = by_window.imshow(
        added, cmap="PuOr_r", vmin=-most, vmax=most, extent=extent, aspect="auto", interpolation="nearest"
    )
    figure.colorbar(image, ax=by_window, label=f"adds to {target} ({unit})", location="left", extend="both")
    words = "row" if time_unit == "row" else f"time since the recording began ({time_unit})"
    unit_before = "rows" if time_unit == "row" else time_unit
    by_window.set(xlabel=words, ylabel=f"before the window's end ({unit_before})")
    by_window.set_title(f"What each step adds to the forecast, first {len(time):,} windows of the test set")
    size = np.array([math.fsum(np.abs(values)) for values in added])
    share = size / (math.fsum(size) or 1.0)
    on_average.fill_betweenx(before, 0, share, color=ORANGE, alpha=0.3, linewidth=0)
    on_average.plot(share, before, color=ORANGE)
    last = np.cumsum(share[::-1])[::-1]  # share of a step and those after it
    half = float(before[last >= min(0.5, last[0])][-1])
    on_average.axhline(half, color=BLACK, linewidth=0.8, linestyle="--")
    on_average.set(xlabel="share of a step, by mean size", xlim=(0, None), ylim=extent[2:])
    on_average.set_title(f"Half lies in the last {half + 2 * room:.3g} {unit_before}")
    on_average.grid(alpha=0.25, color=GREY)
    return figure
