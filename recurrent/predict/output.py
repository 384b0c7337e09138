"""Forecasts as lines of CSV."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

import numpy as np

from recurrent.network.interval import Interval
from recurrent.storage.atomic import replacing
from recurrent.storage.meta import Inputs
from recurrent.storage.npy import Array


def line(fields: Sequence[str]) -> bytes:
    """Return a line."""
    return (",".join(fields) + "\n").encode()


def header(inputs: Inputs, interval: Interval | None) -> bytes:
    """Return the line above those of `lines`."""
    ends = ("lower", "upper") if interval else ()
    several = len(inputs.target) > 1
    return line(
        ["row", *inputs.target, *(f"{end}_{name}" if several else end for end in ends for name in inputs.target)]
    )


def lines(found: Iterable[tuple[int, Array]], inputs: Inputs, interval: Interval | None) -> Iterator[bytes]:
    """Yield for each step the number of its last row, from 1, its forecast and the ends of its interval.

    Parameters
    ----------
    found : number of a step, from 0, and forecasts (n, K) of it and the steps that follow; their lines come together
    """
    samples = inputs.samples_per_step
    for first, values_nK in found:
        if interval:
            values_nK = np.concatenate([values_nK, *interval.around(values_nK)], axis=1)
        last = range((first + 1) * samples, (first + 1 + len(values_nK)) * samples, samples)
        numbers = chain.from_iterable(zip(last, *values_nK.T.tolist(), strict=True))
        # one template for all, as most of the time of short steps is spent here
        yield (("%d" + ",%r" * values_nK.shape[1] + "\n") * len(values_nK) % tuple(numbers)).encode()


def write(blocks: Iterable[bytes], output: Path | None) -> None:
    """Write blocks of lines as they come to standard output, or to a file, which appears whole or not at all."""
    if output is None:
        for block in blocks:
            sys.stdout.buffer.write(block)
            sys.stdout.buffer.flush()
        return
    with replacing(output) as temporary, temporary.open("wb") as file:
        file.writelines(blocks)
