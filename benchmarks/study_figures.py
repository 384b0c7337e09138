"""The pictures of docs/study.md; each cell has its own colour, line style and marker."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from recurrent.plot._style import BLACK, BLUE, GREEN, GREY, ORANGE
from recurrent.plot.training import EXERCISE_BOUND

if TYPE_CHECKING:
    from benchmarks.study import Measured, Result

STYLES = {
    "manual": {"color": ORANGE, "linestyle": "-", "marker": "o"},
    "gru": {"color": BLUE, "linestyle": "--", "marker": "s"},
    "lstm": {"color": GREEN, "linestyle": "-.", "marker": "^"},
}


def draw(results: Sequence["Result"], measured: Sequence["Measured"], clip: float) -> dict[str, Figure]:
    """Draw all pictures: name -> figure."""
    return {
        "error": error(results),
        "cost": cost(measured),
        "gradient": gradient(measured),
        "clip": norm(results, clip),
    }


def error(results: Sequence["Result"]) -> Figure:
    """Draw mean delta against seq_len for each cell, on validation and test: mean and range over the seeds."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    for axes, part in zip(figure.subplots(1, 2, sharey=True), ("validation", "test"), strict=True):
        for cell, style in _present(results):
            lens = sorted({r.seq_len for r in results if r.cell == cell})
            runs = [[getattr(r, part) for r in results if (r.cell, r.seq_len) == (cell, n)] for n in lens]
            means = [float(np.mean(values)) for values in runs]
            reach = [[m - min(v) for m, v in zip(means, runs, strict=True)],
                     [max(v) - m for m, v in zip(means, runs, strict=True)]]  # fmt: skip
            axes.errorbar(lens, means, yerr=reach, capsize=3, label=cell, **style)
        axes.axhline(EXERCISE_BOUND, color=GREY, linestyle=":", label=f"the exercise: {EXERCISE_BOUND:.0%}")
        axes.set_title(f"{part} set")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        _lengths(axes, sorted({r.seq_len for r in results}))
    figure.axes[0].set(ylabel="mean delta at the last step (share of the label)", ylim=(0, None))  # of both: shared
    figure.axes[0].legend(frameon=False)
    return figure


def cost(measured: Sequence["Measured"]) -> Figure:
    """Draw time and memory of an epoch against seq_len for each cell."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    for axes, name, unit in zip(figure.subplots(1, 2), ("seconds", "megabytes"), ("s", "MB"), strict=True):
        for cell, style in _present(measured):
            points = sorted((m.seq_len, getattr(m, name)) for m in measured if m.cell == cell)
            axes.plot(*zip(*points, strict=True), label=cell, **style)
        top = 1.08 * max(getattr(m, name) for m in measured)
        axes.set(ylim=(0, top), ylabel={"s": "time of an epoch (s)", "MB": "peak resident memory (MB)"}[unit])
        _lengths(axes, sorted({m.seq_len for m in measured}))
    figure.axes[0].legend(frameon=False)
    return figure


def gradient(measured: Sequence["Measured"]) -> Figure:
    """Draw the gradient by the state over the lag: a panel per cell, a shade per seq_len; dashed: untrained."""
    cells = [cell for cell, _ in _present(measured)]
    figure = Figure(figsize=(11, 3.6), layout="constrained")
    panels = np.atleast_1d(figure.subplots(1, len(cells), sharey=True))
    for axes, cell in zip(panels, cells, strict=True):
        own = [m for m in measured if m.cell == cell]
        for m, shade in zip(own, np.linspace(0.35, 1.0, len(own)), strict=True):
            axes.semilogy(m.flow, color=STYLES[cell]["color"], alpha=shade, label=f"{m.seq_len} steps")
        axes.semilogy(own[-1].flow_untrained, color=GREY, linestyle="--", linewidth=1, label="untrained")
        axes.axhline(0.01, color=BLACK, linestyle=":", linewidth=0.8)
        axes.set(title=cell, xlabel="lag (steps before the last)", xlim=(0, None), ylim=(1e-6, None), xscale="symlog")
        axes.legend(frameon=False, fontsize="small")
        axes.grid(alpha=0.25)
    panels[0].set_ylabel("|d loss(last) / d state|, share of lag 0")
    return figure


def norm(results: Sequence["Result"], clip: float) -> Figure:
    """Draw the mean gradient norm before clipping over the epochs: a panel per cell, curves labelled with seq_len."""
    cells = [cell for cell, _ in _present(results)]
    figure = Figure(figsize=(11, 3.6), layout="constrained")
    panels = np.atleast_1d(figure.subplots(1, len(cells), sharey=True))
    for axes, cell in zip(panels, cells, strict=True):
        first = {r.seq_len: r for r in reversed(results) if r.cell == cell}
        for seq_len, shade in zip(sorted(first), np.linspace(0.35, 1.0, len(first)), strict=True):
            epochs, norms = (first[seq_len].history[name] for name in ("epoch", "gradient_norm"))
            axes.semilogy(epochs, norms, color=STYLES[cell]["color"], alpha=shade)
            axes.annotate(seq_len, (epochs[-1], norms[-1]), (4, 0), textcoords="offset points", va="center")
        axes.axhline(clip, color=BLACK, linestyle=":")
        axes.annotate(f"clipped at {clip:g}", (0, clip), (4, 4), textcoords="offset points")
        axes.set(title=cell, xlim=(0, 1.15 * axes.dataLim.x1))
        axes.grid(alpha=0.25)
    panels[0].set_ylabel("norm of the gradient by the weights")
    figure.supxlabel("epoch; at the end of each curve its seq_len", fontsize="medium")
    return figure


def _present(rows):  # noqa: ANN001, ANN202
    return [(cell, style) for cell, style in STYLES.items() if any(row.cell == cell for row in rows)]


def _lengths(axes, lens):  # noqa: ANN001, ANN202
    axes.set(xscale="log", xlabel="seq_len (steps)")
    axes.set_xticks(lens, [str(n) for n in lens])
    axes.minorticks_off()
    axes.grid(alpha=0.25)
