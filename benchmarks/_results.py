"""Options and output files common to all benchmarks, and the name of the processor.

    python -m benchmarks._results

prints the folder of this kind of core in docs/benchmarks.
"""

import argparse
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options --json and --picture."""
    parser.add_argument("--json", type=Path)
    parser.add_argument("--picture", type=Path)


def save(results: dict[str, Any], arguments: argparse.Namespace, draw: Callable[[dict[str, Any], Path], None]) -> None:
    """Write the requested files; create their folders."""
    for path in (arguments.json, arguments.picture):
        if path:
            path.parent.mkdir(parents=True, exist_ok=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2) + "\n")
    if arguments.picture:
        draw(results, arguments.picture)


def kind() -> str:
    """Return what speed depends on most: the processor's name as Linux gives it, and the width of its vectors."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.exists() else []
    fields = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in reversed(lines))}
    flags = set(fields.get("flags", "").split())
    vectors = "AVX-512" if "avx512f" in flags else "AVX2" if "avx2" in flags else "no AVX2"
    return f"{fields.get('model name', 'unknown')}, {vectors}"


def cpu() -> str:
    """Return the kind of core and how many there are."""
    return f"{kind()}, {os.cpu_count()} cores"


if __name__ == "__main__":
    print(re.sub(r"[^a-z0-9]+", "-", kind().lower()).strip("-"))
