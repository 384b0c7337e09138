"""The sine wave of J. Aungiers' repository "LSTM Neural Network for Time Series Prediction" (2018), sinewave.csv.

Computed, not downloaded: the file holds sin(1 + 2 pi i / 100) for i = 0 to 5000, rounded to nine digits.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recurrent.config.fields import Rows, Section
from recurrent.ingest.download import File
from recurrent.sources._contract import series_meta
from recurrent.storage.series import Recording

PERIOD = 100  # rows


@dataclass(frozen=True)
class Options(Section):
    """Keys of the source."""

    rows: Rows


def files(options: Options) -> tuple[File, ...]:
    """Name the files to download: none."""
    return ()


def read(options: Options, raw: Path) -> Recording:
    """Compute the wave: signal = target = value (rows, 1)."""
    value = np.sin(1 + 2 * np.pi * np.arange(options.rows) / PERIOD)[:, None]
    meta = series_meta("sine", signal=["value"], target=["value"], units=("1", "1"), time_unit="row")
    return Recording(value, value, None, meta)
