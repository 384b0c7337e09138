"""What a folder's meta.json says, as frozen dataclasses: every key, its type and its bounds."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

Row = Annotated[int, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]
Names = tuple[str, ...]


class Meta:
    """Base of all kinds: no unknown key, no silent conversion; a key that is None is absent from the file."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True)

    @classmethod
    def from_json(cls, values: Mapping[str, Any], path: Path) -> Self:
        """Check the values that the file `path` holds.

        Raises
        ------
        ValueError
            ``path: key: what is wrong``, of the first problem.
        """
        try:
            return TypeAdapter(cls).validate_json(json.dumps(values))  # as JSON, where a list may become a tuple
        except ValidationError as error:
            problem = error.errors()[0]
            key = ".".join(map(str, problem["loc"]))
            raise ValueError(f"{path}: {key}: {problem['msg']}, found {str(problem['input'])[:60]!r}") from None

    def to_json(self) -> dict[str, Any]:
        """Return the values for JSON, without keys that are None."""
        return asdict(self, dict_factory=_known)  # type: ignore[call-overload]


def _known(items: list[tuple[str, Any]]) -> dict[str, Any]:
    return {key: value for key, value in items if value is not None}


@dataclass(frozen=True)
class Units(Meta):
    """Units of signal and target."""

    signal: str
    target: str


@dataclass(frozen=True)
class SourceMeta(Meta):
    """Where a series comes from: `md5` of the raw file, all its columns."""

    name: str
    md5: str
    columns: Names | None = None


@dataclass(frozen=True)
class RowCounts(Meta):
    """Where the rows of the raw files went: what was read, less `dropped`, plus `added`, is what the series has.

    Parameters
    ----------
    unit : what is counted: rows of the series, or its groups, such as reviews
    read : how many there were
    dropped, added : why, and how many
    noted : what else is unusual, and how many; nothing was left out for it
    """

    unit: str
    read: Row
    dropped: dict[str, Row]
    added: dict[str, Row]
    noted: dict[str, float]

    @property
    def kept(self) -> int:
        """Number that the series has."""
        return self.read - sum(self.dropped.values()) + sum(self.added.values())

    def lines(self) -> list[str]:
        """Return a line for each reason."""
        told: dict[str, Mapping[str, float]] = {"dropped": self.dropped, "added": self.added, "noted": self.noted}
        return [f"{kind}: {why.replace('_', ' ')} {n:g}" for kind, found in told.items() for why, n in found.items()]


@dataclass(frozen=True)
class Correlations(Meta):
    """Pairwise correlations of columns."""

    names: Names
    values: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class SeriesMeta(Meta):
    """What the rows of a series are.

    Parameters
    ----------
    signal, target : names of the columns
    target_columns : for each target the column of the signal that measures the same quantity, or None
    failures : rows that follow a failure
    countdown : whether the target is a time to failure
    time_unit : of the distance between rows
    classes : names of the classes, where the target is the number of one
    vocabulary : words, where the signal is the number of one
    groups : names of the groups, or of several recordings
    recordings : rows with which each of several recordings begins
    parts : [begin, end] in rows of train, validation and test, where the data set fixes them
    correlations : of the columns
    counts : where the rows of the raw files went; None of what is generated
    """

    signal: Names
    target: Names
    target_columns: tuple[Row | None, ...]
    units: Units
    failures: tuple[Row, ...]
    countdown: bool
    source: SourceMeta
    time_unit: str | None = None
    classes: Names | None = None
    vocabulary: Names | None = None
    groups: Names | None = None
    recordings: tuple[Row, ...] | None = None
    parts: dict[str, tuple[Row, Row]] | None = None
    correlations: Correlations | None = None
    counts: RowCounts | None = None


@dataclass(frozen=True)
class Inputs(Meta):
    """How a recording becomes what a network reads, and what its outputs mean; lies in the model file.

    Parameters
    ----------
    signal : columns of the recording
    statistics, samples_per_step : how its rows become steps
    seq_len, horizon : steps of a window, and from its end to the label
    one_window_per_group, relative_to_first, predict_change, target_columns : as of the windows
    target, units : of the forecasts
    """

    signal: Names
    statistics: Names
    samples_per_step: Count
    seq_len: Count
    horizon: Row
    one_window_per_group: bool
    relative_to_first: bool
    predict_change: bool
    target: Names
    target_columns: tuple[Row | None, ...]
    units: Units

    @property
    def features(self) -> Names:
        """Names of the columns of a step."""
        return tuple(f"{name} of {column}" for name in self.statistics for column in self.signal)


def columns_of(signal: Sequence[str], target: Sequence[str]) -> tuple[int | None, ...]:
    """Return for each target the column of the signal with the same name, or None."""
    return tuple(signal.index(name) if name in signal else None for name in target)
