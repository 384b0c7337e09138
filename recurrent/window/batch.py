"""Windows as a network reads and learns them.

Legend of shapes: B windows of a batch, T steps of a window, D features of a step, K targets, A outputs of a window.
"""

from dataclasses import dataclass, replace

import numpy as np

from recurrent.storage.npy import Array


@dataclass(frozen=True, eq=False)
class Batch:
    """Windows as a network reads and learns them; `actual` and `inverse_transform` give the target's own unit."""

    signal: Array  # (B, T, D); beyond a window's length any values, which no output may depend on
    labels: Array  # (B, A, K), the last of them at the window's end
    lengths: Array | None  # (B,) steps of each window; None: all have T
    n_valid: int  # windows that are not padding of the last batch
    shift: Array | float = 0.0  # (B, A, K): actual = labels * scale + shift
    scale: Array | float = 1.0
    known: Array | None = None  # (B, A) labels that are neither learnt nor scored are False; None: there are none

    def inverse_transform(self, outputs: Array) -> Array:
        """Return outputs (B, A, K) in the target's own unit."""
        return outputs * self.scale + self.shift if isinstance(self.scale, np.ndarray) else outputs

    @property
    def actual(self) -> Array:
        """Labels in the target's own unit, (B, A, K)."""
        return self.inverse_transform(self.labels)

    @property
    def mask(self) -> Array | None:
        """Labels that count, (B, A): those that are known and not beyond the window's end; None: all."""
        if self.lengths is None or self.labels.shape[1] == 1:
            return self.known
        inside: Array = np.arange(self.labels.shape[1]) < self.lengths[:, None]
        return inside if self.known is None else inside & self.known

    @property
    def weight(self) -> float:
        """How many windows the labels that count amount to: half a window if half of its labels do."""
        if self.known is None or self.mask is None:
            return len(self.labels)
        possible = self.labels.shape[1] if self.lengths is None else self.lengths.mean()
        return float(self.mask.sum() / possible)

    def at_final_step(self, values: Array) -> Array:
        """Return values (B, A, K) at the last step of each window: (B, 1, K)."""
        if self.lengths is None or values.shape[1] == 1:
            return values[:, -1:]
        return np.take_along_axis(values, self.lengths[:, None, None] - 1, axis=1)

    def final_step(self) -> "Batch":
        """Return the same windows with the label of their last step only."""
        labels = self.at_final_step(self.labels)
        if not isinstance(self.scale, np.ndarray) or not isinstance(self.shift, np.ndarray):
            return replace(self, labels=labels, known=None)  # each window ends in a known label
        shift, scale = self.at_final_step(self.shift), self.at_final_step(self.scale)
        return replace(self, labels=labels, known=None, shift=shift, scale=scale)

    def forecast(self, outputs: Array) -> Array:
        """Return what outputs (B, A, K) forecast for the last step of each window, in the target's own unit: (B, K)."""
        return self.final_step().inverse_transform(self.at_final_step(outputs))[:, 0]

    def __getitem__(self, rows: slice) -> "Batch":
        """Return neighbouring windows of the batch."""
        first, end, _ = rows.indices(len(self.labels))
        if end - first == len(self.labels):
            return self
        kept = {key: value[rows] for key, value in vars(self).items() if isinstance(value, np.ndarray)}
        return replace(self, **kept, n_valid=max(0, min(end, self.n_valid) - first))

    def valid(self) -> "Batch":
        """Return the windows that are not padding."""
        return self[: self.n_valid]
