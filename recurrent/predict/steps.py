"""Rows of a recording, as they come -> the steps that a network reads.

Legend of shapes: n rows, S samples of a step, D columns of the recording, F features of a step.
"""

from collections.abc import Iterable, Iterator

import numpy as np

from recurrent.storage.meta import Inputs
from recurrent.storage.npy import Array
from recurrent.window.steps import BLOCK_ROWS, features


class Steps:
    """Steps of rows that arrive in any portions: the same steps as of all rows at once.

    Parameters
    ----------
    rows : rows that have become steps
    rest : (n, D) the rows after them, fewer than a step has
    """

    def __init__(self, inputs: Inputs, *, rows: int = 0, rest: Array | None = None) -> None:
        self._inputs, self.rows = inputs, rows
        self.rest: Array = np.empty((0, len(inputs.signal))) if rest is None else rest

    def of(self, blocks: Iterable[Array]) -> Iterator[Array]:
        """Yield features (m, F) of the steps that each block (n, D) completes; none where it completes none."""
        for block in blocks:
            for first in range(0, len(block), BLOCK_ROWS):
                yield from self._add(block[first : first + BLOCK_ROWS])

    def _add(self, block: Array) -> Iterator[Array]:
        samples, rows = self._inputs.samples_per_step, np.concatenate([self.rest, block]) if len(self.rest) else block
        whole = len(rows) // samples * samples
        self.rest = rows[whole:]
        if whole:
            x_mSD = rows[:whole].reshape(-1, samples, rows.shape[1])
            made = features(x_mSD, self._inputs.statistics, row=self.rows)
            self.rows += whole
            yield made
