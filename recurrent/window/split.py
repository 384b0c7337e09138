"""Split rows into train, validation and test, in each way that there is."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recurrent.storage.meta import SeriesMeta
from recurrent.storage.npy import Array
from recurrent.storage.series import Series
from recurrent.window.meta import PARTS, PartName
from recurrent.window.timeline import Timeline

Span = tuple[int, int]  # begin and end, in steps
Limits = dict[PartName, list[Span]]  # of train, validation and test


@dataclass(frozen=True)
class Splitter:
    """How a series is split.

    Parameters
    ----------
    kind : failures or contiguous (one series, cut in time), each_group (every group is a series, cut in time),
        groups or folds (whole groups, shuffled), given (the parts that the data set itself fixes), cycles (one series,
        each block of whole cycles tests once), rolling_origin (one series, each block after the first train and
        validation tests once, and what lies before it is train and validation), recordings (whole recordings in their
        order; with several folds each block of them tests once)
    fractions : of train and of validation, the rest is test; with folds, cycles and rolling_origin, how those that do
        not test are shared
    folds : how often there is a test
    repeats, seed : of the shuffled kinds
    """

    kind: str
    fractions: tuple[float, float]
    folds: int
    repeats: int
    seed: int

    def of(self, series: Series[SeriesMeta], samples_per_step: int) -> tuple[list[Limits], Array | None]:
        """Split a series.

        Returns
        -------
        splits : one or several, for each part its spans of steps
        order : the rows that these spans count, where rows have to be copied into another order; or None

        Raises
        ------
        ValueError
            Where the series cannot be split so.
        """
        if self.kind in ("failures", "contiguous", "cycles", "rolling_origin", "recordings"):
            return self._of_recordings(Timeline.of(series, samples_per_step), samples_per_step), None
        if self.kind == "given":
            if series.meta.parts is None:
                raise ValueError("window.split is given, but the data set fixes no parts")
            return [_limits([series.meta.parts[name] for name in PARTS])], None
        if series.group is None:
            raise ValueError(f"window.split is {self.kind}, but the rows have no groups")
        rows = group_spans(np.asarray(series.group))
        if self.kind == "each_group":
            spans = [(begin, in_time(end - begin, [], 1, self.fractions)) for begin, end in rows.tolist()]
            return [_limits([(begin + a, begin + b) for a, b in parts]) for begin, parts in spans], None
        splits = [
            [np.concatenate([np.arange(*rows[g]) for g in part]) for part in split] for split in self._groups(rows)
        ]
        ends = np.cumsum([0, *(len(part) for split in splits for part in split)]).tolist()
        limits = [_limits([(ends[3 * i + j], ends[3 * i + j + 1]) for j in range(3)]) for i in range(len(splits))]
        return limits, np.concatenate([part for split in splits for part in split])

    def _of_recordings(self, timeline: Timeline, samples_per_step: int) -> list[Limits]:
        if self.kind == "rolling_origin":
            return self._rolling(timeline.rows // samples_per_step)
        if self.kind == "cycles":
            return self._blocks(timeline.cycles, samples_per_step, "cycles between failures")
        if self.kind == "recordings":
            recordings = [*timeline.recordings, timeline.rows]
            if len(timeline.recordings) < 3:
                found = f"there are {len(timeline.recordings)} recordings, expected at least 3, for three parts"
                raise ValueError(f"window.split is recordings, but {found}: ingest.csv may be a folder of several")
            if self.folds > 1:
                return self._blocks(recordings, samples_per_step, "recordings")
            return [_limits(in_time(timeline.rows, recordings[1:-1], samples_per_step, self.fractions))]
        inner = timeline.cycles[1:-1] if self.kind == "failures" and timeline.failures else []
        return [_limits(in_time(timeline.rows, inner, samples_per_step, self.fractions))]

    @property
    def _train_share(self) -> float:
        return self.fractions[0] / sum(self.fractions)

    def _blocks(self, bounds: Sequence[int], samples_per_step: int, units: str) -> list[Limits]:
        """Test each block of cycles; those after it and then those before it are train, the last of them validation.

        Validation thus lies before the test block, as where a series is cut in time. `bounds` are rows, one more than
        cycles, or what else the `units` are.
        """
        cycles, splits = np.arange(len(bounds) - 1), []
        if not 2 <= self.folds <= len(cycles) or len(cycles) < 3:
            expected = f"at least 2, and no more than the {len(cycles)} {units}, of which 3 are needed"
            raise ValueError(f"window.folds is {self.folds}, expected {expected}")
        for test in np.array_split(cycles, self.folds):
            rest = np.roll(cycles, -int(test[-1]) - 1)[: -len(test)]
            parts = [np.sort(part) for part in _train_validation_test(rest[::-1], test, self._train_share)]
            runs_of = [np.split(part, np.flatnonzero(np.diff(part) > 1) + 1) for part in parts]
            spans = [[(bounds[run[0]], bounds[run[-1] + 1]) for run in part] for part in runs_of]
            in_steps = [[(-(-a // samples_per_step), b // samples_per_step) for a, b in part] for part in spans]
            splits.append(dict(zip(PARTS, in_steps, strict=True)))
        return splits

    def _rolling(self, steps: int) -> list[Limits]:
        """Test equal blocks of the steps, one after the other."""
        _, _, (begin, _) = in_time(steps, [], 1, self.fractions)
        cuts = np.linspace(begin, steps, self.folds + 1).round().astype(np.int64).tolist()
        trains = [max(1, round(cut * self._train_share)) for cut in cuts]
        return [
            _limits([(0, train), (train, cut), (cut, end)])
            for train, cut, end in zip(trains, cuts, cuts[1:], strict=False)
        ]

    def _groups(self, rows: Array) -> list[list[Array]]:
        """Numbers of the groups of train, validation and test, for each split."""
        groups, train_share = len(rows), self._train_share
        if self.kind == "groups":
            # the test part is that of scikit-learn's train_test_split with the same seed
            order = np.random.RandomState(self.seed).permutation(groups)
            n_test = int(np.ceil(round((1 - sum(self.fractions)) * groups, 9)))
            return [_train_validation_test(order[n_test:], order[:n_test], train_share)]
        if groups < self.folds:
            raise ValueError(f"window.folds is {self.folds}, but there are only {groups} groups")
        splits = []
        for repeat in range(self.repeats):
            order = np.random.default_rng([self.seed, repeat]).permutation(groups)
            for test in np.array_split(order, self.folds):
                splits.append(_train_validation_test(order[~np.isin(order, test)], test, train_share))
        return splits


def _limits(parts: Sequence[Span]) -> Limits:
    return {name: [span] for name, span in zip(PARTS, parts, strict=True)}


def _train_validation_test(rest: Array, test: Array, train_share: float) -> list[Array]:
    train = min(len(rest) - 1, round(len(rest) * train_share))
    if train < 1 or not len(test):
        raise ValueError(f"{len(rest) + len(test)} groups are too few for three parts")
    return [rest[len(rest) - train :], rest[: len(rest) - train], test]


def in_time(rows: int, failures: Sequence[int], samples_per_step: int, fractions: tuple[float, float]) -> list[Span]:
    """Split the steps in time into train, validation and test.

    Parameters
    ----------
    rows, failures : of the series; a failure is the first row after it, or with which a recording begins. The parts
        meet there; without any, at plain fractions of the steps
    fractions : of train and of validation, the rest is test

    Returns
    -------
    three (begin, end) in steps; a step that holds samples of two parts belongs to neither
    """
    bounds: Sequence[int] = [0, *failures, rows] if len(failures) else range(0, rows + 1, samples_per_step)
    units = len(bounds) - 1
    train = min(max(1, round(units * fractions[0])), max(1, units - 2))
    validation = min(max(1, round(units * fractions[1])), max(1, units - train - 1))
    if train + validation >= units:
        what = "cycles between failures: set window.split to contiguous" if len(failures) else "steps: record more"
        raise ValueError(f"the series has {units} {what}; three parts need at least 3")
    cuts = [0, bounds[train], bounds[train + validation], bounds[-1]]
    return [(-(-cuts[i] // samples_per_step), cuts[i + 1] // samples_per_step) for i in range(3)]


def group_spans(group: Array) -> Array:
    """Return the rows of each group: (G, 2) begin and end.

    Raises
    ------
    ValueError
        Where the rows of a group are not contiguous.
    """
    rows = runs(group)
    numbers, times = np.unique(group[rows[:, 0]], return_counts=True)
    if times.max() > 1:
        raise ValueError(f"group {numbers[times > 1][0]} appears in several places; rows of a group must be contiguous")
    return rows


def runs(group: Array) -> Array:
    """Return spans of rows with the same value: (M, 2) begin and end."""
    begins = np.flatnonzero(np.diff(group, prepend=group[0] - 1))
    return np.stack([begins, np.r_[begins[1:], len(group)]], axis=1)


def spans_in(group: Array | None, begin: int, end: int) -> Array:
    """Return spans of one group each from `begin` up to `end`: (M, 2)."""
    if group is None or begin >= end:
        return np.array([[begin, end]])
    return begin + runs(np.asarray(group[begin:end]))


def group_starts(group: Array | None, floor: int, steps: Array) -> Array:
    """Return for each of the steps the first one of its group from `floor` on, in the row of steps that ends there."""
    if group is None:
        return np.full(len(steps), floor)
    starts = spans_in(group, floor, int(steps.max()) + 1)[:, 0]
    return starts[np.searchsorted(starts, steps, side="right") - 1]


def merged(spans: Array) -> Array:
    """Return spans in order, those that touch put together: (M, 2)."""
    begin, end = spans[np.argsort(spans[:, 0], kind="stable")].T
    apart = np.r_[True, begin[1:] != end[:-1]]
    return np.stack([begin[apart], end[np.r_[apart[1:], True]]], axis=1)
