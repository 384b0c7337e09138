"""A model file and its members, and what they forecast of a recording."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recurrent.ingest.csv_stream import CsvFile
from recurrent.network.interval import Interval
from recurrent.network.model_file import ModelFile, model_paths
from recurrent.network.predictor import Network, read_network
from recurrent.storage.meta import Inputs


@dataclass(frozen=True)
class Model:
    """Networks whose mean is the forecast: the one at a path and its members beside it, of the first split."""

    paths: tuple[Path, ...]
    inputs: Inputs
    all_steps: bool  # whether they have an output for each step of a window
    whole_windows: bool  # whether they forecast from all steps of a window at once, so that no state can be carried on
    interval: Interval | None

    @classmethod
    def open(cls, path: Path) -> "Model":
        """Find the networks.

        Raises
        ------
        ValueError
            Where the file is no model, or the model reads something else than rows of numbers.
        """
        saved = ModelFile.read(path)
        if saved.inputs is None or saved.config.input != "values" or saved.inputs.one_window_per_group:
            reads = "words" if saved.config.input != "values" else "groups of rows"
            raise ValueError(f"{path}: the model reads {reads}, expected one that reads a recording")
        paths, readout = tuple(model_paths(path, 1)[0]), saved.config.readout
        whole = saved.inputs.relative_to_first or readout == "mean" or saved.ridge is not None
        return cls(paths, saved.inputs, readout == "all_steps", whole, saved.interval)

    def networks(self, *, backend: str, threads: int) -> list[Network]:
        """Return the networks as functions."""
        return [read_network(path, backend=backend, threads=threads) for path in self.paths]

    @property
    def digest(self) -> str:
        """sha256 of all files."""
        return hashlib.sha256(b"".join(hashlib.sha256(path.read_bytes()).digest() for path in self.paths)).hexdigest()

    def recording(self, path: Path, **options: Any) -> CsvFile:
        """Return the columns of a recording that the networks read."""
        return CsvFile(path, signal=self.inputs.signal, target=None, failure_threshold=None, **options)
