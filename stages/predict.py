"""Forecast a new recording with a trained model: CSV -> CSV of forecasts, at once or as its rows arrive."""

import argparse
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from recurrent.config.stage import errors_in_one_line
from recurrent.predict import follow
from recurrent.predict.arriving import Arriving, samples
from recurrent.predict.carried import Carried
from recurrent.predict.model import Model
from recurrent.predict.output import header, lines, write
from recurrent.predict.steps import Steps
from recurrent.predict.submission import submission
from recurrent.predict.windows import forecasts
from recurrent.storage.npy import Array

HELP = {
    "model": "the forecaster, such as data/quake/model/forecaster.safetensors; its members lie beside it",
    "input": "a CSV (also .gz, .zst, .zip); - for standard input, which implies --carry; or a folder of segments "
    "with LANL's sample_submission.csv in it or beside it",
    "samples": "the input is no CSV: numbers of this type, little-endian, row by row, without a header",
    "output": "CSV to write (default: standard output)",
    "carry": "carry the network's state from step to step, where by default each forecast has a window of its own",
    "follow": "like --carry, and wait for further rows of a file; with -o it goes on where it was stopped",
    "backend": "of hand-made cells, as in params.yaml (default: %(default)s)",
    "threads": "default: %(default)s",
}
SAMPLES = {"int16": "<i2", "int32": "<i4", "float32": "<f4", "float64": "<f8"}


def main() -> None:
    """Read the command line and write forecasts."""
    parser = argparse.ArgumentParser(prog="python -m stages.predict", description=__doc__)
    parser.add_argument("model", type=Path, help=HELP["model"])
    parser.add_argument("input", help=HELP["input"])
    parser.add_argument("-o", "--output", type=Path, help=HELP["output"])
    parser.add_argument("--samples", choices=SAMPLES, help=HELP["samples"])
    parser.add_argument("--carry", action="store_true", help=HELP["carry"])
    parser.add_argument("--follow", action="store_true", help=HELP["follow"])
    parser.add_argument("--backend", default="auto", choices=("auto", "c", "numpy", "reference"), help=HELP["backend"])
    parser.add_argument("--threads", type=int, default=1, help=HELP["threads"])
    given = parser.parse_args()
    with errors_in_one_line("with --follow and -o the same command goes on from here"):
        model, recording = Model.open(given.model), None if given.input == "-" else Path(given.input)
        row = np.dtype((SAMPLES[given.samples], (len(model.inputs.signal),))) if given.samples else None
        if recording and recording.is_dir():
            networks = model.networks(backend=given.backend, threads=given.threads)
            write(submission(model, recording, networks), given.output)
        elif recording and given.follow and given.output:
            follow.append(model, recording, given.output, row=row, backend=given.backend)
        else:
            head, found = header(model.inputs, model.interval), _forecasts(model, recording, row, given)
            write(chain([head], lines(found, model.inputs, model.interval)), given.output)


def _forecasts(
    model: Model, recording: Path | None, row: np.dtype[Any] | None, given: argparse.Namespace
) -> Iterator[tuple[int, Array]]:
    inputs, backend = model.inputs, given.backend
    if not recording or given.follow:
        return follow.Follower(model, recording, row=row, backend=backend, wait=given.follow, place=None).forecasts()
    if row is None:
        blocks = model.recording(recording, progress=True).signals()
    else:
        blocks = samples(Arriving(recording, wait=False, row=row), row, recording)
    if given.carry:
        return Carried(model, Steps(inputs), backend=backend).forecasts(blocks)
    networks = model.networks(backend=backend, threads=given.threads)
    return forecasts(Steps(inputs).of(blocks), inputs, networks, all_steps=model.all_steps)


if __name__ == "__main__":
    main()
