"""Windows of several batches, gathered and scaled in one go: a call for each batch takes longer than its work.

Legend of shapes: N windows of a block, T steps, D features, A outputs of a window, K targets.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor

from recurrent.network.forecaster import Forecaster
from recurrent.storage.npy import Array
from recurrent.window.batch import Batch
from recurrent.window.windows import Windows

NUMBERS = 2**16  # of the signal of a block: what fits in a core's cache


@dataclass(frozen=True, eq=False)
class Block:
    """Windows as a network reads and learns them, and the batches among them: their rows, and the windows there."""

    windows: Batch
    x_NTD: Tensor  # scaled
    lengths_N: Tensor | None
    labels_NAK: Array  # scaled
    batches: Sequence[tuple[slice, Batch]]

    def inputs(self, rows: slice) -> tuple[Tensor, Tensor | None]:
        """Return what a forecaster reads of some of the windows."""
        return self.x_NTD[rows], None if self.lengths_N is None else self.lengths_N[rows]


def blocks(windows: Windows, forecaster: Forecaster, part: str, indices: Array) -> Iterator[Block]:
    """Yield windows of a part, batch by batch; the last may be smaller. Where lengths differ, a block is a batch."""
    size, meta = windows.parts[part].batch_size, windows.meta
    lengths = windows.parts[part].spans(indices)[1]
    alike = (lengths == lengths[:1]).all()
    batches = max(1, NUMBERS // (size * meta.seq_len * len(meta.features))) if alike else 1
    for first in range(0, len(indices), batches * size):
        chosen = indices[first : first + batches * size]
        found = windows.gather(part, chosen, all_steps=forecaster.config.readout == "all_steps")
        limits = (slice(begin, begin + size) for begin in range(0, len(chosen), size))
        yield Block(
            found,
            *forecaster.inputs(found.signal, found.lengths),
            forecaster.target_scaler.transform(found.labels),
            [(rows, found[rows]) for rows in limits],
        )
