"""Windows over the steps of a series, gathered into batches.

Legend of shapes: N windows, B windows of a batch, T steps of a window (`seq_len`), D features of a
step (columns x statistics), K targets, A outputs of a window: T, or 1 where only its last step is asked for.

The steps are stored once, as a series; windows overlap, so they are never stored, only gathered.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from recurrent.storage.npy import Array
from recurrent.storage.series import Series
from recurrent.window.batch import Batch
from recurrent.window.meta import PARTS, WindowsMeta
from recurrent.window.part import Part, parts_of
from recurrent.window.split import Limits, merged
from recurrent.window.view import View

# The standard error of a mean of n independent errors is their spread over sqrt(n). Absolute errors spread by 0.8 of
# their mean if they are normal, by all of it if exponential: with 30, the mean is known to 14 to 18 %.
LEAST_APART = 30


@dataclass(frozen=True, eq=False)
class Windows:
    """Windows of one split over steps on disk; nothing is read before it is asked for."""

    steps: Series[WindowsMeta]
    parts: dict[str, Part]

    @classmethod
    def open(cls, folder: Path) -> "Windows":
        """Open the first split of what `write_windows` wrote; ValueError where it is not there or damaged."""
        return cls(Series.open(folder, WindowsMeta), {}).split(0)

    @property
    def meta(self) -> WindowsMeta:
        """What the windows are."""
        return self.steps.meta

    @cached_property
    def view(self) -> View:
        """What a network reads of the windows, and what it learns."""
        return View.of(self.meta.inputs)

    @property
    def splits(self) -> "list[Windows]":
        """All splits: one, or those of a cross-validation or of several series."""
        return [self.split(number) for number in range(len(self.meta.splits))]

    def split(self, number: int) -> "Windows":
        """Return the same steps under another split."""
        return self._with_parts({name: list(part.spans) for name, part in self.meta.splits[number].items()})

    def with_validation(self) -> "Windows":
        """Return the same windows, where train has the rows of validation, too, and the windows across both."""
        spans = {name: self.parts[name].stretches for name in PARTS}
        spans["train"] = merged(np.concatenate([spans["train"], spans["validation"]]))
        return self._with_parts({name: [(begin, end) for begin, end in own.tolist()] for name, own in spans.items()})

    def _with_parts(self, limits: Limits) -> "Windows":
        meta, known = self.meta, self.steps.known
        parts = parts_of(
            limits,
            self.steps.group,
            None if known is None else np.asarray(known, dtype=bool),
            seq_len=meta.seq_len,
            stride=meta.stride,
            batch_size=meta.splits[0]["train"].batch_size,
            horizon=meta.horizon,
            one_window_per_group=meta.one_window_per_group,
        )
        return replace(self, parts={str(name): part for name, part in parts.items()})

    def array(self, name: str) -> Array:
        """Return a part as (-1, B, T, D): a view on the mapped steps, which copies nothing.

        The windows that do not fill a batch are not in it; `batches` gives them, padded.

        Raises
        ------
        ValueError
            Where its windows are not evenly spaced, because of several groups or labels that are not known.
        """
        part = self.parts[name]
        first, lengths = part.spans(np.arange(part.windows))
        if (np.diff(first) != part.stride).any() or (lengths != part.seq_len).any():
            raise ValueError(f"the windows of {name} are not evenly spaced: read them with gather or batches")
        x = self.steps.signal[first[0] :]
        row, item = x.strides
        shape = (part.windows // part.batch_size, part.batch_size, part.seq_len, x.shape[1])
        strides = (row * part.stride * part.batch_size, row * part.stride, row, item)
        return np.lib.stride_tricks.as_strided(x, shape, strides, writeable=False)

    def gather(self, name: str, indices: Array, *, all_steps: bool = True, n_valid: int | None = None) -> Batch:
        """Copy these windows of a part, with labels of all steps or of the last one only."""
        part = self.parts[name]
        first_B, lengths_B = part.spans(indices)
        longest = int(lengths_B.max())
        ragged = None if (lengths_B == longest).all() else lengths_B
        steps_BT = first_B[:, None] + np.arange(longest)
        if ragged is not None:
            steps_BT = np.minimum(steps_BT, (first_B + lengths_B - 1)[:, None])
        labelled_BA = steps_BT if all_steps else steps_BT[:, -1:]
        # take is faster than indexing, and a plain array than a map of one
        signal_BTD = np.asarray(self.steps.signal).take(steps_BT, axis=0)
        labels_BAK = np.asarray(self.steps.target).take(labelled_BA + part.horizon, axis=0)
        known = part.counted(indices, labelled_BA + part.horizon)
        n_valid = len(indices) if n_valid is None else n_valid
        if not self.view.depends_on_window:
            return Batch(signal_BTD, labels_BAK, ragged, n_valid, known=known)
        signal_BTD, scale, shift = self.view.transform(signal_BTD, first_B, all_steps=all_steps)
        # arrays of the labels' shape: a batch that is not transformed has plain numbers
        shift, scale = np.broadcast_to(shift, labels_BAK.shape), np.broadcast_to(scale, labels_BAK.shape)
        return Batch(signal_BTD, (labels_BAK - shift) / scale, ragged, n_valid, shift, scale, known)

    def batches(self, name: str, *, all_steps: bool = True) -> Iterator[Batch]:
        """Yield the windows of a part in order.

        The last batch is filled up with its last window; this padding must not be scored.
        """
        part = self.parts[name]
        for first in range(0, part.windows, part.batch_size):
            n_valid = min(part.batch_size, part.windows - first)
            indices = np.minimum(np.arange(first, first + part.batch_size), part.windows - 1)
            yield self.gather(name, indices, all_steps=all_steps, n_valid=n_valid)

    @property
    def equal_length(self) -> bool:
        """Whether all windows have the same number of steps."""
        parts = [part for part in self.parts.values() if part.one_window_per_group]
        lengths = [part.spans(np.arange(part.windows))[1] for part in parts]
        return not lengths or len(np.unique(np.concatenate(lengths))) == 1

    def last_steps(self, name: str) -> Array:
        """Return the last step of each window of a part, (N,)."""
        first, lengths = self.parts[name].spans(np.arange(self.parts[name].windows))
        return first + lengths - 1

    def labels(self, name: str) -> Array:
        """Return the targets at the end of each window, (N, K), in their own unit."""
        steps = self.last_steps(name) + self.parts[name].horizon
        return np.asarray(self.steps.target[steps], dtype=np.float64)

    def summary(self) -> str:
        """Describe the windows in a few lines."""
        meta, features = self.meta, len(self.meta.features)
        how = {"failures": "at failures", "contiguous": "contiguous: at fractions of the steps"}
        several = f", {len(meta.splits)} times; the first" if len(meta.splits) > 1 else ""
        lines = [
            f"{len(self.steps.signal)} steps of {meta.samples_per_step} samples, {', '.join(meta.features)}; "
            f"split {how.get(meta.split, meta.split)}{several}"
        ]
        for name in PARTS:
            part = self.parts[name]
            lines.append(
                f"  {name:<10} {(part.batches, part.batch_size, part.seq_len, features)}, {part.windows} windows"
            )
        return "\n".join([*lines, *self.doubts()])

    def doubts(self) -> list[str]:
        """Say what a reader of the scores must know: labels that do not count, a validation that tells little."""
        apart, known = self.parts["validation"].windows_apart, self.steps.known
        unknown = 0 if known is None else len(known) - int(np.count_nonzero(known))
        found = [f"{unknown} of {len(self.steps.signal)} labels are not known: neither learnt nor scored"]
        few = f"Validation has only {apart} windows that share no step, fewer than {LEAST_APART}: the epoch that it "
        return found * (unknown > 0) + [few + "selects may owe much to chance"] * (apart < LEAST_APART)
