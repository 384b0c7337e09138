"""Numbers in cells: correlations of columns, confusion of classes; and the texts classified with the worst mistakes."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from recurrent.plot._style import BLACK, ORANGE

Matrix = npt.NDArray[np.float64]


def correlations(names: Sequence[str], values: Matrix) -> Figure:
    """Heat map of the correlation of every column with every other."""
    size = 2.2 + 0.62 * len(names)
    figure = Figure(figsize=(size + 1.2, size), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(values, cmap="PuOr_r", vmin=-1, vmax=1)
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right")
    axes.set_yticks(range(len(names)), names)
    _write(axes, values, "{:.2f}", dark=np.abs(values) > 0.6)
    axes.set_title("Correlation of the columns")
    figure.colorbar(image, label="correlation", shrink=0.8)
    return figure


def confusion(names: Sequence[str], counts: Matrix) -> Figure:
    """How many of each actual class were put into which."""
    figure = Figure(figsize=(5.4, 4.6), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(counts, cmap="Blues", vmin=0)
    axes.set_xticks(range(len(names)), names)
    axes.set_yticks(range(len(names)), names, rotation=90, va="center")
    axes.set(xlabel="network's class", ylabel="actual class", title=f"{np.trace(counts) / counts.sum():.1%} are right")
    _write(axes, counts, "{:,.0f}", dark=counts > counts.max() / 2)
    figure.colorbar(image, label="windows of the test set", shrink=0.8)
    return figure


def most_wrong(texts: Sequence[Mapping[str, Any]], *, shown: int = 6) -> Figure:
    """The texts that the network was surest of, and wrong."""
    figure = Figure(figsize=(11, 1.25 * shown + 0.5), layout="constrained")
    axes = figure.subplots()
    axes.set_axis_off()
    axes.set_title("Most confident mistakes (words outside the vocabulary appear as <unknown>)", loc="left")
    for i, text in enumerate(texts[:shown]):
        top = 1 - i / shown
        said = f"actual: {text['actual']}; the network gave that a probability of {text['given']:.3f}"
        axes.text(0, top, said, color=ORANGE, va="top", weight="bold", fontsize=9)
        words = textwrap.wrap(text["text"], 150, max_lines=4, placeholder=" ...")
        axes.text(0, top - 0.035, "\n".join(words), color=BLACK, va="top", fontsize=8)
    return figure


def _write(axes: Any, values: Matrix, form: str, *, dark: npt.NDArray[np.bool_]) -> None:
    for row, column in np.ndindex(values.shape):
        colour = "white" if dark[row, column] else BLACK
        axes.text(column, row, form.format(values[row, column]), ha="center", va="center", color=colour, fontsize=8)
