"""Windows as a network reads and learns them.

Legend of shapes: B windows of a batch, T steps of a window, D features of a step, K targets, A answers of a window.
"""

from dataclasses import dataclass, replace

import numpy as np

from recurrent.storage.series import Array


@dataclass(frozen=True, eq=False)
class Batch:
    """Windows as a network reads and learns them; `actual` and `restore` speak the target's own unit."""

    signal: Array  # (B, T, D); beyond a window's length whatever stands there, which no answer may use
    labels: Array  # (B, A, K), the last of them at the window's end
    lengths: Array | None  # (B,) steps of each window; None: all have T
    real: int  # windows that are not padding of the last batch
    offset: Array | float = 0.0  # (B, A, K): actual = labels * unit + offset
    unit: Array | float = 1.0

    def restore(self, answers: Array) -> Array:
        """Answers (B, A, K) in the target's own unit."""
        return answers * self.unit + self.offset if isinstance(self.unit, np.ndarray) else answers

    @property
    def actual(self) -> Array:
        """Labels in the target's own unit, (B, A, K)."""
        return self.restore(self.labels)

    def at_end(self, values: Array) -> Array:
        """Values (B, A, K) at the last step of each window: (B, 1, K)."""
        if self.lengths is None or values.shape[1] == 1:
            return values[:, -1:]
        return np.take_along_axis(values, self.lengths[:, None, None] - 1, axis=1)

    def end(self) -> "Batch":
        """The same windows with the label of their end only."""
        labels = self.at_end(self.labels)
        if not isinstance(self.unit, np.ndarray) or not isinstance(self.offset, np.ndarray):
            return replace(self, labels=labels)
        return replace(self, labels=labels, offset=self.at_end(self.offset), unit=self.at_end(self.unit))

    def first(self, windows: int) -> "Batch":
        """The first windows of the batch."""
        if windows == len(self.labels):
            return self
        kept = {key: value[:windows] for key, value in vars(self).items() if isinstance(value, np.ndarray)}
        return replace(self, **kept, real=windows)
