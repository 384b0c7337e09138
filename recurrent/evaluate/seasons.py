"""Seasons: what was measured a day or a week before the label, as far as it is known when the forecast is made.

Legend of shapes: N windows, B windows of a batch, T steps of a window, S seasons, D features.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from recurrent.storage.npy import Array
from recurrent.window.batch import Batch
from recurrent.window.split import runs
from recurrent.window.windows import Windows


def steps_back(season: int, horizon: int) -> int:
    """Return the least multiple of a season that is at least the horizon: values so old are known."""
    return max(1, -(-horizon // season)) * season


def lagged_steps(windows: Windows, part: str, indices: Array, season: int) -> tuple[Array, Array]:
    """Return the step in the phase of each window's label, `steps_back` before it, (B,), and whether there is one.

    Where it would lie before the beginning of the series, or of the group, the window's last step stands for it.
    """
    first, lengths = windows.parts[part].spans(indices)
    last, horizon = first + lengths - 1, windows.parts[part].horizon
    earlier = last + horizon - steps_back(season, horizon)
    exists = earlier >= beginnings(windows, last)
    return np.where(exists, earlier, last), exists


def beginnings(windows: Windows, steps: Array) -> Array:
    """Return the first step of the series, or group, that each step belongs to, (B,)."""
    begin = min(int(part.group_spans.min()) for part in windows.parts.values())  # a split may be a copy of its own
    if windows.steps.group is None:
        return np.full(len(steps), begin)
    of_groups = runs(np.asarray(windows.steps.group))[:, 0]
    return np.maximum(begin, of_groups[np.searchsorted(of_groups, steps, side="right") - 1])


@dataclass(frozen=True, eq=False)
class SeasonalWindows(Windows):
    """Windows whose batches have the steps of the last seasons before their own: signal (B, S + T, D).

    Of train, only those windows that have all seasons before them.
    """

    seasons: tuple[int, ...]

    @classmethod
    def of(cls, windows: Windows, seasons: tuple[int, ...]) -> "SeasonalWindows":
        """Return the same windows with seasons."""
        return cls(windows.steps, windows.parts, seasons)

    def gather(self, name: str, indices: Array, **how: Any) -> Batch:
        """Copy these windows of a part, the lagged steps of each season before them."""
        batch = super().gather(name, indices, **how)
        lagged_BS = np.stack([lagged_steps(self, name, indices, season)[0] for season in self.seasons], axis=1)
        base_BD = self.steps.signal[self.parts[name].spans(indices)[0]]
        earlier_BSD = seen(self.steps.signal[lagged_BS], base_BD, relative=self.view.relative_to_first)
        return replace(batch, signal=np.concatenate([earlier_BSD, batch.signal], axis=1))

    def batches(self, name: str, **how: Any) -> Iterator[Batch]:
        """Yield the windows of a part in order; see Windows."""
        if name != "train":
            yield from super().batches(name, **how)
            return
        part = self.parts[name]
        every = np.arange(part.windows)
        indices = every[np.all([lagged_steps(self, name, every, season)[1] for season in self.seasons], axis=0)]
        if not len(indices):
            raise ValueError(f"evaluate.season is {list(self.seasons)}: no window of train has so long a past")
        for first in range(0, len(indices), part.batch_size):
            yield self.gather(name, indices[first : first + part.batch_size], **how)


def seen(lagged_BSD: Array, base_BD: Array, *, relative: bool) -> Array:
    """Return lagged steps as the network reads its window, which begins with `base_BD`."""
    return lagged_BSD / base_BD[:, None].astype(np.float64) - 1 if relative else lagged_BSD
