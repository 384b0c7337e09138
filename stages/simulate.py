"""Simulate a laboratory fault in LANL's format: params -> data/raw/simulated.csv."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

import stages
from recurrent.config import schema
from recurrent.sources import fault
from recurrent.storage.tables import write_csv


@dataclass(frozen=True)
class Params:
    """What this stage reads from params.yaml."""

    simulate: schema.Simulate


def main(params: Params, csv: Path) -> None:
    """Write `csv`: acoustic_data (counts), time_to_failure (s)."""
    knobs = params.simulate
    blocks = fault.simulate(cycles=knobs.cycles, sample_rate=knobs.sample_rate, seed=knobs.seed)
    with tqdm(total=knobs.cycles, unit=" cycles", desc=csv.name, disable=None) as bar:  # None: only on a terminal

        def columns() -> Iterator[dict[str, Any]]:
            for sound, time in blocks:
                yield {"acoustic_data": sound, "time_to_failure": time}
                bar.update(bool(time[-1] <= 1 / knobs.sample_rate))  # the last sample before a failure

        write_csv(csv, columns())
    print(f"{csv}: {knobs.cycles} cycles, {csv.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    stages.run(main)
