"""A part of a split (train, validation or test), divided into windows.

Legend of shapes: M spans, B windows of a batch.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from recurrent.storage.npy import Array
from recurrent.window.meta import PartMeta


@dataclass(frozen=True, eq=False)
class Part:
    """Spans of steps that no window leaves, divided into windows.

    A window reads `seq_len` steps; its labels lie `horizon` steps later. `one_window_per_group`: each span is one
    window, its last `seq_len` steps, or all of them if they are fewer.
    """

    group_spans: Array  # (M, 2) begin and end, in order
    seq_len: int
    stride: int
    batch_size: int
    horizon: int
    one_window_per_group: bool

    @cached_property
    def _ends(self) -> Array:
        """Windows up to and with each span, (M,)."""
        long = self.group_spans[:, 1] - self.group_spans[:, 0] - self.horizon
        windows = long > 0 if self.one_window_per_group else np.maximum(0, (long - self.seq_len) // self.stride + 1)
        return np.cumsum(windows, dtype=np.int64)

    @property
    def begin(self) -> int:
        return int(self.group_spans[0, 0])

    @property
    def end(self) -> int:
        return int(self.group_spans[-1, 1])

    @property
    def windows(self) -> int:
        """Number of windows that lie inside, N."""
        return int(self._ends[-1])

    @property
    def batches(self) -> int:
        """Number of batches; the last may be padded."""
        return -(-self.windows // self.batch_size)

    def spans(self, indices: Array) -> tuple[Array, Array]:
        """Return first step and number of steps of these windows, (B,) each."""
        span = np.searchsorted(self._ends, indices, side="right")
        begin, end = self.group_spans[span].T
        if self.one_window_per_group:
            lengths = np.minimum(end - begin - self.horizon, self.seq_len)
            return end - self.horizon - lengths, lengths
        before = np.where(span > 0, self._ends[span - 1], 0)
        return begin + (indices - before) * self.stride, np.full(len(indices), self.seq_len)

    def describe(self) -> PartMeta:
        """Return what meta.json says of the part."""
        in_last = self.windows - (self.batches - 1) * self.batch_size
        return PartMeta(self.begin, self.end, self.batch_size, self.windows, self.batches, in_last)
