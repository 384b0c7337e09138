"""What the meta.json of windows says: how steps were made, where the windows of each part lie, what is learnt."""

from dataclasses import dataclass
from typing import Literal

from recurrent.storage.meta import Correlations, Count, Inputs, Meta, Names, Row, RowCounts, Units

PartName = Literal["train", "validation", "test"]
PARTS: tuple[PartName, ...] = ("train", "validation", "test")


@dataclass(frozen=True)
class PartMeta(Meta):
    """A part of a split: the spans [begin, end) of its steps; its windows, of which the last batch may hold fewer."""

    spans: tuple[tuple[Row, Row], ...]
    batch_size: Count
    windows: Count
    batches: Count
    windows_in_last_batch: Count


@dataclass(frozen=True)
class WindowsMeta(Meta):
    """What windows are; keys that params.yaml has, too, mean the same.

    Parameters
    ----------
    splits : one or several, each with PARTS
    split : how they were made
    signal, statistics : columns of the series, and how they were aggregated
    target, target_columns, units, countdown, classes, vocabulary, groups, correlations : as of the series
    failures, recordings : as of the series, less the rows that a Timeline leaves out; several recordings are the groups
        of the steps
    first_targets : the target's first value in each recording and after each failure
    series_rows, counts : rows of the series, and where those of the raw files went
    """

    splits: tuple[dict[PartName, PartMeta], ...]
    split: str
    seq_len: Count
    stride: Count
    horizon: Row
    one_window_per_group: bool
    relative_to_first: bool
    predict_change: bool
    samples_per_step: Count
    signal: Names
    statistics: Names
    target: Names
    target_columns: tuple[Row | None, ...]
    units: Units
    failures: tuple[Row, ...]
    first_targets: tuple[float, ...]
    countdown: bool
    classes: Names | None = None
    vocabulary: Names | None = None
    groups: Names | None = None
    recordings: tuple[Row, ...] | None = None
    correlations: Correlations | None = None
    series_rows: Count | None = None
    counts: RowCounts | None = None

    @property
    def cycle_starts(self) -> list[int]:
        """Rows with which a recording begins, or that follow a failure: those of `first_targets`."""
        return sorted({0, *self.failures, *(self.recordings or ())})

    @property
    def measured_columns(self) -> list[int]:
        """For each target the column that measures it, of those that have one."""
        return [column for column in self.target_columns if column is not None]

    @property
    def measures_target(self) -> bool:
        """Whether each target is measured by a column that the network reads."""
        return None not in self.target_columns

    @property
    def inputs(self) -> Inputs:
        """What must be known to make the same steps and windows of another recording."""
        return Inputs(
            signal=self.signal,
            statistics=self.statistics,
            samples_per_step=self.samples_per_step,
            seq_len=self.seq_len,
            horizon=self.horizon,
            one_window_per_group=self.one_window_per_group,
            relative_to_first=self.relative_to_first,
            predict_change=self.predict_change,
            target=self.target,
            target_columns=self.target_columns,
            units=self.units,
        )

    @property
    def features(self) -> Names:
        """Names of the columns that a network reads."""
        return self.inputs.features
