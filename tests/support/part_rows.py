"""Rows of a part, and other values in them: what a test of leakage changes."""

from dataclasses import replace

import numpy as np

from recurrent.storage.series import Recording


def rows_of(one, part, recording) -> list[int]:
    """The rows of the recording that a part holds."""
    own, samples = one.parts[part].steps, one.meta.samples_per_step
    if one.steps.group is not None and one.meta.split in ("groups", "folds"):
        chosen = set(np.asarray(one.steps.group[own]).tolist())
        return [row for row, group in enumerate(recording.group.tolist()) if group in chosen]
    first = first_rows(one, recording, own)
    return (first[:, None] + np.arange(samples)).ravel().tolist()


def first_rows(one, recording, steps) -> np.ndarray:
    """The row of the recording that each step begins with, (n,); before a further recording, some fill no step."""
    rows = steps * one.meta.samples_per_step
    if one.meta.recordings is None:
        return rows
    apart = np.subtract(recording.meta.recordings, one.meta.recordings)
    return rows + apart[np.asarray(one.steps.group)[steps]]


def other_values(recording, rows) -> Recording:
    """The same with other numbers in these rows: other words and classes, where the numbers stand for such."""
    signal, target = recording.signal.copy(), recording.target.copy()
    words, classes = len(recording.meta.vocabulary or ()), len(recording.meta.classes or ())
    signal[rows] = (signal[rows] + 1) % words if words else 7 * signal[rows] + 50
    target[rows] = (target[rows] + 1) % classes if classes else 7 * target[rows] + 50
    return replace(recording, signal=signal, target=target)
