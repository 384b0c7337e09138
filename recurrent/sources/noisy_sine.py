"""A slow sine under noise, sin(0.02 t) + 2 u with u uniform on [0, 1): an exercise for simple recurrent networks.

(J. L. Elman (1990), Finding structure in time, has such networks.) The noise is new in every row, so no forecast has a
mean squared error below its variance, 4 / 12 = 0.333. The published exercise drew one series; several tell how much of
a score is luck.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recurrent.config.fields import Few, Rows, Section, Seed
from recurrent.ingest.download import File
from recurrent.sources._contract import series_meta
from recurrent.storage.series import Recording

FREQUENCY = 0.02  # radians per row
NOISE = 2.0  # width of the uniform noise


@dataclass(frozen=True)
class Options(Section):
    """Keys of the source."""

    rows: Rows
    series: Few
    seed: Seed


def files(options: Options) -> tuple[File, ...]:
    """Name the files to download: none."""
    return ()


def read(options: Options, raw: Path) -> Recording:
    """Draw `series` series of `rows` rows, a group each: signal = target = value (rows x series, 1)."""
    wave = np.sin(FREQUENCY * np.arange(options.rows))
    # a stream for each, so that more series leave the first ones as they are
    streams = [np.random.default_rng((options.seed, i)) for i in range(options.series)]
    value = np.concatenate([wave + NOISE * stream.random(options.rows) for stream in streams])[:, None]
    meta = series_meta(
        "noisy_sine",
        signal=["value"],
        target=["value"],
        units=("1", "1"),
        time_unit="row",
        groups=[f"series {i}" for i in range(options.series)],
    )
    return Recording(value, value, np.repeat(np.arange(options.series), options.rows), meta)
