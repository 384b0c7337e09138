"""Summarise, split and cut: data/quake/series -> data/quake/windows, batches of (-1, batch, seq, columns)."""

from dataclasses import dataclass
from pathlib import Path

import stages
from recurrent.config import schema
from recurrent.storage.series import Series
from recurrent.window.split import Split
from recurrent.window.windows import Windows
from recurrent.window.write import write_windows


@dataclass(frozen=True)
class Params:
    """What this stage reads from params.yaml."""

    seq_len: int
    window: schema.Window


def main(params: Params, series: Path, windows: Path) -> None:
    """Write the steps of `series` and where their windows lie to `windows`."""
    knobs = params.window
    write_windows(
        Series.open(series),
        windows,
        seq_len=params.seq_len,
        samples_per_step=knobs.samples_per_step,
        statistics=knobs.statistic,
        stride=knobs.stride,
        batch_size=knobs.batch_size,
        split=Split(
            knobs.split, (knobs.train_fraction, knobs.validation_fraction), knobs.folds, knobs.repeats, knobs.seed
        ),
        horizon=knobs.horizon,
        whole=knobs.whole,
        relative=knobs.relative,
        difference=knobs.difference,
    )
    print(Windows.open(windows).summary())


if __name__ == "__main__":
    stages.run(main)
