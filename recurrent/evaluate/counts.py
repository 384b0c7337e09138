"""Where rows, steps and windows went, from the raw files to what is scored: nothing is left out without a word."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from recurrent.evaluate import baselines
from recurrent.window.meta import PARTS
from recurrent.window.windows import Windows


def counts(splits: Sequence[Windows]) -> dict[str, Any]:
    """Return the counts of metrics/<system>.json: windows and cycles of the first split, and how many splits."""
    first = splits[0]
    found = {f"{name}_windows": first.parts[name].windows for name in PARTS}
    found["validation_windows_apart"] = first.parts["validation"].windows_apart
    if first.meta.countdown:
        cycle, _ = baselines.cycles(first, first.last_steps("test"))
        found["test_cycles"] = len(np.unique(cycle))
    return found | ({"splits": len(splits)} if len(splits) > 1 else {})


def data(splits: Sequence[Windows]) -> dict[str, Any]:
    """Return how the rows of the raw files became steps of a part, with a number for each reason to be left out.

    read - dropped + added = rows of the series, or its groups where `unit` is not rows; rows = steps x samples_per_step
    + rows_after_the_last_step; steps = steps of the parts + steps_in_no_part, for the first split.
    """
    first, meta = splits[0], splits[0].meta
    steps, rows = len(first.steps.signal), meta.series_rows or 0
    copies = meta.split in ("groups", "folds")  # its steps are a copy of the rows for each split
    of_split = steps // len(splits) if copies else steps
    parts = {name: sum(int(end - begin) for begin, end in first.parts[name].group_spans) for name in PARTS}
    return (meta.counts.to_json() if meta.counts else {}) | {
        "rows": rows,
        "rows_after_the_last_step": rows - of_split * meta.samples_per_step,
        "steps": of_split,
        **{f"{name}_steps": count for name, count in parts.items()},
        "steps_in_no_part": of_split - sum(parts.values()),
    }
