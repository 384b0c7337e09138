"""Forecast a new recording with a trained model: CSV -> CSV of forecasts, at once or as its rows arrive."""

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path

from recurrent.config.stage import errors_in_one_line
from recurrent.predict.model import Model
from recurrent.predict.output import table, write
from recurrent.predict.steps import Steps
from recurrent.predict.submission import submission
from recurrent.predict.windows import forecasts

HELP = {
    "model": "the forecaster, such as data/quake/model/forecaster.safetensors; its members lie beside it",
    "input": "a CSV (also .gz, .zst, .zip); - for standard input, which implies --carry; or a folder of segments "
    "with LANL's sample_submission.csv in it or beside it",
    "output": "CSV to write (default: standard output)",
    "carry": "carry the network's state from step to step, where by default each forecast has a window of its own",
    "follow": "like --carry, and wait for further rows; with -o it goes on where it was stopped",
    "backend": "of hand-made cells, as in params.yaml (default: %(default)s)",
    "threads": "default: %(default)s",
}


def main() -> None:
    """Read the command line and write forecasts."""
    parser = argparse.ArgumentParser(prog="python -m stages.predict", description=__doc__)
    parser.add_argument("model", type=Path, help=HELP["model"])
    parser.add_argument("input", help=HELP["input"])
    parser.add_argument("-o", "--output", type=Path, help=HELP["output"])
    parser.add_argument("--carry", action="store_true", help=HELP["carry"])
    parser.add_argument("--follow", action="store_true", help=HELP["follow"])
    parser.add_argument("--backend", default="auto", choices=("auto", "c", "numpy", "reference"), help=HELP["backend"])
    parser.add_argument("--threads", type=int, default=1, help=HELP["threads"])
    given = parser.parse_args()
    with errors_in_one_line("with --follow and -o the same command goes on from here"):
        model, recording = Model.open(given.model), Path(given.input)
        if given.carry or given.follow or given.input == "-":
            _carry(model, None if given.input == "-" else recording, given)
        else:
            write(_by_windows(model, recording, given), given.output)


def _by_windows(model: Model, recording: Path, given: argparse.Namespace) -> Iterable[Sequence[str]]:
    predictors = model.predictors(backend=given.backend, threads=given.threads)
    if recording.is_dir():
        return submission(model, recording, predictors)
    blocks = (signal for signal, _ in model.recording(recording, progress=True).blocks())
    found = forecasts(Steps(model.inputs).of(blocks), model.inputs, predictors, all_steps=model.all_steps)
    return table(found, model.inputs, model.interval)


def _carry(model: Model, recording: Path | None, given: argparse.Namespace) -> None:
    from recurrent.predict import follow  # needs torch, whose import takes a second

    if given.follow and given.output:
        follow.append(model, recording, given.output, backend=given.backend)
    else:
        follower = follow.Follower(model, recording, backend=given.backend, wait=given.follow, place=None)
        write(table(follower.forecasts(), model.inputs, model.interval), given.output)


if __name__ == "__main__":
    main()
