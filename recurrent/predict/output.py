"""Forecasts as lines of CSV."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from recurrent.network.interval import Interval
from recurrent.storage.atomic import replacing
from recurrent.storage.meta import Inputs
from recurrent.storage.npy import Array


def table(found: Iterable[tuple[int, Array]], inputs: Inputs, interval: Interval | None) -> Iterator[list[str]]:
    """Yield a header, and for each step the number of its last row, from 1, its forecast and the ends of its interval.

    Parameters
    ----------
    found : number of a step, from 0, and forecasts (n, K) of it and the steps that follow
    """
    ends = ("lower", "upper") if interval else ()
    several = len(inputs.target) > 1
    yield ["row", *inputs.target, *(f"{end}_{name}" if several else end for end in ends for name in inputs.target)]
    for first, values_nK in found:
        if interval:
            values_nK = np.concatenate([values_nK, *interval.around(values_nK)], axis=1)
        for step, values in enumerate(values_nK.tolist(), start=first + 1):
            yield [str(step * inputs.samples_per_step), *map(repr, values)]


def text(rows: Iterable[Sequence[str]]) -> bytes:
    """Return rows as lines."""
    return "".join(",".join(row) + "\n" for row in rows).encode()


def write(rows: Iterable[Sequence[str]], output: Path | None) -> None:
    """Write rows as they come to standard output, or to a file, which appears whole or not at all."""
    if output is None:
        for row in rows:
            sys.stdout.buffer.write(text([row]))
            sys.stdout.buffer.flush()
        return
    with replacing(output) as temporary, temporary.open("wb") as file:
        for row in rows:
            file.write(text([row]))
