"""Follow a recording as its rows arrive: forecasts are appended, and a stop loses nothing.

The output is written before the place in the recording is saved, which is done once in a while; what lies beyond a
saved place is written anew.
"""

import base64
import json
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recurrent.ingest.csv_stream import CsvFile
from recurrent.predict.arriving import Arriving, samples
from recurrent.predict.carried import Carried
from recurrent.predict.model import Model
from recurrent.predict.output import header, lines
from recurrent.predict.steps import Steps
from recurrent.storage.digest import of_json
from recurrent.storage.meta import Meta
from recurrent.storage.npy import Array
from recurrent.storage.tables import write_json

SAVED_EVERY = 1.0  # seconds; a save waits for the disk, and what a stop loses is forecast again


@dataclass(frozen=True)
class Place(Meta):
    """Where following a recording stands.

    Parameters
    ----------
    model : digest of the networks' files
    offset, lines, mark : of the recording, as Arriving has them
    rows, rest : rows that have become steps, and those after them, float64 in base 64
    written : bytes of the output that hold the forecasts so far
    states : of each network
    """

    model: str
    offset: int
    lines: int
    mark: str
    rows: int
    rest: str
    written: int
    states: list[Any]

    @classmethod
    def read(cls, path: Path) -> "Place | None":
        """Read what `write` wrote; None where nothing is there, ValueError where it is something else."""
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            if values.pop("digest") != of_json(values):
                raise ValueError("its digest is another one")
            return cls.from_json(values, path)
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{path}: not the place of an earlier run ({error})") from None

    def write(self, path: Path) -> None:
        """Write the file, whole or not at all."""
        write_json(path, self.to_json() | {"digest": of_json(self.to_json())})


class Follower:
    """Forecasts of a recording's steps, each as soon as its rows are there.

    Parameters
    ----------
    recording : None: standard input
    row : the type of a row, of samples without header or separators; None: a CSV
    wait : whether to wait at the end of a file for more
    place : where an earlier run stopped, None: at the beginning

    Raises
    ------
    ValueError
        Where the recording or the model is another one than before; where the model's state cannot be carried.
    """

    def __init__(
        self,
        model: Model,
        recording: Path | None,
        *,
        row: np.dtype[Any] | None,
        backend: str,
        wait: bool,
        place: Place | None,
    ) -> None:
        self._digest = model.digest
        name = Path("standard input") if recording is None else recording
        if place is None:
            self._arriving, steps = Arriving(recording, wait=wait, row=row), Steps(model.inputs)
        else:
            self._arriving = Arriving(recording, wait=wait, row=row, offset=place.offset, skipped=place.lines)
            if (place.model, place.mark) != (self._digest, self._arriving.mark):
                what = "another model" if place.model != self._digest else "another recording"
                raise ValueError(f"{name}: an earlier run had {what}; remove its output to begin anew")
            rest = np.frombuffer(base64.b64decode(place.rest)).reshape(-1, len(model.inputs.signal))
            steps = Steps(model.inputs, rows=place.rows, rest=rest)
        self._carried = Carried(model, steps, backend=backend, states=place.states if place else None)
        if row is None:
            self._csv: CsvFile | None = model.recording(name, lines=self._arriving)
            self._blocks = self._csv.signals()
        else:
            self._csv, self._blocks = None, samples(self._arriving, row, name)

    def forecasts(self) -> Iterator[tuple[int, Array]]:
        """Yield what Carried does, as rows arrive."""
        return self._carried.forecasts(self._blocks)

    def place(self, written: int) -> Place:
        """Return where it stands after a block, of whose forecasts the output holds `written` bytes."""
        return Place(
            model=self._digest,
            offset=self._arriving.position,
            lines=self._csv.line - 1 if self._csv else 0,
            mark=self._arriving.mark,
            rows=self._carried.steps.rows,
            rest=base64.b64encode(self._carried.steps.rest.astype(np.float64).tobytes()).decode(),
            written=written,
            states=self._carried.states,
        )


def append(model: Model, recording: Path | None, output: Path, *, row: np.dtype[Any] | None, backend: str) -> None:
    """Follow a recording into a CSV, from where an earlier run stopped.

    Raises
    ------
    ValueError
        What Follower raises; where `output` is not what an earlier run left.
    """
    path = output.with_name(output.name + ".place.json")
    place = Place.read(path)
    if output.exists() if place is None else place.written > (output.stat().st_size if output.exists() else 0):
        raise ValueError(f"{output}: not what {path.name} tells of; remove both to begin anew")
    follower = Follower(model, recording, row=row, backend=backend, wait=True, place=place)
    if place is None:
        place = follower.place(0)
        place.write(path)
    with output.open("r+b" if output.exists() else "w+b") as file:
        file.seek(place.written)
        file.truncate()
        if not place.written:
            file.write(header(model.inputs, model.interval))
        saved = -math.inf
        for block in lines(follower.forecasts(), model.inputs, model.interval):
            file.write(block)
            file.flush()
            if time.monotonic() > saved + SAVED_EVERY:
                follower.place(file.tell()).write(path)
                saved = time.monotonic()
