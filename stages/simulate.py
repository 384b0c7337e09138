"""Simulate a laboratory fault in LANL's format: params -> data/raw/simulated.csv."""

from dataclasses import dataclass
from pathlib import Path

import stages
from recurrent import settings
from recurrent.sources import fault
from recurrent.tables import write_csv


@dataclass(frozen=True)
class Params:
    """What this stage reads from params.yaml."""

    simulate: settings.Simulate


def main(params: Params, csv: Path) -> None:
    """Write `csv`: acoustic_data (counts), time_to_failure (s)."""
    knobs = params.simulate
    blocks = fault.simulate(cycles=knobs.cycles, sample_rate=knobs.sample_rate, seed=knobs.seed)
    write_csv(csv, ({"acoustic_data": sound, "time_to_failure": time} for sound, time in blocks))
    print(f"{csv}: {knobs.cycles} cycles, {csv.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    stages.run(main)
