"""A part of a split (train, validation or test), divided into windows.

Legend of shapes: n steps of the series, M spans, B windows of a batch, A labels of a window.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from recurrent.storage.npy import Array
from recurrent.window.meta import PartMeta, PartName
from recurrent.window.split import Span, group_starts, merged, spans_in


@dataclass(frozen=True, eq=False)
class Part:
    """Spans of steps whose labels belong to the part, divided into windows.

    A window reads `seq_len` steps; its labels lie `horizon` steps later. Each `stride`-th label of a span is the final
    one of a window, from the first that has enough steps before it. With steps before the span, as validation and test
    have them, these labels are the same for every `seq_len`. `one_window_per_group`: each span is one window, its last
    `seq_len` steps, or all of them if they are fewer. A window whose final label is not known does not exist.

    Parameters
    ----------
    group_spans : (M, 2) begin and end, in order, each of one group
    context : (M,) first step that the windows of each span may read
    known : (n,) which steps have a known label; None: all
    """

    group_spans: Array
    context: Array
    known: Array | None
    seq_len: int
    stride: int
    batch_size: int
    horizon: int
    one_window_per_group: bool

    @cached_property
    def _first_labels(self) -> Array:
        """Final label of each span's first window, (M,)."""
        begin, end = self.group_spans.T
        if self.one_window_per_group:
            return np.where(end - begin > self.horizon, end - 1, end)
        short = np.maximum(0, self.context + self.seq_len - 1 + self.horizon - begin)
        # where windows read what lies before, labels keep their places whatever the length
        return begin + np.where(self.context < begin, -(-short // self.stride) * self.stride, short)

    @cached_property
    def _ends(self) -> Array:
        """Windows up to and with each span, those without a known label included, (M,)."""
        windows = (self.group_spans[:, 1] - self._first_labels - 1) // self.stride + 1
        return np.cumsum(np.maximum(0, windows), dtype=np.int64)

    @cached_property
    def _chosen(self) -> Array | None:
        """Numbers of the windows with a known label, (N,); None: all."""
        if self.known is None:
            return None
        return np.flatnonzero(self.known[self._final_labels(np.arange(self._ends[-1]))[1]])

    def _final_labels(self, numbers: Array) -> tuple[Array, Array]:
        """Return the span and the step of the final label of windows, those without a known label counted, (B,)."""
        span = np.searchsorted(self._ends, numbers, side="right")
        before = np.where(span > 0, self._ends[span - 1], 0)
        return span, self._first_labels[span] + (numbers - before) * self.stride

    def _of(self, indices: Array) -> tuple[Array, Array]:
        return self._final_labels(indices if self._chosen is None else self._chosen[indices])

    @property
    def stretches(self) -> Array:
        """Spans of neighbouring steps, whatever their groups: two spans of them never touch."""
        return merged(self.group_spans)

    @property
    def steps(self) -> Array:
        """All steps of the part."""
        return np.concatenate([np.arange(begin, end) for begin, end in self.stretches])

    @property
    def windows(self) -> int:
        """Number of windows, N."""
        return int(self._ends[-1]) if self._chosen is None else len(self._chosen)

    @property
    def batches(self) -> int:
        """Number of batches; the last may be padded."""
        return -(-self.windows // self.batch_size)

    @property
    def longest_window(self) -> int:
        """Largest number of steps that a window could have; 0 where the part has no steps."""
        begin, end = self.group_spans.T
        return max(0, int(np.where(end > begin, end - self.context - self.horizon, 0).max()))

    @property
    def windows_apart(self) -> int:
        """Number of windows that share no step with each other, if only so many are taken."""
        return self.windows if self.one_window_per_group else -(-self.windows // -(-self.seq_len // self.stride))

    def spans(self, indices: Array) -> tuple[Array, Array]:
        """Return first step and number of steps of these windows, (B,) each."""
        span, label = self._of(indices)
        lengths = np.full(len(indices), self.seq_len)
        if self.one_window_per_group:
            lengths = np.minimum(label + 1 - self.group_spans[span, 0] - self.horizon, self.seq_len)
        return label - self.horizon - lengths + 1, lengths

    def counted(self, indices: Array, labelled_BA: Array) -> Array | None:
        """Return which labels of these windows count, (B, A); None: all.

        A label at the step `labelled_BA` counts if it is known and its step is of the part.
        """
        begin = self.group_spans[:, 0]
        if self.known is None and (self.context == begin).all():
            return None
        counted = labelled_BA >= begin[self._of(indices)[0]][:, None]
        if self.known is not None:
            counted &= self.known[labelled_BA]
        return None if counted.all() else counted

    def describe(self) -> PartMeta:
        """Return what meta.json says of the part."""
        in_last = self.windows - (self.batches - 1) * self.batch_size
        spans = tuple((begin, end) for begin, end in self.stretches.tolist())
        return PartMeta(spans, self.batch_size, self.windows, self.batches, in_last)


def parts_of(
    limits: Mapping[PartName, Sequence[Span]], group: Array | None, known: Array | None, **sizes: Any
) -> dict[PartName, Part]:
    """Return the parts with these spans of steps; `sizes` are those of `Part`.

    Windows of validation and test may read what lies before their labels in the same group, of train or another part:
    it is past. Windows of train do not leave it, and a group that is one window begins where its span does.
    """
    floor = min(begin for spans in limits.values() for begin, _ in spans)
    parts = dict[PartName, Part]()
    for name, spans in limits.items():
        own = np.concatenate([spans_in(group, *span) for span in spans])
        inside = name == "train" or sizes["one_window_per_group"]
        parts[name] = Part(own, own[:, 0] if inside else group_starts(group, floor, own[:, 0]), known, **sizes)
    return parts
