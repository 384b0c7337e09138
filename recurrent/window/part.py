"""A part of a split (train, validation or test) cut into windows.

Legend of shapes: M stretches, B windows of a batch.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from recurrent.storage.series import Array


@dataclass(frozen=True, eq=False)
class Part:
    """Stretches of steps that no window leaves, cut into windows.

    A window reads `seq_len` steps; its labels lie `horizon` steps later. `whole`: each stretch is one window,
    its last `seq_len` steps, or all of them if they are fewer.
    """

    stretches: Array  # (M, 2) begin and end, in order
    seq_len: int
    stride: int
    batch_size: int
    horizon: int
    whole: bool

    @cached_property
    def _ends(self) -> Array:
        """Windows up to and with each stretch, (M,)."""
        long = self.stretches[:, 1] - self.stretches[:, 0] - self.horizon
        windows = long > 0 if self.whole else np.maximum(0, (long - self.seq_len) // self.stride + 1)
        return np.cumsum(windows, dtype=np.int64)

    @property
    def begin(self) -> int:
        return int(self.stretches[0, 0])

    @property
    def end(self) -> int:
        return int(self.stretches[-1, 1])

    @property
    def windows(self) -> int:
        """N: windows that lie wholly inside."""
        return int(self._ends[-1])

    @property
    def batches(self) -> int:
        """Batches that hold every window; the last may be padded."""
        return -(-self.windows // self.batch_size)

    def where(self, numbers: Array) -> tuple[Array, Array]:
        """First step and number of steps of the windows of these numbers, (B,) each."""
        stretch = np.searchsorted(self._ends, numbers, side="right")
        begin, end = self.stretches[stretch].T
        if self.whole:
            lengths = np.minimum(end - begin - self.horizon, self.seq_len)
            return end - self.horizon - lengths, lengths
        before = np.where(stretch > 0, self._ends[stretch - 1], 0)
        return begin + (numbers - before) * self.stride, np.full(len(numbers), self.seq_len)

    def describe(self) -> dict[str, int]:
        """Say for meta.json what the part holds, and how many windows of its last batch are real."""
        real = self.windows - (self.batches - 1) * self.batch_size
        found = {"windows": self.windows, "batches": self.batches, "windows_in_last_batch": real}
        return {"begin": self.begin, "end": self.end, "batch_size": self.batch_size} | found
