"""Forecasts as lines of CSV."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from recurrent.storage.atomic import replacing
from recurrent.storage.meta import Inputs
from recurrent.storage.npy import Array


def table(found: Iterable[tuple[int, Array]], inputs: Inputs) -> Iterator[list[str]]:
    """Yield a header, and for each step the number of its last row, from 1, and its forecast.

    Parameters
    ----------
    found : number of a step, from 0, and forecasts (n, K) of it and the steps that follow
    """
    yield ["row", *inputs.target]
    for first, values_nK in found:
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
