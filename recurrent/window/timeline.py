"""The rows of one or several recordings on their way to steps: which of them fill steps, and where cycles begin."""

from dataclasses import dataclass

from recurrent.storage.meta import SeriesMeta
from recurrent.storage.series import Series


@dataclass(frozen=True)
class Timeline:
    """Rows that become steps, numbered so that the step s has those from s * samples_per_step on.

    Steps begin anew with each recording, and none has rows of two. So the rows that fill no step are left out where
    another recording follows; those of the last recording stay, which makes the timeline of a single one its rows.

    Parameters
    ----------
    spans : rows [begin, end) of the series, of each recording
    recordings : where each recording begins on the timeline
    failures : rows of the timeline that follow a failure
    first_rows : rows of the series with which a recording begins, or that follow a failure
    """

    spans: tuple[tuple[int, int], ...]
    recordings: tuple[int, ...]
    failures: tuple[int, ...]
    first_rows: tuple[int, ...]

    @classmethod
    def of(cls, series: Series[SeriesMeta], samples_per_step: int) -> "Timeline":
        """Lay out the recordings of a series; ValueError where one has too few rows for a step."""
        meta = series.meta
        begins = meta.recordings or (0,)
        ends = (*begins[1:], len(series.signal))
        spans, places, place_of = list[tuple[int, int]](), list[int](), dict[int, int]()
        place = 0
        for number, (begin, end) in enumerate(zip(begins, ends, strict=True)):
            if end - begin < samples_per_step and meta.recordings:
                found = f"{(meta.groups or begins)[number]} has {end - begin} rows"
                raise ValueError(f"{found}, too few for one step of window.samples_per_step {samples_per_step}")
            if end < ends[-1]:
                end -= (end - begin) % samples_per_step
            spans.append((begin, end))
            places.append(place)
            place_of |= {row: place + row - begin for row in (begin, *meta.failures) if begin <= row < end}
            place += end - begin
        failures = tuple(place_of[row] for row in meta.failures if row in place_of)
        return cls(tuple(spans), tuple(places), failures, tuple(place_of))

    @property
    def rows(self) -> int:
        """Number of rows."""
        begin, end = self.spans[-1]
        return self.recordings[-1] + end - begin

    @property
    def cycles(self) -> list[int]:
        """Rows with which a cycle or a recording begins, the first of which is 0, and the end."""
        return [*sorted({*self.recordings, *self.failures}), self.rows]
