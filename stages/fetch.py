"""Download the files of a source, once: address -> data/raw/<system>; a generated source has none.

Downloads are kept in .cache/downloads. The environment variable RECURRENT_MIRROR names a folder, or the address of
one, that stands in for all addresses: a file is found there by its name, anywhere below, or by its checksum.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recurrent.config.stage import run
from recurrent.ingest import download
from recurrent.sources._contract import get_source


@dataclass(frozen=True)
class Params:
    """What this stage reads from the params file."""

    source: dict[str, Any]


def main(params: Params, raw: Path) -> None:
    """Fill the folder `raw` with what the source wants to read."""
    module, options = get_source(params.source)
    raw.mkdir(parents=True, exist_ok=True)
    cache = Path(os.environ.get("DVC_ROOT", ".")) / ".cache" / "downloads"
    for file in module.files(options):
        path = download.fetch(file, raw, cache=cache, mirror=os.environ.get("RECURRENT_MIRROR"))
        print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    run(main)
