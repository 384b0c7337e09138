"""A ladybug's walk in the plane, two sums of four oscillations: an exercise for a GRU (K. Cho et al. (2014)).

x(t) = a1 sin((k1+20)t) + a2 cos((k2+10)t) + a3 sin((k3+5)t) + a4 cos((k4+5)t)
y(t) = b1 cos((m1+20)t) + b2 sin((m2+10)t) + b3 cos((m3+5)t) + b4 sin((m4+5)t)

A sum of four oscillations obeys a linear recurrence of order eight (R. de Prony, 1795): eight past values of a
coordinate give its next one exactly, so the error of a network is its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from recurrent.config.fields import Rows, Section
from recurrent.ingest.download import File
from recurrent.sources._contract import series_meta
from recurrent.storage.series import Recording

# The published run drew its parameters from a standard normal distribution without a seed, and printed them.
A = (-0.7378856214874446, 0.8747727208990762, -0.9432832747171505, 0.5423474130761617)
K = (-1.2339548463748937, 0.7883685349560852, -0.07895421274105917, 1.4175541434227088)
B = (0.8463385084932522, 0.05393249534319999, -0.2818633938302986, 0.4761722858235504)
M = (-0.03564447174378471, -0.8609126744601988, 0.6105009390957307, -2.4256466254435702)
FREQUENCY = (20, 10, 5, 5)  # radians per unit of time, K or M added


@dataclass(frozen=True)
class Options(Section):
    """Keys of the source."""

    rows: Rows
    step: Annotated[float, Field(gt=0, le=1000)]


def files(options: Options) -> tuple[File, ...]:
    """Name the files to download: none."""
    return ()


def read(options: Options, raw: Path) -> Recording:
    """Compute the walk from t = 0 on: signal = target = (x, y), (rows, 2).

    The published file begins with a row (0, 0) that is not on the curve; it is left out.
    """
    t = options.step * np.arange(options.rows)[:, None]
    x = np.array(A) * _alternating(np.sin, np.cos, t * (np.array(K) + FREQUENCY))
    y = np.array(B) * _alternating(np.cos, np.sin, t * (np.array(M) + FREQUENCY))
    place = np.stack([x.sum(axis=1), y.sum(axis=1)], axis=1)
    xy = ["x", "y"]
    meta = series_meta("trajectory", signal=xy, target=xy, units=("1", "1"), time_unit="row")
    return Recording(place, place, None, meta)


def _alternating(first: np.ufunc, second: np.ufunc, angles: np.ndarray) -> np.ndarray:
    """Apply first, second, first, second to the four columns of `angles` (n, 4)."""
    return np.where([True, False, True, False], first(angles), second(angles))
