"""Follow a recording as its rows arrive: forecasts are appended, and a stop loses nothing.

The output is written before the place in the recording is saved; what lies beyond a saved place is written anew.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recurrent.predict.arriving import ArrivingLines
from recurrent.predict.carried import Carried
from recurrent.predict.model import Model
from recurrent.predict.output import table, text
from recurrent.predict.steps import Steps
from recurrent.storage.meta import Meta
from recurrent.storage.npy import Array
from recurrent.storage.tables import write_json


@dataclass(frozen=True)
class Place(Meta):
    """Where following a recording stands.

    Parameters
    ----------
    model : digest of the networks' files
    offset, lines, mark : of the recording, as ArrivingLines has them
    rows, rest : rows that have become steps, and those after them
    written : bytes of the output that hold the forecasts so far
    states : of each network
    """

    model: str
    offset: int
    lines: int
    mark: str
    rows: int
    rest: list[list[float]]
    written: int
    states: list[Any]

    @classmethod
    def read(cls, path: Path) -> "Place | None":
        """Read what `write` wrote; None where nothing is there, ValueError where it is something else."""
        try:
            return cls.from_json(json.loads(path.read_text(encoding="utf-8")), path)
        except FileNotFoundError:
            return None
        except (UnicodeDecodeError, json.JSONDecodeError) as error:
            raise ValueError(f"{path}: not the place of an earlier run ({error})") from None

    def write(self, path: Path) -> None:
        """Write the file, whole or not at all."""
        write_json(path, self.to_json())


class Follower:
    """Forecasts of a recording's steps, each as soon as its rows are there.

    Parameters
    ----------
    recording : None: standard input
    wait : whether to wait at the end of a file for more
    place : where an earlier run stopped, None: at the beginning

    Raises
    ------
    ValueError
        Where the recording or the model is another one than before; where the model's state cannot be carried.
    """

    def __init__(self, model: Model, recording: Path | None, *, backend: str, wait: bool, place: Place | None) -> None:
        self._model, name = model, Path("standard input") if recording is None else recording
        if place is None:
            self._lines, self._steps = ArrivingLines(recording, wait=wait), Steps(model.inputs)
        else:
            self._lines = ArrivingLines(recording, wait=wait, offset=place.offset, skipped=place.lines)
            if (place.model, place.mark) != (model.digest, self._lines.mark):
                what = "another model" if place.model != model.digest else "another recording"
                raise ValueError(f"{name}: an earlier run had {what}; remove its output to begin anew")
            rest = np.array(place.rest, dtype=np.float64).reshape(len(place.rest), len(model.inputs.signal))
            self._steps = Steps(model.inputs, rows=place.rows, rest=rest)
        self._carried = Carried(model.paths, model.inputs, backend=backend, states=place.states if place else None)
        self._csv = model.recording(name, lines=self._lines)

    def forecasts(self) -> Iterator[tuple[int, Array]]:
        """Yield the number of the first step and forecasts (n, K), for each block of rows that completes a step."""
        for signal, _ in self._csv.blocks():
            first = self._steps.rows // self._model.inputs.samples_per_step
            if values := list(self._carried.forecasts(self._steps.of([signal]))):
                yield first, np.concatenate(values)

    def place(self, written: int) -> Place:
        """Return where it stands after a block, of whose forecasts the output holds `written` bytes."""
        return Place(
            model=self._model.digest,
            offset=self._lines.position,
            lines=self._csv.line - 1,
            mark=self._lines.mark,
            rows=self._steps.rows,
            rest=self._steps.rest.tolist(),
            written=written,
            states=self._carried.states,
        )


def append(model: Model, recording: Path | None, output: Path, *, backend: str) -> None:
    """Follow a recording into a CSV, from where an earlier run stopped.

    Raises
    ------
    ValueError
        What Follower raises; where `output` is not what an earlier run left.
    """
    path = output.with_name(output.name + ".place.json")
    place = Place.read(path)
    if output.exists() != (place is not None) or place is not None and output.stat().st_size < place.written:
        raise ValueError(f"{output}: not what {path.name} tells of; remove both to begin anew")
    follower = Follower(model, recording, backend=backend, wait=True, place=place)
    with output.open("r+b" if place else "wb") as file:
        if place:
            file.seek(place.written)
            file.truncate()
        for i, block in enumerate(follower.forecasts()):
            rows = list(table([block], model.inputs, model.interval))
            file.write(text(rows if not (i or place) else rows[1:]))
            file.flush()
            follower.place(file.tell()).write(path)
