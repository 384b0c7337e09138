"""Which rows teach, which choose and which judge: every way to split a series into train, validation and test.

Each function gives splits: one (train, validation, test) or several, for cross-validation and for data sets that
hold several series. A part is a stretch of rows (begin, end), or an array of rows to be put one after the other.
"""

from collections.abc import Sequence

import numpy as np

from recurrent.series import Array

Stretch = tuple[int, int]


def in_time(
    *, rows: int, failures: Sequence[int], samples_per_step: int, by_failures: bool, fractions: tuple[float, float]
) -> list[Stretch]:
    """Split the steps in time into train, validation and test.

    Parameters
    ----------
    rows, failures : of the series; a failure is the first row after it
    by_failures : let the parts meet at failures, counting cycles; otherwise count steps
    fractions : of train and of validation, the rest is test

    Returns
    -------
    three (begin, end) in steps; a step that holds samples of two parts belongs to neither
    """
    bounds: Sequence[int] = [0, *failures, rows] if by_failures else range(0, rows + 1, samples_per_step)
    units = len(bounds) - 1
    train = min(max(1, round(units * fractions[0])), max(1, units - 2))
    validation = min(max(1, round(units * fractions[1])), max(1, units - train - 1))
    if train + validation >= units:
        what = "cycles between failures: set window.split to contiguous" if by_failures else "steps: record more"
        raise ValueError(f"the series has {units} {what}; three parts need at least 3")
    cuts = [0, bounds[train], bounds[train + validation], bounds[-1]]
    return [(-(-cuts[i] // samples_per_step), cuts[i + 1] // samples_per_step) for i in range(3)]


def stretches(group: Array) -> Array:
    """Rows of each group: (G, 2) begin and end.

    Raises
    ------
    ValueError
        Where the rows of a group do not stand together.
    """
    begins, ends = runs(group).T
    if len(np.unique(group[begins])) < len(begins):
        once, times = np.unique(group[begins], return_counts=True)
        raise ValueError(f"group {once[times > 1][0]} stands in several places, expected its rows together")
    return np.stack([begins, ends], axis=1)


def runs(group: Array) -> Array:
    """Stretches of rows with the same value: (M, 2) begin and end."""
    begins = np.flatnonzero(np.diff(group, prepend=group[0] - 1))
    return np.stack([begins, np.r_[begins[1:], len(group)]], axis=1)


def each_group_in_time(group: Array, fractions: tuple[float, float]) -> list[list[Stretch]]:
    """One split per group: every group is a series of its own, cut in time."""
    splits = []
    for begin, end in stretches(group).tolist():
        parts = in_time(
            rows=end - begin, failures=[], samples_per_step=1, by_failures=False, fractions=fractions
        )
        splits.append([(begin + first, begin + last) for first, last in parts])
    return splits


def whole_groups(group: Array, fractions: tuple[float, float], seed: int) -> list[list[Array]]:
    """One split of whole groups in random order: the first ceil(test x G) judge, the last ones teach.

    With the same seed the test part is that of scikit-learn's train_test_split.
    """
    order = np.random.RandomState(seed).permutation(len(np.unique(group)))
    test = int(np.ceil(round((1 - sum(fractions)) * len(order), 9)))
    return [_rows_of(group, order[test:], order[:test], fractions[1] / sum(fractions))]


def folds(group: Array, *, number: int, repeats: int, fractions: tuple[float, float], seed: int) -> list[list[Array]]:
    """Repeated k-fold over whole groups: in each repeat every group judges once.

    `fractions` say how train and validation share the groups that do not judge.
    """
    if (groups := len(np.unique(group))) < number:
        raise ValueError(f"{groups} groups, expected at least as many as window.folds, {number}")
    splits = []
    for repeat in range(repeats):
        order = np.random.default_rng([seed, repeat]).permutation(groups)
        for test in np.array_split(order, number):
            others = order[~np.isin(order, test)]
            splits.append(_rows_of(group, others, test, fractions[1] / sum(fractions)))
    return splits


def _rows_of(group: Array, others: Array, test: Array, validation_share: float) -> list[Array]:
    """Rows of train, validation and test from the numbers of groups that do not judge and that do."""
    validation = max(1, round(len(others) * validation_share))
    if len(others) <= validation or not len(test):
        raise ValueError(f"{len(others) + len(test)} groups are too few for three parts")
    rows = stretches(group)
    parts = others[validation:], others[:validation], test
    return [np.concatenate([np.arange(*rows[number]) for number in part]) for part in parts]
