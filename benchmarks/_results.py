"""Options and output files common to all benchmarks, and the name of the processor."""

import argparse
import json
import os
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


def cpu() -> str:
    """Return the processor's name as Linux gives it, and the number of cores."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.exists() else []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
    return f"{model}, {os.cpu_count()} cores"
