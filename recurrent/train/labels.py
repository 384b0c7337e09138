"""What is learnt in place of the labels: what a ridge leaves of them, or a countdown as share of its cycle.

Legend of shapes: B windows of a batch, A outputs of a window, K targets.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from recurrent.network.ridge import Ridge
from recurrent.window.batch import Batch
from recurrent.window.windows import Windows


@dataclass(frozen=True, eq=False)
class Residuals(Windows):
    """Windows whose labels are what a ridge leaves; their `inverse_transform` adds it again."""

    ridge: Ridge

    @classmethod
    def of(cls, windows: Windows, ridge: Ridge) -> "Residuals":
        """Return these windows less what the ridge forecasts."""
        return cls(**{field.name: getattr(windows, field.name) for field in fields(Windows)}, ridge=ridge)

    def gather(self, *where: Any, **options: Any) -> Batch:
        """Gather as Windows does, with the label of the last step only."""
        batch = super().gather(*where, **options)
        linear_B1K = self.ridge(batch.signal, None)
        scale = np.broadcast_to(batch.scale, linear_B1K.shape)
        shift = linear_B1K * scale + batch.shift
        return replace(batch, labels=batch.labels - linear_B1K, scale=scale, shift=shift)


def shares_of_cycles(windows: Windows) -> Windows:
    """Return windows whose countdown in train is the share of its cycle that is left, times train's median cycle.

    A cycle is as long as the countdown at its beginning. The labels before a recording's first failure stay, as nobody
    knows when that cycle began.

    Raises
    ------
    ValueError
        Where the target is no countdown with failures.
    """
    meta, train = windows.meta, windows.parts["train"]
    starts = np.array(meta.cycle_starts)
    cycle = np.searchsorted(starts, (train.steps + 1) * meta.samples_per_step - 1, side="right") - 1
    failed = np.isin(starts, meta.failures)[cycle]
    if not failed.any() or not meta.countdown or windows.view.depends_on_window:
        raise ValueError("train.labels is share_of_cycle, expected actual: train is no countdown with failures")
    lengths, of_train = np.array(meta.first_targets), np.unique(cycle[failed])
    stretch = np.where(failed, np.median(lengths[of_train]) / lengths[cycle], 1.0)
    target = np.array(windows.steps.target)
    target[train.steps] *= stretch[:, None]
    return replace(windows, steps=replace(windows.steps, target=target))


def _actual(windows: Windows) -> Windows:
    return windows


LABELS: dict[str, Callable[[Windows], Windows]] = {"actual": _actual, "share_of_cycle": shares_of_cycles}
