"""Aggregate samples to steps, split: data/quake/series -> data/quake/windows, batches of (-1, batch, seq, columns)."""

from dataclasses import dataclass
from pathlib import Path

from recurrent.config import schema
from recurrent.config.stage import run
from recurrent.storage.meta import SeriesMeta
from recurrent.storage.series import Series
from recurrent.window.split import Splitter
from recurrent.window.windows import Windows
from recurrent.window.write import write_windows


@dataclass(frozen=True)
class Params:
    """What this stage reads from params.yaml."""

    seq_len: int
    window: schema.Window


def main(params: Params, series: Path, windows: Path) -> None:
    """Write the steps of `series` and where their windows lie to `windows`."""
    window = params.window
    write_windows(
        Series.open(series, SeriesMeta),
        windows,
        seq_len=params.seq_len,
        samples_per_step=window.samples_per_step,
        statistics=window.statistic,
        stride=window.stride,
        batch_size=window.batch_size,
        splitter=Splitter(
            window.split, (window.train_fraction, window.validation_fraction), window.folds, window.repeats, window.seed
        ),
        horizon=window.horizon,
        one_window_per_group=window.one_window_per_group,
        relative_to_first=window.relative_to_first,
        predict_change=window.predict_change,
    )
    print(Windows.open(windows).summary())


if __name__ == "__main__":
    run(main)
