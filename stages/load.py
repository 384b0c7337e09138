"""Read a source: data/raw/<system> -> data/<system>/series (signal.npy, target.npy, group.npy, meta.json)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import stages
from recurrent.sources._contract import get_source


@dataclass(frozen=True)
class Params:
    """What this stage reads from the params file."""

    reads: str
    source: dict[str, Any]


def main(params: Params, series: Path) -> None:
    """Write what the source makes of the files that `reads` names to `series`."""
    module, options = get_source(params.source)
    recording = module.read(options, Path(params.reads))
    recording.write(series)
    print(f"{series}: {len(recording.signal)} rows of {', '.join(recording.meta['signal'])}")
    print("\n".join(recording.meta["source"]["notes"]))


if __name__ == "__main__":
    stages.run(main)
