"""Rows of a recording, as they come -> the steps that a network reads.

Legend of shapes: n rows, S samples of a step, D columns of the recording, F features of a step.
"""

from collections.abc import Iterable, Iterator

import numpy as np

from recurrent.storage.meta import Inputs
from recurrent.storage.npy import Array
from recurrent.window.steps import features

BLOCK_ROWS = 1 << 16  # samples that become steps at a time: they stay in the second-level cache


class Steps:
    """Steps of rows that arrive in any portions: the same steps as of all rows at once.

    Parameters
    ----------
    rows : rows that have become steps
    rest : (n, D) the rows after them, fewer than a step has
    """

    def __init__(self, inputs: Inputs, *, rows: int = 0, rest: Array | None = None) -> None:
        self._inputs, self.rows = inputs, rows
        self._waiting = [] if rest is None else [rest]  # joined only when a step is complete

    @property
    def rest(self) -> Array:
        """The rows after the last step."""
        return np.concatenate(self._waiting) if self._waiting else np.empty((0, len(self._inputs.signal)))

    def of(self, blocks: Iterable[Array]) -> Iterator[Array]:
        """Yield features (m, F) of the steps that each block (n, D) completes; none where it completes none."""
        for block in blocks:
            for first in range(0, len(block), BLOCK_ROWS):
                yield from self._add(block[first : first + BLOCK_ROWS])

    def _add(self, block: Array) -> Iterator[Array]:
        self._waiting.append(block)
        samples = self._inputs.samples_per_step
        if whole := sum(map(len, self._waiting)) // samples * samples:
            rows = np.concatenate(self._waiting) if len(self._waiting) > 1 else block
            made = features(rows[:whole].reshape(-1, samples, rows.shape[1]), self._inputs.statistics, row=self.rows)
            self._waiting = [rows[whole:]] if whole < len(rows) else []
            self.rows += whole
            yield made
