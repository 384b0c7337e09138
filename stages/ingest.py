"""Read a source: raw file or folder -> data/<system>/series (signal.npy, target.npy, group.npy, meta.json)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recurrent.config.stage import run
from recurrent.sources._contract import get_source


@dataclass(frozen=True)
class Params:
    """What this stage reads from the params file."""

    raw: str
    source: dict[str, Any]


def main(params: Params, series: Path) -> None:
    """Check every row that the source finds in `raw` and write `series`."""
    module, options = get_source(params.source)
    recording = module.read(options, Path(params.raw))
    recording.write(series)
    print(f"{params.raw}: {recording.summary()}")


if __name__ == "__main__":
    run(main)
