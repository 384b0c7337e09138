"""A folder of segments and a list of their names -> one forecast for each, such as LANL's competition asks for.

Kaggle's LANL Earthquake Prediction gives 2,624 files seg_*.csv, and sample_submission.csv with their order.
"""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from tqdm import tqdm

from recurrent.network.predictor import Network
from recurrent.predict.model import Model
from recurrent.predict.output import line
from recurrent.predict.steps import Steps
from recurrent.predict.windows import forecasts

SAMPLE = "sample_submission.csv"


def submission(model: Model, folder: Path, networks: Sequence[Network]) -> Iterator[bytes]:
    """Yield the header and the lines of the answer, in the order of the sample.

    Raises
    ------
    ValueError
        Before the first row where a segment or the sample is missing; where a segment cannot be read or is too short.
    """
    found = [path for path in (folder / SAMPLE, folder.parent / SAMPLE) if path.is_file()]
    if not found:
        raise ValueError(f"{folder}: no {SAMPLE} in it or beside it, expected the names of the segments")
    with found[0].open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    if len(header) != 1 + len(model.inputs.target) or any(len(row) != len(header) for row in rows):
        expected = f"a name and {', '.join(model.inputs.target)}"
        raise ValueError(f"{found[0]}: columns {', '.join(header)}, expected in each row {expected}")
    segments = [folder / f"{name}.csv" for name, *_ in rows]
    if missing := [path.name for path in segments if not path.is_file()]:
        others = f" and {len(missing) - 5} others" if len(missing) > 5 else ""
        raise ValueError(f"{folder}: {len(missing)} segments are missing: {', '.join(missing[:5])}{others}")
    yield line(header)
    for path in tqdm(segments, desc=folder.name, disable=None):
        last = None
        steps = Steps(model.inputs).of(model.recording(path).signals())
        for _, values in forecasts(steps, model.inputs, networks, all_steps=model.all_steps):
            last = values[-1]
        if last is None:
            need = model.inputs.seq_len * model.inputs.samples_per_step
            raise ValueError(f"{path}: too few rows for a forecast, expected at least {need}")
        yield line([path.stem, *map(repr, last.tolist())])
