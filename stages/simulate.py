"""Simulate a laboratory fault in LANL's format: params -> data/raw/simulated.csv."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from recurrent.config import schema
from recurrent.config.stage import run
from recurrent.sources import fault
from recurrent.storage.tables import write_csv


@dataclass(frozen=True)
class Params:
    """What this stage reads from params.yaml."""

    simulate: schema.Simulate


def main(params: Params, csv: Path) -> None:
    """Write `csv`: acoustic_data (counts), time_to_failure (s)."""
    simulate = params.simulate
    blocks = fault.simulate(**asdict(simulate))
    with tqdm(total=simulate.cycles, unit=" cycles", desc=csv.name, disable=None) as bar:  # None: only on a terminal

        def columns() -> Iterator[dict[str, Any]]:
            for sound, time in blocks:
                yield {"acoustic_data": sound, "time_to_failure": time}
                bar.update(bool(time[-1] <= 1 / simulate.sample_rate))  # the last sample before a failure

        write_csv(csv, columns())
    print(f"{csv}: {simulate.cycles} cycles, {csv.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    run(main)
