"""How every benchmark keeps what it measured: JSON and a picture where asked to, and the processor's name."""

import argparse
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Let the command line ask for --json and --picture."""
    parser.add_argument("--json", type=Path)
    parser.add_argument("--picture", type=Path)


def keep(results: dict[str, Any], arguments: argparse.Namespace, draw: Callable[[dict[str, Any], Path], None]) -> None:
    """Write the files that were asked for, and the folders they lie in."""
    for path in (arguments.json, arguments.picture):
        if path:
            path.parent.mkdir(parents=True, exist_ok=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2) + "\n")
    if arguments.picture:
        draw(results, arguments.picture)


def cpu() -> str:
    """Name the processor as the kernel does, and count its cores."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.exists() else []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
    return f"{model}, {os.cpu_count()} cores"
